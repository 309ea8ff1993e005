"""Which setting comes next. It follows from the trials that there are and from the sampler's seed alone, whoever asks and how often.

Optuna's samplers draw it (Akiba et al. 2019, "Optuna"): at random as Bergstra & Bengio (2012, "Random Search for Hyper-Parameter
Optimization"), or by the tree-structured Parzen estimator of Bergstra et al. (2011, "Algorithms for Hyper-Parameter Optimization",
section 4).
"""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import InputError
from engine.metrics import higher_is_better
from engine.sweeps.axes import Range, Values
from engine.sweeps.config import SweepConfig, grid
from engine.sweeps.trials import OPEN, Trial

if TYPE_CHECKING:
    import optuna

TRIES = 40
"""So often a setting is drawn again that is not possible, or was tried already."""
DIGITS = 4
"""Significant digits of a drawn number: what people can read and repeat."""


def next_setting(config: SweepConfig, trials: Sequence[Trial], metric: str) -> dict[str, Any] | None:
    """The setting of the trial that comes after these; None where every possible one was tried.

    Args:
        trials: all that were asked for, by number.
        metric: by which they are judged.
    """
    tried = {_key(trial.settings) for trial in trials}
    whole = grid(config)
    left = [settings for settings in whole if _key(settings) not in tried]
    if whole and not left:
        return None
    if config.sampler == "grid":
        return left[0]
    for settings in _drawn(config, trials, metric):
        if _key(settings) not in tried and _possible(config, settings):
            return settings
    if left:
        return random.Random(f"{config.seed}.{len(trials)}").choice(left)
    return None


def study_of(config: SweepConfig, trials: Sequence[Trial], metric: str, name: str = "sweep") -> optuna.Study:
    """The trials as an Optuna study: those that have a value as complete ones, pruned ones with their last, others as running or failed."""
    study = new_study(metric, name)
    study.add_trials([frozen(config, trial) for trial in trials])
    return study


def new_study(metric: str, name: str = "sweep", **how: Any) -> optuna.Study:
    """A study in memory without trials, which seeks the least or the greatest value as the metric asks.

    Args:
        how: further arguments of `optuna.create_study`, such as its pruner.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(study_name=name, direction="maximize" if higher_is_better(metric) else "minimize", **how)


def frozen(config: SweepConfig, trial: Trial, *, running: bool = False) -> optuna.trial.FrozenTrial:
    """A trial as Optuna has it; with `running` as it was before it had a value."""
    from optuna.trial import TrialState, create_trial

    if not trial.settings:
        return create_trial(state=TrialState.FAIL)
    known: dict[str, Any] = {
        "params": {path: to_parameter(config.axes[path], value) for path, value in trial.settings.items()},
        "distributions": distributions(config),
    }
    if running or trial.state in OPEN:
        return create_trial(state=TrialState.RUNNING, **known)
    if trial.mean is not None:
        return create_trial(state=TrialState.COMPLETE, value=trial.mean, **known)
    if trial.state == "pruned":
        last = next(run.pruned for run in trial.runs if run.pruned is not None)
        return create_trial(state=TrialState.PRUNED, intermediate_values=dict([last]), **known)
    return create_trial(state=TrialState.FAIL, **known)


def distributions(config: SweepConfig) -> dict[str, optuna.distributions.BaseDistribution]:
    """Each axis as Optuna has it: of listed values their places, numbers in order; of ranges the numbers themselves."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, optuna.distributions.BaseDistribution] = {}
    for path, axis in config.axes.items():
        if by_place(axis):
            count = len(axis.choices or ())
            found[path] = IntDistribution(0, count - 1) if axis.ordered else CategoricalDistribution(tuple(range(count)))
        elif isinstance(axis, Range):
            kind = IntDistribution if axis.whole else FloatDistribution
            found[path] = kind(axis.low, axis.high, log=axis.log)  # type: ignore[arg-type]
    return found


def by_place(axis: Values | Range) -> bool:
    """Whether Optuna knows an axis by the places of its values."""
    return isinstance(axis, Values) or axis.step is not None


def to_parameter(axis: Values | Range, value: Any) -> Any:
    """A value as Optuna's parameter."""
    return (axis.choices or ()).index(value) if by_place(axis) else value


def from_parameter(axis: Values | Range, parameter: Any) -> Any:
    """Optuna's parameter as a value; numbers of a range with few digits."""
    if by_place(axis):
        return (axis.choices or ())[parameter]
    assert isinstance(axis, Range)
    return parameter if axis.whole else min(max(float(f"{parameter:.{DIGITS}g}"), axis.low), axis.high)


def _drawn(config: SweepConfig, trials: Sequence[Trial], metric: str) -> Iterator[dict[str, Any]]:
    """Settings that the sampler proposes for the next trial, one after the other, each with a seed of its own."""
    study = study_of(config, trials if config.sampler == "tpe" else (), metric)
    for attempt in range(TRIES):
        # A sampler that goes on after a restart begins its stream again, and would ask for the same settings once more.
        study.sampler = _sampler(config, int(np.random.SeedSequence([config.seed, len(trials), attempt]).generate_state(1)[0]))
        asked = study.ask(distributions(config))
        yield {path: from_parameter(axis, asked.params[path]) for path, axis in config.axes.items()}


def _sampler(config: SweepConfig, seed: int) -> optuna.samplers.BaseSampler:
    import optuna

    if config.sampler == "random":
        return optuna.samplers.RandomSampler(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # A running trial counts as a bad one, so that those that run side by side are not all at one place.
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)


def _possible(config: SweepConfig, settings: Mapping[str, Any]) -> bool:
    try:
        config.run_config(settings)
    except InputError:
        return False
    return True


def _key(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)
