"""Judging a model on held-out ratings: the model sees the visible part, the targets are something else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp

from engine.interactions import Interactions
from engine.metrics import negative_weights, over_users, pairwise_accuracy, ranking_metrics, rating_metrics, root_mean_square, top_k
from engine.models.configs import SVDConfig
from engine.models.contract import Recommender, chunks
from engine.models.svd import SVD, highest_rank
from engine.splits import TEST, Split

Protocol = Literal["prediction", "reconstruction"]

ACTIVITY = (1, 20, 50, 100, 200, 500)
"""Number of visible ratings at which each group of `by_activity` begins."""


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


@dataclass(frozen=True)
class Ranked:
    """How well each user's items are ranked.

    Attributes:
        users: those with a relevant item, by position.
        values: metric, such as `ndcg@100` → its value for each of them.
        coverage: of the catalogue by all lists together, at each cut-off.
    """

    users: np.ndarray
    values: dict[str, np.ndarray]
    coverage: dict[str, float]

    @property
    def metrics(self) -> dict[str, float]:
        """Means over the users, each with its standard error beside it, as `ndcg@100_se`."""
        return over_users(self.values) | self.coverage


def evaluate_ranking(
    model: Recommender, split: Split, part: str, *, ks: Sequence[int], liked: float, pairwise: bool = False
) -> dict[str, float]:
    """The metrics of `rank_users`; empty when no user has a relevant item."""
    ranked = rank_users(model, split, part, ks=ks, liked=liked, pairwise=pairwise)
    return {} if ranked is None else ranked.metrics


def rank_users(model: Recommender, split: Split, part: str, *, ks: Sequence[int], liked: float, pairwise: bool = False) -> Ranked | None:
    """Recall, precision, NDCG, MAP, novelty and coverage at each cut-off, over the whole catalogue, without sampled negatives.

    A user's other known items (visible, and validation when testing) are left out of the ranking; held-out items rated from
    `liked` up are relevant. Users without a relevant item are not counted. None when no user has one.

    Args:
        ks: cut-offs; the names are such as `ndcg@100`.
        pairwise: adds pairwise_random, pairwise_softmax and pairwise_popularity; unwatched is what a user has no rating for in this
            part or those before.
    """
    relevant = liked_items(split.part(part), liked)
    users = np.flatnonzero(np.diff(relevant.indptr))
    if not len(users):
        return None
    known = split.visible if part == "validation" else split.interactions.pick(split.labels != TEST)
    lists = _Lists(split.train, ks)
    weights = negative_weights(*popularity(split.train))
    sampled = np.column_stack(list(weights.values()))
    pairs: list[np.ndarray] = []
    score = model.scorer(split.visible)
    for some in chunks(users, relevant.shape[1]):
        scores = score(some)
        if pairwise:
            pairs.append(pairwise_accuracy(scores, relevant[some], (known + split.part(part))[some], sampled))
        lists.add(_masked(scores, known[some]), relevant[some])
    accuracy = zip(weights, np.concatenate(pairs).T, strict=True) if pairs else ()
    values = lists.values() | {f"pairwise_{sampler}": shares for sampler, shares in accuracy}
    return Ranked(users, values, lists.coverage())


class _Lists:
    """Ranked lists of all users, judged at each cut-off a block of users at a time."""

    def __init__(self, train: sp.csr_array, ks: Sequence[int]) -> None:
        self.ks = sorted(set(ks))
        self.surprise = surprise(train)
        self.per_user: dict[str, list[np.ndarray]] = {}
        self.recommended = {k: np.zeros(train.shape[1], bool) for k in self.ks}

    def add(self, scores: np.ndarray, relevant: sp.csr_array) -> None:
        """Scores [users × items], −inf where an item is left out, and the items that should stand on top, at least one per user."""
        best = top_k(scores, self.ks[-1])
        listed = ~np.isneginf(np.take_along_axis(scores, best, axis=1))
        hits = np.take_along_axis(relevant.toarray(), best, axis=1)
        surprise = np.where(listed, self.surprise[best], 0)
        for k in self.ks:
            metrics = ranking_metrics(hits[:, :k], np.diff(relevant.indptr))
            metrics["novelty"] = surprise[:, :k].sum(axis=1) / listed[:, :k].sum(axis=1)
            for name, values in metrics.items():
                self.per_user.setdefault(f"{name}@{k}", []).append(values)
            self.recommended[k][best[:, :k][listed[:, :k]]] = True

    def values(self) -> dict[str, np.ndarray]:
        return {name: np.concatenate(values) for name, values in self.per_user.items()}

    def coverage(self) -> dict[str, float]:
        return {f"coverage@{k}": float(items.mean()) for k, items in self.recommended.items()}


def rates(model: Recommender, data: Interactions) -> bool:
    """Whether the model is judged by the ratings that it predicts: it predicts some, and the data holds more than one value."""
    return model.predicts_ratings and not data.one_class


@dataclass(frozen=True)
class Judged:
    """One model on one part of a split: predictions where it is judged by its ratings, rankings where somebody liked something."""

    pairs: Predictions | None
    ranked: Ranked | None
    scale: tuple[float, float]

    @property
    def metrics(self) -> dict[str, float]:
        """Every metric that the model can be judged by."""
        ratings = {} if self.pairs is None else rating_metrics(self.pairs.predicted, self.pairs.actual, self.pairs.users, self.scale)
        return ratings | ({} if self.ranked is None else self.ranked.metrics)


def judge(model: Recommender, split: Split, part: str, *, ks: Sequence[int], liked: float, pairwise: bool = False) -> Judged:
    """Everything that the model can be judged by, on one part of a split; `ks`, `liked` and `pairwise` as in `rank_users`.

    Where all ratings are alike these are rankings alone, whatever the model.
    """
    pairs = predict(model, split.visible, split.part(part)) if rates(model, split.interactions) else None
    return Judged(pairs, rank_users(model, split, part, ks=ks, liked=liked, pairwise=pairwise), split.interactions.scale)


def by_activity(
    pairs: Predictions,
    visible_counts: np.ndarray,
    edges: Sequence[int] = ACTIVITY,
    scale: tuple[float, float] | None = None,
) -> list[dict[str, Any]]:
    """Error by how many ratings of a user the model was shown.

    Args:
        visible_counts: of each user (row), the visible ratings.
        edges: where each group begins, ascending; users below the first are left out.
        scale: adds the error of predictions clipped to it.

    Returns:
        For each group with a pair: `from` and `to` (visible ratings, both included; `to` None in the last), `users`, `pairs`,
        `rmse`, and `rmse_clipped` where a scale is given; both over all pairs of the group.
    """
    group = np.searchsorted(edges, visible_counts, side="right")[pairs.users]
    ends = [*(start - 1 for start in edges[1:]), None]
    rows: list[dict[str, Any]] = []
    for number, (start, end) in enumerate(zip(edges, ends, strict=True), start=1):
        here = group == number
        if not here.any():
            continue
        row: dict[str, Any] = {"from": start, "to": end, "users": len(np.unique(pairs.users[here])), "pairs": int(here.sum())}
        row["rmse"] = root_mean_square(pairs.errors[here])
        if scale:
            row["rmse_clipped"] = root_mean_square(np.clip(pairs.predicted[here], *scale) - pairs.actual[here])
        rows.append(row)
    return rows


def recommend(model: Recommender, visible: sp.csr_array, user: int, top: int) -> tuple[np.ndarray, np.ndarray]:
    """Best unseen items of one row of `visible`, and their scores, best first; fewer than `top` when the catalogue ends."""
    row = visible[[user]]
    scores = _masked(model.score(visible, np.array([user])), row)
    best = top_k(scores, min(top, scores.shape[1] - row.nnz))[0]
    return best, scores[0, best]


def choose_rank(split: Split, max_rank: int, k: int = 10) -> SVD:
    """The SVD of the training ratings, centred by bias, whose rank up to `max_rank` has the lowest validation RMSE.

    Where all ratings are alike, nothing is left when biases are removed. Then it is the SVD of the raw matrix, unobserved
    cells being 0 (PureSVD, Cremonesi et al. 2010), whose rank 1, 2, 4, … has the highest validation NDCG@k.
    """
    highest = min(max_rank, highest_rank(split.train.shape))
    alike = split.interactions.one_class
    ranks = [2**power for power in range(highest.bit_length())]
    config = SVDConfig(rank=ranks[-1], centring="none") if alike else SVDConfig(rank=highest)
    widest = SVD(config, *split.train.shape)
    widest.fit(split.train)
    if not alike:
        return widest.truncated(int(widest.rmse_by_rank(split.visible, split.validation).argmin()) + 1)
    return max((widest.truncated(rank) for rank in ranks), key=lambda svd: _ndcg(svd, split, k))


def _ndcg(model: Recommender, split: Split, k: int) -> float:
    """Validation NDCG@k, every rated item being relevant."""
    return evaluate_ranking(model, split, "validation", ks=(k,), liked=-np.inf)[f"ndcg@{k}"]


def entry_rows(matrix: sp.csr_array) -> np.ndarray:
    """Row of each stored entry."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def _overlap(first: sp.csr_array, second: sp.csr_array) -> int:
    ones = [sp.csr_array((np.ones(m.nnz, np.int32), m.indices, m.indptr), shape=m.shape) for m in (first, second)]
    return int(ones[0].multiply(ones[1]).sum())


def liked_items(targets: sp.csr_array, liked: float) -> sp.csr_array:
    """The targets rated from `liked` up, as stored entries of True."""
    relevant = sp.csr_array((targets.data >= liked, targets.indices, targets.indptr), shape=targets.shape, copy=True)
    relevant.eliminate_zeros()
    return relevant


def popularity(train: sp.csr_array) -> tuple[np.ndarray, int]:
    """Training ratings of each item, and the number of users who have any."""
    return np.bincount(train.indices, minlength=train.shape[1]), int(np.count_nonzero(np.diff(train.indptr)))


def surprise(train: sp.csr_array) -> np.ndarray:
    """−log2 of the share of training users who rated each item, in bits: what `novelty` is the mean of [items]."""
    counts, n_users = popularity(train)
    # A split made by hand may hold an item without training ratings.
    return -np.log2(np.maximum(counts, 1) / n_users)


def _masked(scores: np.ndarray, known: sp.csr_array) -> np.ndarray:
    scores[entry_rows(known), known.indices] = -np.inf
    return scores
