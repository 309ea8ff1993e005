"""How the trials of a sweep stand, told from its runs alone: nothing else is kept of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from engine.metrics import higher_is_better
from engine.store import ACTIVE, RunStore, Sweep, TrialRun
from engine.sweeps.axes import Range, Values
from engine.sweeps.config import SweepConfig, parse_sweep

TRIAL_STATES = ("waiting", "running", "paused", "finished", "pruned", "stopped", "failed", "deleted")
OPEN = ("waiting", "running", "paused")
"""States in which a trial's value is still to come."""


@dataclass(frozen=True)
class Trial:
    """One setting, with a run for each of its repetitions that has begun.

    Attributes:
        number: from 0, in the order of asking.
        settings: field path → value; empty where all of its runs were deleted, or a damaged database does not tell them.
        state: one of `TRIAL_STATES`.
        error: why it failed, in one sentence.
    """

    number: int
    settings: Mapping[str, Any]
    state: str
    runs: tuple[TrialRun, ...]
    error: str | None = None

    @property
    def values(self) -> list[float]:
        """The metric of each repetition that has finished."""
        return [run.value for run in self.runs if run.value is not None]

    @property
    def mean(self) -> float | None:
        """The value of the setting; None unless all of its repetitions have finished."""
        return float(np.mean(self.values)) if self.state == "finished" else None

    @property
    def sd(self) -> float | None:
        """Standard deviation over repetitions (of a sample, n − 1); None of fewer than two."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None

    @property
    def ended(self) -> float | None:
        """When its last repetition ended, in seconds since 1970; None while one is to come."""
        return None if self.state in OPEN else max((run.finished or 0.0 for run in self.runs), default=0.0)


def config_of(sweep: Sweep) -> SweepConfig:
    """What a sweep searches. Raises InputError where an older or newer version wrote it."""
    return _parsed(json.dumps(sweep.config))


@lru_cache(maxsize=64)
def _parsed(text: str) -> SweepConfig:
    return parse_sweep(json.loads(text))


def trials_of(sweep: Sweep, config: SweepConfig, store: RunStore) -> list[Trial]:
    """Every trial that was asked for, by number."""
    runs: dict[int, list[TrialRun]] = {number: [] for number in range(sweep.asked)}
    for run in store.trial_runs(sweep, [*config.axes]):
        runs.setdefault(run.trial, []).append(run)
    trials = [_trial(number, found, config, sweep.metric) for number, found in sorted(runs.items())]
    return trials if sweep.state == "running" else [_at_rest(trial, sweep.state) for trial in trials]


def better(metric: str, first: float, second: float) -> bool:
    """Whether the first value of a metric is the better one."""
    return first > second if higher_is_better(metric) else first < second


def best_of(trials: Sequence[Trial], metric: str) -> Trial | None:
    """The finished trial with the best value; the earliest of equal ones."""
    finished = [trial for trial in trials if trial.mean is not None]
    sign = -1 if higher_is_better(metric) else 1
    return min(finished, key=lambda trial: (sign * (trial.mean or 0.0), trial.number), default=None)


def _trial(number: int, runs: Sequence[TrialRun], config: SweepConfig, metric: str | None) -> Trial:
    if not runs:
        return Trial(number, {}, "deleted", ())
    settings = {path: _as_axis_has_it(axis, runs[0].settings.get(path)) for path, axis in config.axes.items()}
    if any(value is None and not _may_be_empty(config.axes[path]) for path, value in settings.items()):
        return Trial(number, {}, "failed", tuple(runs), f"The database's row of the run {runs[0].name} is damaged.")
    state, error = _state(runs, config, metric)
    return Trial(number, settings, state, tuple(runs), error)


def _at_rest(trial: Trial, state: str) -> Trial:
    """A trial of a sweep that begins no runs: one that has none left that waits or runs, but lacks some, is not running any more."""
    if trial.state != "running" or any(run.state in ACTIVE for run in trial.runs):
        return trial
    return replace(trial, state="paused" if state == "paused" else "stopped")


def _state(runs: Sequence[TrialRun], config: SweepConfig, metric: str | None) -> tuple[str, str | None]:
    states = {run.state for run in runs}
    if any(run.pruned is not None and run.state == "stopped" for run in runs):
        return "pruned", None
    lost = next((run for run in runs if run.state in ("failed", "crashed")), None)
    if lost is not None:
        return "failed", lost.error
    if "stopped" in states:
        return "stopped", None
    if any(run.state == "finished" and run.value is None for run in runs):
        # Before the metric is known, nobody can tell.
        return ("failed", f"It has no validation {metric}: choose another metric, or another model.") if metric else ("running", None)
    if states & {"running", "finished"} and (states & set(ACTIVE) or len(runs) < config.repeats):
        return "running", None
    if "queued" in states:
        return "waiting", None
    return ("paused", None) if "paused" in states else ("finished", None)


def _may_be_empty(axis: Values | Range) -> bool:
    return isinstance(axis, Values) and None in axis.values


def _as_axis_has_it(axis: Values | Range, value: Any) -> Any:
    """A value as it was asked for: a database may keep false as 0, and of a number 15 digits."""
    if isinstance(axis, Range):
        inside = axis.step is None and isinstance(value, int | float)
        return min(max(value, axis.low), axis.high) if inside else value
    near = (one for one in axis.values if isinstance(one, float) and isinstance(value, float) and math.isclose(one, value, rel_tol=1e-14))
    return next((one for one in axis.values if one == value), next(near, value))
