"""What the trials of a sweep say: the best so far, the settings in order, slices and contours through them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.metrics import higher_is_better
from engine.sweeps.axes import Range, Values
from engine.sweeps.config import SweepConfig
from engine.sweeps.trials import OPEN, Trial

LATTICE = 25
"""Places along a numeric side of a contour."""
LOG_SPAN = 50
"""Listed numbers lie on a logarithmic scale where the greatest is so many times the least."""


@dataclass(frozen=True, eq=False)
class BestSoFar:
    """Finished trials in the order in which they ended, three arrays of one length: number, value, and the best value up to there."""

    numbers: np.ndarray
    values: np.ndarray
    best: np.ndarray


def best_so_far(trials: Sequence[Trial], metric: str) -> BestSoFar:
    """How the best value came about; trials that were pruned or failed have none."""
    ended = sorted((trial for trial in trials if trial.mean is not None), key=lambda trial: (trial.ended or 0.0, trial.number))
    values = np.array([trial.mean for trial in ended], float)
    best = np.maximum.accumulate(values) if higher_is_better(metric) else np.minimum.accumulate(values)
    return BestSoFar(np.array([trial.number for trial in ended], int), values, best)


def ranked(trials: Sequence[Trial], metric: str) -> list[Trial]:
    """The best first; then those without a value: open ones, then pruned ones by how far they came, then the rest."""
    sign = -1 if higher_is_better(metric) else 1

    def place(trial: Trial) -> tuple[float, ...]:
        if trial.mean is not None:
            return 0, sign * trial.mean, trial.number
        if trial.state in OPEN:
            return 1, 0, trial.number
        pruned = trial.runs[0].pruned if trial.state == "pruned" else None
        return (2, -pruned[0], sign * pruned[1]) if pruned else (3, 0, trial.number)

    return sorted(trials, key=place)


def is_log(axis: Values | Range) -> bool:
    """Whether an axis is drawn on a logarithmic scale."""
    if isinstance(axis, Range):
        return axis.log
    return axis.ordered and min(axis.values) > 0 and max(axis.values) / min(axis.values) >= LOG_SPAN


@dataclass(frozen=True, eq=False)
class Contour:
    """A surface over two fields, through the finished trials.

    Attributes:
        x, y: places along each side: values of an axis without order, numbers at equal distances of one with [columns], [rows].
        z: the metric [rows × columns], linearly interpolated between trials, along a line where the other side has no order; NaN outside
            of them.
        at: column and row that each trial is nearest to [trials × 2].
        trials: those that it goes through.
    """

    x: tuple[Any, ...]
    y: tuple[Any, ...]
    z: np.ndarray
    at: np.ndarray
    trials: tuple[Trial, ...]


def contour(config: SweepConfig, trials: Sequence[Trial], across: str, up: str) -> Contour:
    """The metric over two of the fields that vary, whatever the others are: of trials at one place their mean."""
    finished = tuple(trial for trial in trials if trial.mean is not None)
    sides = [_side(config.axes[path]) for path in (across, up)]
    at = np.array([[_where(config.axes[path], trial.settings[path], side) for path, side in zip((across, up), sides, strict=True)]
                   for trial in finished], float).reshape(-1, 2)  # fmt: skip
    values = np.array([trial.mean for trial in finished], float)
    shape = len(sides[1]), len(sides[0])
    places, means = _means(at, values)
    z = _cells(places, means, shape)
    ordered = [config.axes[path].ordered for path in (across, up)]
    if all(ordered):
        z = np.where(np.isnan(z), _interpolated(places, means, shape), z)
    elif any(ordered):
        z = _along(places, means, z, 0 if ordered[0] else 1)
    return Contour(sides[0], sides[1], z, np.round(at).astype(int), finished)


def _side(axis: Values | Range) -> tuple[Any, ...]:
    if not axis.ordered:
        return axis.choices or ()
    low, high = ends(axis)
    if is_log(axis):
        return tuple(float(f"{one:.4g}") for one in np.geomspace(low, high, LATTICE))
    return tuple(float(f"{one:.4g}") for one in np.linspace(low, high, LATTICE))


def ends(axis: Values | Range) -> tuple[float, float]:
    """The least and the greatest number of an axis that has an order."""
    return (axis.low, axis.high) if isinstance(axis, Range) else (min(axis.values), max(axis.values))


def _where(axis: Values | Range, value: Any, side: tuple[Any, ...]) -> float:
    """The place of a value along its side, from 0 to the number of places less one."""
    if not axis.ordered:
        return side.index(value)
    low, high = ends(axis)
    share = math.log(value / low) / math.log(high / low) if is_log(axis) else (value - low) / (high - low)
    return share * (len(side) - 1)


def _means(at: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each place once, with the mean of the values there."""
    if not len(at):
        return at, values
    places, which = np.unique(at, axis=0, return_inverse=True)
    return places, np.bincount(which.ravel(), weights=values) / np.bincount(which.ravel())


def _cells(places: np.ndarray, means: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Mean of what lies in each cell."""
    total, count = np.zeros(shape), np.zeros(shape)
    for (column, row), value in zip(np.round(places).astype(int), means, strict=True):
        total[row, column] += value
        count[row, column] += 1
    return np.divide(total, count, out=np.full(shape, np.nan), where=count > 0)


def _along(places: np.ndarray, means: np.ndarray, cells: np.ndarray, side: int) -> np.ndarray:
    """Linear between neighbours on each line along one side (0: across, 1: up), the other having no order."""
    z = cells if side == 0 else cells.T
    for line in np.unique(places[:, 1 - side]):
        here = places[:, 1 - side] == line
        order = np.argsort(places[here, side])
        x, y, steps = places[here, side][order], means[here][order], np.arange(z.shape[1])
        row = np.interp(steps, x, y, left=np.nan, right=np.nan)
        z[int(line)] = np.where(np.isnan(row), z[int(line)], row)
    return z if side == 0 else z.T


def _interpolated(places: np.ndarray, means: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Linear on the triangles between the places; NaN beyond them, and everywhere where they span none."""
    from scipy.interpolate import LinearNDInterpolator
    from scipy.spatial import QhullError

    rows, columns = np.mgrid[: shape[0], : shape[1]]
    try:
        surface = LinearNDInterpolator(places, means)
    except (QhullError, ValueError):  # fewer than three, or all on one line
        return np.full(shape, np.nan)
    return surface(columns, rows)
