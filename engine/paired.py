"""Two models on the same users: what single runs left per test pair or per user, brought together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine.errors import Damaged
from engine.metrics import bootstrap_rmse_difference, half_interval, higher_is_better, rmse_of_users, root_mean_square, widening
from engine.store import RunStore

OF_PAIRS = ("rmse", "mae")
"""How names of metrics begin that are made of the errors of single ratings."""


class Paired(NamedTuple):
    """A difference, negative where the first is better: of each seed, and the half-width over users of the seeds' mean."""

    by_seed: np.ndarray
    half: float
    on: str


def left(metric: str, runs: Sequence[str], store: RunStore) -> list[dict[str, np.ndarray]] | None:
    """What each of these runs left of its test, cut down to what all of them were tested on, in one order.

    Args:
        metric: of the test part; an error of ratings, or of a ranking.
        runs: their ids; "" where there is no run.

    Returns:
        For each run: of an error of ratings `errors` (clipped), `unclipped` where it is kept, `users` (positions in the first run's
        split) [pairs]; of a ranking `users` (numbers) and the values of every metric [users]. None where a run left nothing, the
        metric is not among it, or no pair or user is common to all.
    """
    kind = "errors" if metric.startswith(OF_PAIRS) else "ranking"
    if not all(run and store.has(run, kind) for run in runs):
        return None
    loaded = [store.load(run, kind) for run in runs]
    known = [{name: tensor.numpy() for name, tensor in tensors.items()} for tensors, _ in loaded]
    if kind == "ranking" and not all(metric in one for one in known):
        return None
    key = "pairs" if kind == "errors" else "users"
    # Of one split, the test ratings are the same; the users with a liked one differ where other ratings count as liked.
    if len({meta["fingerprint"] for _, meta in loaded}) == 1 and (kind == "errors" or _alike([one[key] for one in known])):
        return known
    picked = _common([one[key] for one in known]) if all(key in one for one in known) else None
    if picked is None:
        return None
    cut = [{name: values[rows] for name, values in one.items()} for one, rows in zip(known, picked, strict=True)]
    return [{**one, "users": cut[0]["users"]} for one in cut]


def errors_of(metric: str, known: Sequence[dict[str, np.ndarray]]) -> tuple[list[np.ndarray], bool]:
    """The errors that a metric is made of, and whether they are clipped; all runs' not clipped, or all runs' clipped."""
    clipped = metric not in ("rmse", "mae") or not all("unclipped" in one for one in known)
    return [one["errors" if clipped else "unclipped"] for one in known], clipped


def paired(metric: str, sides: Sequence[Sequence[str]], store: RunStore) -> Paired | None:
    """A test metric of two sides, each the ids of runs with the same seeds, on what all of these runs were tested on.

    Errors of ratings are compared on the same test pairs: a global RMSE by the bootstrap over users, the squared errors of a pair being
    averaged over the seeds; a mean of users' RMSEs, and of their rankings, by the spread of the users' differences. All intervals are
    Student's: of few users they are as wide as few users deserve.

    Returns:
        None where a run left nothing per user or what it left is damaged, or no pair or user with a value is common to all.
    """
    try:
        known = left(metric, [run for side in sides for run in side], store)
    except Damaged:  # the run's own page names it; the others are not to suffer
        return None
    if known is None or metric == "mae":
        return None
    half_way = len(sides[0])
    if not metric.startswith(OF_PAIRS):
        values = [one[metric].astype(np.float64) for one in known]
        sign = -1 if higher_is_better(metric) else 1
        apart = sign * (np.array(values[:half_way]) - np.array(values[half_way:]))
        apart = apart[:, ~np.isnan(apart).any(axis=0)]
        if not apart.size:
            return None
        return Paired(apart.mean(axis=1), half_interval(apart.mean(axis=0)), f"{apart.shape[1]:,} users")
    errors, clipped = errors_of(metric, known)
    users = known[0]["users"]
    on = f"{len(users):,} pairs" + (", clipped" if metric == "rmse" and clipped else "")
    return _of_errors(metric, errors[:half_way], errors[half_way:], users, on)


def over_repeats(by_repeat: np.ndarray, folds: int | None = None) -> float:
    """Half of the 95 % interval of the mean of repetitions by Student's t; NaN of a single one.

    Args:
        by_repeat: one figure each.
        folds: of k-fold cross-validation; folds share training data, for which the interval is widened as in Nadeau & Bengio (2003,
            "Inference for the Generalization Error").
    """
    if len(by_repeat) < 2:
        return math.nan
    shared = len(by_repeat) / (folds - 1) if folds else 0.0
    return half_interval(by_repeat) * math.sqrt(1 + shared)


def _of_errors(metric: str, first: list[np.ndarray], second: list[np.ndarray], users: np.ndarray, on: str) -> Paired:
    if metric == "rmse_user_mean":
        apart = np.array([rmse_of_users(one, users) - rmse_of_users(other, users) for one, other in zip(first, second, strict=True)])
        return Paired(apart.mean(axis=1), half_interval(apart.mean(axis=0)), on)
    by_seed = np.array([root_mean_square(one) - root_mean_square(other) for one, other in zip(first, second, strict=True)])
    mine, other = (np.sqrt(np.mean(np.square(side, dtype=np.float64), axis=0)) for side in (first, second))
    value, low, high = bootstrap_rmse_difference(mine, other, users)
    return Paired(by_seed, max(high - value, value - low) * widening(len(np.unique(users))), on)


def _alike(keys: Sequence[np.ndarray]) -> bool:
    return all(np.array_equal(keys[0], other) for other in keys[1:])


def _common(keys: Sequence[np.ndarray]) -> list[np.ndarray] | None:
    """Where each of these finds the values that all of them hold, in one order; None where there are none."""
    shared = keys[0]
    for other in keys[1:]:
        shared = np.intersect1d(shared, other)
    if not len(shared):
        return None
    orders = [np.argsort(one, kind="stable") for one in keys]
    return [order[np.searchsorted(one[order], shared)] for one, order in zip(keys, orders, strict=True)]
