"""Judging a model on held-out ratings: the model sees the visible part, the targets are something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse as sp

from engine.metrics import ranking_metrics, rating_metrics, top_k
from engine.models.configs import SVDConfig
from engine.models.contract import Recommender, chunks
from engine.models.svd import SVD, highest_rank
from engine.splits import TEST, Split

Protocol = Literal["prediction", "reconstruction"]


class LeakError(ValueError):
    """A model was about to be judged on ratings that it is shown as input."""


@dataclass(frozen=True)
class Predictions:
    """Predicted and actual ratings of the same held-out pairs, one entry per pair.

    Attributes:
        predicted, actual: ratings, float32.
        users: row of each pair.
    """

    predicted: np.ndarray
    actual: np.ndarray
    users: np.ndarray

    @property
    def errors(self) -> np.ndarray:
        return self.predicted - self.actual


def predict(model: Recommender, visible: sp.csr_array, targets: sp.csr_array, protocol: Protocol = "prediction") -> Predictions:
    """Predicted ratings of all stored entries of `targets`, given `visible`; both CSR, users × items.

    Raises:
        LeakError: under the `prediction` protocol, when a target is also visible. Only `reconstruction` allows it.
    """
    if protocol == "prediction" and (shared := _overlap(visible, targets)):
        raise LeakError(f"{shared} of {targets.nnz} target ratings are in the model's input: that measures reconstruction, not prediction.")
    users = np.repeat(np.arange(targets.shape[0]), np.diff(targets.indptr))
    return Predictions(model.rate(visible, targets), targets.data, users)


def evaluate_ratings(
    model: Recommender,
    visible: sp.csr_array,
    targets: sp.csr_array,
    scale: tuple[float, float],
    protocol: Protocol = "prediction",
) -> dict[str, float]:
    """Rating metrics by name; under the `reconstruction` protocol every name starts with `reconstruction_`.

    Raises:
        LeakError: see `predict`.
    """
    pairs = predict(model, visible, targets, protocol)
    metrics = rating_metrics(pairs.predicted, pairs.actual, pairs.users, scale)
    return metrics if protocol == "prediction" else {f"reconstruction_{name}": value for name, value in metrics.items()}


def evaluate_ranking(model: Recommender, split: Split, part: str, *, k: int, liked: float) -> dict[str, float]:
    """recall@k, precision@k, ndcg@k and coverage@k over the whole catalogue, without sampled negatives.

    A user's other known items (visible, and validation when testing) are left out of the ranking; held-out items rated from
    `liked` up are relevant. Users without a relevant item are not counted. Empty when no user has one.
    """
    targets = split.part(part)
    relevant = sp.csr_array((targets.data >= liked, targets.indices, targets.indptr), shape=targets.shape)
    counts = np.bincount(entry_rows(relevant)[relevant.data], minlength=targets.shape[0])
    users = np.flatnonzero(counts)
    if not len(users):
        return {}
    known = split.visible if part == "validation" else split.interactions.pick(split.labels != TEST)
    per_user: dict[str, list[np.ndarray]] = {}
    score = model.scorer(split.visible)
    recommended = np.zeros(targets.shape[1], bool)
    for some in chunks(users, targets.shape[1]):
        scores = _masked(score(some), known[some])
        best = top_k(scores, k)
        recommended[best[np.isfinite(np.take_along_axis(scores, best, axis=1))]] = True
        hits = np.take_along_axis(relevant[some].toarray(), best, axis=1)
        for name, values in ranking_metrics(hits, counts[some]).items():
            per_user.setdefault(name, []).append(values)
    means = {f"{name}@{k}": float(np.concatenate(values).mean()) for name, values in per_user.items()}
    return means | {f"coverage@{k}": float(recommended.mean())}


def evaluate(model: Recommender, split: Split, part: str, *, k: int, liked: float) -> dict[str, float]:
    """Every metric that the model can be judged by, on one part of a split."""
    ratings = {}
    if model.predicts_ratings:
        ratings = evaluate_ratings(model, split.visible, split.part(part), split.interactions.scale)
    return ratings | evaluate_ranking(model, split, part, k=k, liked=liked)


def recommend(model: Recommender, visible: sp.csr_array, user: int, top: int) -> tuple[np.ndarray, np.ndarray]:
    """Best unseen items of one row of `visible`, and their scores, best first; fewer than `top` when the catalogue ends."""
    row = visible[[user]]
    scores = _masked(model.score(visible, np.array([user])), row)
    best = top_k(scores, min(top, scores.shape[1] - row.nnz))[0]
    return best, scores[0, best]


def choose_rank(split: Split, max_rank: int) -> SVD:
    """The SVD of the training ratings, centred by bias, whose rank up to `max_rank` has the lowest validation RMSE."""
    widest = SVD(SVDConfig(rank=min(max_rank, highest_rank(split.train.shape))), *split.train.shape)
    widest.fit(split.train)
    return widest.truncated(int(widest.rmse_by_rank(split.visible, split.validation).argmin()) + 1)


def entry_rows(matrix: sp.csr_array) -> np.ndarray:
    """Row of each stored entry."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def _overlap(first: sp.csr_array, second: sp.csr_array) -> int:
    ones = [sp.csr_array((np.ones(m.nnz, np.int32), m.indices, m.indptr), shape=m.shape) for m in (first, second)]
    return int(ones[0].multiply(ones[1]).sum())


def _masked(scores: np.ndarray, known: sp.csr_array) -> np.ndarray:
    scores[entry_rows(known), known.indices] = -np.inf
    return scores
