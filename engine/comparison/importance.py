"""Which settings tell in a metric: permutation importance out of sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.comparison.figures import Part, figure, on_one_ground
from engine.comparison.settings import SEED, settings_table, without_seed
from engine.errors import InputError
from engine.store import Run

FEWEST_RUNS = 12
FEWEST_CONFIGURATIONS = 6
FOLDS, REPEATS = 5, 3
TREES, SHUFFLES = 60, 10


class TooLittle(InputError):
    """Runs that importance cannot be measured on.

    Attributes:
        why: the sentence without its remedy, for runs that no filters have chosen.
    """

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(f"{why} {remedy}")
        self.why = why


@dataclass(frozen=True, eq=False)
class Importance:
    """What a random forest that predicts a metric from settings loses when it is told one of them wrong.

    Attributes:
        table: columns `setting` (field path), `together` (settings that changed along with it in every run, so that nobody can
            tell which of them it was), `importance` and `half`, most important first: the mean squared error that shuffling the
            setting adds, in shares of the metric's variance over the runs, as a mean over configurations, and the half-width of its
            95 % interval.
        explained: share of the variance that the forest predicts of runs that it has not seen (R²); at 0 or below it predicts nothing.
        runs, configurations: on how many it rests; configurations that differ in the seed alone count as one.
        left_out: runs without this metric, or measured on other ratings.
    """

    table: pd.DataFrame
    explained: float
    runs: int
    configurations: int
    left_out: int

    @property
    def tells(self) -> bool:
        """Whether anything was predicted at all; importances of a forest that predicts nothing are noise."""
        return self.explained > 0


def importance(runs: Sequence[Run], metric: str, part: Part = "test") -> Importance:
    """Permutation importance (Breiman 2001, "Random Forests", section 10) of every setting that differs, measured on runs left out.

    Cross-validated: five folds of configurations, three times over, so that a run is never judged by a forest that saw another seed of
    it. Intervals are over configurations. The same runs give the same figures.

    Raises:
        TooLittle: there are too few runs or configurations on one ground, all have the same figure, or no setting differs.
    """
    kept, left_out = on_one_ground(runs, metric, part)
    alike = pd.factorize(np.array([without_seed(run) for run in kept], object))[0]
    configurations = len(set(alike.tolist()))
    if len(kept) < FEWEST_RUNS or configurations < FEWEST_CONFIGURATIONS:
        raise TooLittle(
            f"Importance needs at least {FEWEST_RUNS} finished runs with {FEWEST_CONFIGURATIONS} different configurations, measured on the "
            f"same ratings by {metric}: there are {len(kept)} with {configurations}.",
            "Train more runs, or widen the filters.",
        )
    target = np.array([figure(run, metric, part) for run in kept])
    if not np.isfinite(target).all() or np.ptp(target) == 0:
        raise TooLittle(f"Importance needs runs whose {metric} differs and is a number.", "Choose another metric, or narrow the filters.")
    settings = settings_table(kept).drop(columns=SEED, errors="ignore")
    if settings.empty:
        raise TooLittle("These runs differ in nothing but the seed, so there is no setting to weigh.", "Widen the filters.")
    together = _together(settings)
    gains, explained = _cross_validated([_encoded(settings[name]) for name in together], target, alike)
    means, halves = _over_configurations(gains, alike)
    measured = {"setting": list(together), "together": list(together.values()), "importance": means, "half": halves}
    table = pd.DataFrame(measured)
    table = table.sort_values("importance", ascending=False, kind="stable", ignore_index=True)
    return Importance(table, explained, len(kept), configurations, len(left_out))


def _cross_validated(columns: Sequence[np.ndarray], target: np.ndarray, alike: np.ndarray) -> tuple[np.ndarray, float]:
    """What each run's squared error grows by when it is told a setting wrong [runs × settings], in shares of the metric's variance, and
    R²; both by forests that saw neither the run nor another seed of it. `columns` as `_encoded`."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.model_selection import GroupKFold

    table, variance = np.hstack(columns), float(target.var())
    ends = np.cumsum([column.shape[1] for column in columns])
    gains, missed = np.zeros((len(target), len(columns))), np.zeros(len(target))
    for repeat in range(REPEATS):
        folds = GroupKFold(min(FOLDS, len(set(alike.tolist()))), shuffle=True, random_state=repeat)
        draw = np.random.default_rng(repeat)
        for learn, judge in folds.split(table, target, alike):
            forest = RandomForestRegressor(TREES, random_state=repeat).fit(table[learn], target[learn])
            told = _told_wrong(table[judge], table, ends, draw)
            # One call for all of them: sklearn.inspection.permutation_importance makes one each, which takes minutes, shuffles the
            # columns of one setting apart from each other, and knows no other values than those of the few runs in a fold.
            errors = np.square(forest.predict(told.reshape(-1, table.shape[1])).reshape(told.shape[:-1]) - target[judge]).mean(axis=1)
            gains[judge] += (errors[1:] - errors[0]).T / REPEATS
            missed[judge] += errors[0] / REPEATS
    return gains / variance, 1 - float(missed.mean()) / variance


def _told_wrong(table: np.ndarray, everyone: np.ndarray, ends: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Copies of some runs' settings, SHUFFLES each: as they are, and with each setting as in runs drawn from all.

    Returns:
        [1 + settings × SHUFFLES × runs × columns].
    """
    copies = np.tile(table, (1 + len(ends), SHUFFLES, 1, 1))
    for place, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True), 1):
        for copy in copies[place]:
            copy[:, start:end] = everyone[draw.integers(len(everyone), size=len(table)), start:end]
    return copies


def _encoded(column: pd.Series) -> np.ndarray:
    """A setting as columns: numbers as they are, and −1 where there is none; of all else one column per value [runs × columns]."""
    if numeric(column):
        return column.astype(float).fillna(-1.0).to_numpy()[:, None]
    return pd.get_dummies(column.map(str)).to_numpy(float)


def numeric(column: pd.Series) -> bool:
    """Whether all of a setting's values that are there are numbers, and there is one."""
    known = [value for value in column if value is not None]
    return bool(known) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in known)


def _together(settings: pd.DataFrame) -> dict[str, list[str]]:
    """Settings that part the runs in different ways, each with those that part them in the same way and cannot be told from it."""
    parted: dict[bytes, list[str]] = {}
    for name in settings:
        parted.setdefault(pd.factorize(settings[name].map(str))[0].tobytes(), []).append(str(name))
    return {first: others for first, *others in parted.values()}


def _over_configurations(gains: np.ndarray, alike: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over configurations, however many seeds each has, and half of its 95 % interval by Student's t: both [settings]."""
    from scipy.stats import t

    counts = np.bincount(alike)
    each = np.array([np.bincount(alike, weights=column) for column in gains.T]).T / counts[:, None]
    return each.mean(axis=0), t.ppf(0.975, len(counts) - 1) * each.std(axis=0, ddof=1) / math.sqrt(len(counts))
