"""Who is served well: predicted beside actual ratings of what was held out, user by user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from engine.evaluation import entry_rows, predict
from engine.experiment import TrainedRun
from engine.metrics import rmse_difference, widening
from engine.recommendations.described import describe
from engine.recommendations.lists import held_out_parts, held_out_ratings, liked_from

ENOUGH = 10
"""Held-out ratings of a user from which an RMSE of them means something."""


@dataclass(frozen=True, eq=False)
class Service:
    """How well each user's held-out ratings are predicted, by the run's model and by SVD on the same pairs.

    Attributes:
        parts: of the split, that are judged; see `held_out_parts`.
        actual: held-out ratings, CSR users × items.
        predicted, svd: aligned with `actual.data`, not clipped; `predicted` is None where the run is judged by its ranking alone.
        counts: held-out ratings of each user.
        order: rows of the users with `least` held-out ratings or more, best served first (lowest RMSE of the model, of SVD
            for a model that only ranks).
        least: so many that an RMSE means something, fewer where most users have fewer.
    """

    parts: tuple[str, ...]
    actual: sp.csr_array
    predicted: np.ndarray | None
    svd: np.ndarray
    counts: np.ndarray
    order: np.ndarray
    least: int


def serve(trained: TrainedRun) -> Service:
    """Predicts the held-out ratings of a run: while it has not finished, those of validation alone."""
    actual = held_out_ratings(trained)
    predicted = predict(trained.model, trained.split.visible, actual).predicted if trained.rates else None
    svd = predict(trained.svd, trained.split.visible, actual).predicted
    counts = np.diff(actual.indptr)
    least = int(min(ENOUGH, np.median(counts[counts > 0])))
    squares = np.square((svd if predicted is None else predicted) - actual.data)
    mean = np.bincount(entry_rows(actual), weights=squares, minlength=len(counts)) / np.maximum(counts, 1)
    users = np.flatnonzero(counts >= max(least, 1))
    return Service(held_out_parts(trained), actual, predicted, svd, counts, users[np.argsort(mean[users], kind="stable")], least)


def held_out_pairs(trained: TrainedRun, service: Service, user_id: str) -> dict[str, Any]:
    """Predicted beside actual ratings of one user's held-out items.

    Returns:
        `pairs`: one dict per item (item, title, rating, predicted, svd), highest rating first; `liked`: how many are;
        `rmse` and `svd_rmse`: of these pairs, None where there are none; `difference`: the first minus the second with the
        half-width of its 95 % interval over pairs, None for fewer than two; `place`: 1 for the user served best, None for one
        with too few pairs.
    """
    data, row = trained.split.interactions, trained.split.interactions.user_position(user_id)
    span = slice(service.actual.indptr[row], service.actual.indptr[row + 1])
    actual, svd = service.actual.data[span], service.svd[span]
    predicted = None if service.predicted is None else service.predicted[span]
    pairs = [
        {**item, "rating": rating, "predicted": None if predicted is None else float(predicted[at]), "svd": float(svd[at])}
        for at, (item, rating) in enumerate(zip(describe(data, service.actual.indices[span]), actual.tolist(), strict=True))
    ]
    place = np.flatnonzero(service.order == row)
    return {
        "pairs": sorted(pairs, key=lambda pair: -pair["rating"]),
        "liked": int((actual >= liked_from(trained)).sum()),
        "rmse": _rmse(predicted - actual) if predicted is not None and len(actual) else None,
        "svd_rmse": _rmse(svd - actual) if len(actual) else None,
        "difference": _difference(predicted - actual, svd - actual) if predicted is not None and len(actual) > 1 else None,
        "place": int(place[0]) + 1 if len(place) else None,
    }


def _rmse(errors: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(errors, dtype=np.float64))))


def _difference(errors: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """As `rmse_difference`, each pair for itself; widened by Student's t, for one user has few."""
    n = len(errors)
    difference, half = rmse_difference(errors, other, np.arange(n))
    return difference, half * widening(n)
