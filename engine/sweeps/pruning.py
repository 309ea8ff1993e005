"""Which runs of a sweep are stopped early: Optuna's pruners, told of every epoch as it is written.

The median rule is that of Golovin et al. (2017, "Google Vizier", section 3.2.2); Hyperband is of Li et al. (2018, "Hyperband: A Novel
Bandit-Based Approach to Hyperparameter Optimization"), whose resource is the epoch here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from engine.store import ACTIVE, RunStore
from engine.sweeps.axes import Values
from engine.sweeps.config import SweepConfig
from engine.sweeps.sampling import frozen, new_study
from engine.sweeps.trials import Trial

if TYPE_CHECKING:
    import optuna

FIRST_TRIALS = 5
"""The median says nothing before so many runs have finished."""
WARM_UP = 0.1
"""Nor in this share of the epochs, at the beginning."""
REDUCTION = 3
"""Of Hyperband: one in so many runs goes on to the next round."""


class Watch:
    """The first repetitions of all trials of a sweep, as an Optuna study that is told what the store holds.

    It can be made anew at any time: then it is told everything once more.
    """

    def __init__(self, config: SweepConfig, metric: str) -> None:
        self.config, self.metric = config, metric
        # By the study's name and the trial's number Hyperband chooses how soon a run is first judged.
        self.study = new_study(metric, f"sweep-{config.seed}", pruner=_pruner(config))
        self.reported: dict[int, int] = {}
        self.told: dict[int, tuple[str, str]] = {}

    def look(self, trials: Sequence[Trial], store: RunStore) -> dict[str, tuple[int, float]]:
        """Takes in what is new; returns the runs to stop, by id, each with its epoch and the metric then.

        Args:
            trials: all that were asked for, by number.
        """
        for trial in trials[len(self.reported) :]:
            self.study.add_trial(frozen(self.config, trial, running=True))
            self.reported[trial.number] = 0
        # What was told once is not asked again.
        open_ones = [trial for trial in trials if trial.settings and trial.number not in self.told]
        measured = store.by_epoch([trial.runs[0].id for trial in open_ones], f"validation/{self.metric}")
        doomed = {}
        for trial in open_ones:
            run = trial.runs[0]
            if (last := self._report(trial, measured.get(run.id, {}))) is not None:
                doomed[run.id] = last
            self._tell(trial)
        return doomed

    def outdated(self, trials: Sequence[Trial]) -> bool:
        """Whether a trial that was told to have ended has begun again, or is gone: then a new watch is due."""
        first = {trial.number: (trial.runs[0].id, trial.runs[0].state) for trial in trials if trial.runs}
        return any(first.get(number) != known for number, known in self.told.items())

    def _report(self, trial: Trial, measured: Mapping[int, float]) -> tuple[int, float] | None:
        """Reports the new epochs of a trial; the last of them where the pruner wants it to have been the last."""
        import optuna

        run, known = trial.runs[0], self.reported[trial.number]
        ends = run.pruned[0] if run.pruned is not None else math.inf
        fresh = {epoch: value for epoch, value in measured.items() if known < epoch <= ends}
        if not fresh:
            return None
        own = optuna.trial.Trial(self.study, self.study.get_trials(deepcopy=False)[trial.number]._trial_id)
        prune = False
        for epoch, value in fresh.items():
            own.report(value, epoch)
            prune = own.should_prune() or prune
        self.reported[trial.number] = epoch
        return (epoch, value) if prune and run.pruned is None and run.state in ACTIVE else None

    def _tell(self, trial: Trial) -> None:
        from optuna.trial import TrialState

        run = trial.runs[0]
        if run.state in (*ACTIVE, "paused"):
            return
        self.told[trial.number] = run.id, run.state
        if run.value is not None:
            self.study.tell(trial.number, run.value)
        else:
            self.study.tell(trial.number, state=TrialState.PRUNED if trial.state == "pruned" else TrialState.FAIL)


def _pruner(config: SweepConfig) -> optuna.pruners.BasePruner:
    import optuna

    axis = config.axes.get("training.epochs")
    epochs = config.base.training.epochs if axis is None else max(axis.values) if isinstance(axis, Values) else int(axis.high)
    if config.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=REDUCTION)
    return optuna.pruners.MedianPruner(n_startup_trials=FIRST_TRIALS, n_warmup_steps=max(1, round(WARM_UP * epochs)) + 1)
