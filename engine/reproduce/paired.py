"""Two rows on the same users: what single runs left per pair or per user, brought together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine.metrics import bootstrap_rmse_difference, higher_is_better, rmse_of_users, root_mean_square
from engine.reproduce.results import Result
from engine.store import RunStore

UNPAIRED = 1.96
"""Standard errors in half a 95 % interval."""


class Paired(NamedTuple):
    """A difference, negative where the first is better: of each seed, and the half-width over users of the seeds' mean."""

    by_seed: np.ndarray
    half: float
    on: str


def paired(metric: str, sides: Sequence[Sequence[Result]], store: RunStore) -> Paired | None:
    """A test metric of two rows, the same seeds of both, on what all of these runs were tested on.

    Errors of ratings are compared on the same test pairs: a global RMSE by the bootstrap over users, the squared errors of a pair being
    averaged over the seeds; a mean of users' RMSEs, and of their rankings, by the spread of the users' differences.

    Returns:
        None where a run left nothing per user, or no pair or user is common to all.
    """
    kind = "errors" if metric.startswith("rmse") else "ranking"
    runs = [one for side in sides for one in side]
    if not all(one.run and store.has(one.run, kind) for one in runs):
        return None
    loaded = [[store.load(one.run, kind) for one in side] for side in sides]
    known = [{name: tensor.numpy() for name, tensor in tensors.items()} for side in loaded for tensors, _ in side]
    prints = {meta["fingerprint"] for side in loaded for _, meta in side}
    key = "pairs" if kind == "errors" else "users"
    if not all(key in one for one in known) and len(prints) > 1:
        return None
    picked = _common([one[key] for one in known]) if len(prints) > 1 else [np.arange(len(one["users"])) for one in known]
    if picked is None:
        return None
    half_way = len(sides[0])
    if kind == "ranking":
        if not all(metric in one for one in known):
            return None
        values = [one[metric][rows].astype(np.float64) for one, rows in zip(known, picked, strict=True)]
        sign = -1 if higher_is_better(metric) else 1
        apart = sign * (np.array(values[:half_way]) - np.array(values[half_way:]))
        return Paired(apart.mean(axis=1), _half(apart.mean(axis=0)), f"{apart.shape[1]:,} users")
    name = "unclipped" if metric == "rmse" and all("unclipped" in one for one in known) else "errors"
    errors = [one[name][rows] for one, rows in zip(known, picked, strict=True)]
    users = known[0]["users"][picked[0]]
    on = f"{len(users):,} pairs" + (", clipped" if metric == "rmse" and name == "errors" else "")
    return _of_errors(metric, errors[:half_way], errors[half_way:], users, on)


def _of_errors(metric: str, first: list[np.ndarray], second: list[np.ndarray], users: np.ndarray, on: str) -> Paired:
    if metric == "rmse_user_mean":
        apart = np.array([rmse_of_users(one, users) - rmse_of_users(other, users) for one, other in zip(first, second, strict=True)])
        return Paired(apart.mean(axis=1), _half(apart.mean(axis=0)), on)
    by_seed = np.array([root_mean_square(one) - root_mean_square(other) for one, other in zip(first, second, strict=True)])
    mine, other = (np.sqrt(np.mean(np.square(side, dtype=np.float64), axis=0)) for side in (first, second))
    value, low, high = bootstrap_rmse_difference(mine, other, users)
    return Paired(by_seed, max(high - value, value - low), on)


def _common(keys: Sequence[np.ndarray]) -> list[np.ndarray] | None:
    """Where each of these finds the values that all of them hold, in one order; None where there are none."""
    shared = keys[0]
    for other in keys[1:]:
        shared = np.intersect1d(shared, other)
    if not len(shared):
        return None
    orders = [np.argsort(one, kind="stable") for one in keys]
    return [order[np.searchsorted(one[order], shared)] for one, order in zip(keys, orders, strict=True)]


def _half(apart: np.ndarray) -> float:
    """Half of the 95 % interval of a mean over users; endless of a single one."""
    return UNPAIRED * float(apart.std(ddof=1)) / math.sqrt(len(apart)) if len(apart) > 1 else math.inf
