"""Who gains and who loses when one model takes another's place: each user's error or ranking under both."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.metrics import half_interval, higher_is_better
from engine.paired import OF_PAIRS, errors_of, left, paired
from engine.store import RunStore

EQUAL = 1e-6
"""Differences that are smaller count as none: float32 tells no more."""


@dataclass(frozen=True, eq=False)
class ByUser:
    """Two runs on the same users of the test part.

    Attributes:
        metric: of ratings "rmse", "rmse_clipped", "rmse_user_mean" or "mae": a user's own error; of rankings a user's own value.
        users: of errors his position in the first run's split, of rankings a number of his id [users].
        first, second: what each run reaches for each user, float64 [users].
        pairs: test ratings of each user [users]; None of rankings.
        gain: how much better the first run serves each user than the second, whichever way is better [users].
        gained, lost, equal: users with a gain above, below and within ±EQUAL.
        mean, half: mean gain over users, and the half-width of its 95 % interval.
        p_value: of Wilcoxon's signed-rank test (Wilcoxon 1945; users without a difference are left out) that gains lie evenly about 0;
            NaN where no user differs.
        whole: of the metric over all users as it stands in tables, the first minus the second with the half-width of its interval
            over users, negative where the first is better; None of "mae".
        on: what `whole` rests on, such as "9,669 pairs".
    """

    metric: str
    users: np.ndarray
    first: np.ndarray
    second: np.ndarray
    pairs: np.ndarray | None
    gain: np.ndarray
    gained: int
    lost: int
    equal: int
    mean: float
    half: float
    p_value: float
    whole: tuple[float, float] | None
    on: str

    @property
    def distinguishable(self) -> bool:
        """Whether the interval of the mean gain excludes 0."""
        return abs(self.mean) > self.half


def by_user(metric: str, first: str, second: str, store: RunStore) -> ByUser | None:
    """Compares two runs (their ids) user by user on what both were tested on.

    Returns:
        None where one of them left nothing per user by this metric, or they share no test pair or user.
    """
    known = left(metric, [first, second], store)
    if known is None:
        return None
    if metric.startswith(OF_PAIRS):
        errors, _ = errors_of(metric, known)
        users, place = np.unique(known[0]["users"], return_inverse=True)
        pairs = np.bincount(place)
        mine, other = (_own_error(metric, one, place, pairs) for one in errors)
    else:
        users, pairs = known[0]["users"], None
        mine, other = (one[metric].astype(np.float64) for one in known)
        there = ~(np.isnan(mine) | np.isnan(other))
        users, mine, other = users[there], mine[there], other[there]
    if not len(users):
        return None
    gain = mine - other if higher_is_better(metric) else other - mine
    gained, lost = int((gain > EQUAL).sum()), int((gain < -EQUAL).sum())
    whole = paired(metric, [[first], [second]], store)
    return ByUser(
        metric=metric,
        users=users,
        first=mine,
        second=other,
        pairs=pairs,
        gain=gain,
        gained=gained,
        lost=lost,
        equal=len(gain) - gained - lost,
        mean=float(gain.mean()),
        half=half_interval(gain),
        p_value=_signed_rank(gain),
        whole=None if whole is None else (float(whole.by_seed.mean()), whole.half),
        on="" if whole is None else whole.on,
    )


def _own_error(metric: str, errors: np.ndarray, place: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Each user's RMSE, or mean absolute error under "mae"."""
    exact = errors.astype(np.float64)
    if metric == "mae":
        return np.bincount(place, weights=np.abs(exact)) / pairs
    return np.sqrt(np.bincount(place, weights=np.square(exact)) / pairs)


def _signed_rank(gain: np.ndarray) -> float:
    from scipy.stats import wilcoxon

    moved = gain[np.abs(gain) > EQUAL]
    if not len(moved):
        return math.nan
    return float(wilcoxon(moved).pvalue)
