"""Whether two settings of a sweep really differ: on the test ratings, by which neither was chosen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.comparison.figures import figure
from engine.metrics import higher_is_better
from engine.paired import over_repeats, paired
from engine.store import RunStore
from engine.sweeps.config import SweepConfig
from engine.sweeps.trials import Trial


@dataclass(frozen=True)
class Apart:
    """The metric of one setting minus that of another on the same test ratings.

    Attributes:
        metric: its name.
        value: the mean difference over repetitions.
        half: half-width of its 95 % interval; endless where nothing is known of chance.
        repeats: pairs of repetitions, with the same seed on the same ratings.
        over: what the interval allows for: "users", "seeds", "folds", or "users and seeds"; "" where nothing is known.
        on: what both were compared on, such as "9,669 pairs"; "" where that is not known.
    """

    metric: str
    value: float
    half: float
    repeats: int
    over: str
    on: str

    @property
    def distinguishable(self) -> bool:
        """Whether the interval excludes 0."""
        return abs(self.value) > self.half

    @property
    def first_is_better(self) -> bool:
        """Whether the mean difference speaks for the first setting."""
        return self.value > 0 if higher_is_better(self.metric) else self.value < 0


def apart(config: SweepConfig, metric: str, first: Trial, second: Trial, store: RunStore) -> Apart | None:
    """Compares two settings, repetition by repetition.

    On one split the interval allows for the choice of users by what the runs left per user (`engine.paired`), and for the seeds by
    Student's t; on folds, which share training data, for the folds by Student's t as Nadeau & Bengio (2003, "Inference for the
    Generalization Error") widen it, each fold being the mean over its seeds.

    Returns:
        None where they have no finished repetition in common, or the runs have no test value of this metric.
    """
    sides = [{run.repeat: run.id for run in trial.runs if run.state == "finished"} for trial in (first, second)]
    common = sorted(sides[0].keys() & sides[1].keys())
    ids = [[side[repeat] for repeat in common] for side in sides]
    figures = [[figure(store.get(run_id), metric) for run_id in side] for side in ids]
    if not common or any(value is None for side in figures for value in side):
        return None
    by_repeat = np.array(figures[0], float) - np.array(figures[1], float)
    if config.folds:
        folds = np.array(common) // config.seeds
        by_fold = np.array([by_repeat[folds == fold].mean() for fold in np.unique(folds)])
        half = over_repeats(by_fold, config.folds)
        return Apart(metric, float(by_fold.mean()), _or_endless(half), len(common), "folds" if math.isfinite(half) else "", "")
    both = paired(metric, ids, store)
    parts = {"users": math.nan if both is None else both.half, "seeds": over_repeats(by_repeat)}
    known = {what: half for what, half in parts.items() if math.isfinite(half) and half > 0}
    # Two models that agree on every user do not differ, whatever the interval.
    same = both is not None and both.half == 0 and not by_repeat.any()
    half = 0.0 if same else math.hypot(*known.values()) if known else math.inf
    return Apart(metric, float(by_repeat.mean()), half, len(common), " and ".join(known), "" if both is None else both.on)


def _or_endless(half: float) -> float:
    return half if math.isfinite(half) else math.inf
