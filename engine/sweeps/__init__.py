"""Searches over settings: Optuna asks, the queue trains, and every trial is an ordinary run."""

from engine.sweeps.axes import Range, Values, read_axis, write_axis
from engine.sweeps.config import SweepConfig, grid, impossible, parse_sweep
from engine.sweeps.trials import Trial, best_of, config_of, trials_of

__all__ = [
    "Range",
    "SweepConfig",
    "Trial",
    "Values",
    "best_of",
    "config_of",
    "grid",
    "impossible",
    "parse_sweep",
    "read_axis",
    "trials_of",
    "write_axis",
]
