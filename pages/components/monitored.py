"""The validation metric that picks a run's best epoch: its name, which way is better, and what stands beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from engine.metrics import Z95, definition, higher_is_better
from engine.store import Run
from pages.components import titles

NAMES = {
    "rmse": "RMSE",
    "rmse_clipped": "clipped RMSE",
    "rmse_user_mean": "RMSE per user",
    "mae": "MAE",
    "ndcg": "NDCG",
    "recall": "Recall",
    "pairwise_random": "pairwise accuracy",
    "pairwise_softmax": "pairwise accuracy (softmax)",
    "pairwise_popularity": "pairwise accuracy (popularity)",
}
"""What pages call a metric, without its cut-off."""

WITH_NOISE_FLOOR = ("rmse", "rmse_clipped")
"""Metrics that the noise floor and the training RMSE may be drawn beside."""

INDEPENDENT = (
    "± is the half-width of the 95 % interval of a difference of means over different users; these are the same users, so that it is "
    "usually wider than need be."
)


def metric(run: Run) -> str:
    """Name of the run's metric, such as "rmse" or "ndcg@10"."""
    known = (run.facts or {}).get("monitor")
    if known:
        return str(known)
    chosen = run.config.get("training", {}).get("monitor", "rmse")
    if chosen == "auto":
        binarised = run.config.get("preprocessing", {}).get("binarise") is not None
        chosen = "rmse" if titles.rates(run.config) and not binarised else "ndcg"
    return f"{chosen}@{run.config.get('evaluation', {}).get('k', 10)}" if chosen in ("ndcg", "recall") else chosen


def title(name: str) -> str:
    """A metric's name as people say it: "ndcg@10" → "NDCG@10"."""
    bare, at, k = name.partition("@")
    return NAMES.get(bare, bare) + at + k


def axis(name: str) -> str:
    """A metric's name with its unit."""
    return f"{title(name)} ({'0 to 1' if higher_is_better(name) else 'rating units'})"


def meaning(name: str) -> str:
    """What a metric is, on the validation ratings."""
    return f"On the validation ratings, which the model has not seen. {definition(name)}"


def best_epoch(name: str, measured: Mapping[int, float]) -> int | None:
    """The epoch with the best value; None before there is one."""
    numbers = {epoch: value for epoch, value in measured.items() if not math.isnan(value)}
    if not numbers:
        return None
    return (max if higher_is_better(name) else min)(numbers, key=numbers.__getitem__)


def baseline_title(name: str, known: Mapping[str, Any]) -> str:
    """A baseline, such as "SVD rank 8"."""
    if name != "svd":
        return {"bias": "user+item bias"}.get(name, name)
    return f"SVD rank {known['rank']}" if "rank" in known else "SVD"


def difference(name: str, mine: Mapping[str, float], other: Mapping[str, float]) -> tuple[float, float] | None:
    """A mean over users minus another model's, and the half-width of an interval by their standard errors (see INDEPENDENT).

    Args:
        mine, other: metrics by name, with `_se` beside the mean.

    Returns:
        None where one of the four numbers is not known.
    """
    if any(key not in one for one in (mine, other) for key in (name, f"{name}_se")):
        return None
    return mine[name] - other[name], Z95 * math.hypot(mine[f"{name}_se"], other[f"{name}_se"])


def verdict(name: str, apart: tuple[float, float]) -> tuple[str, Any]:
    """As `titles.verdict`, whichever way is better."""
    return titles.verdict(-apart[0] if higher_is_better(name) else apart[0], apart[1])
