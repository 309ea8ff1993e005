"""How well held-out ratings are predicted and held-out items are ranked. Pure functions on arrays.

`METRICS` holds the definition that every page and table shows for a name.
"""

from __future__ import annotations

import numpy as np

METRICS: dict[str, str] = {
    "rmse": "Global RMSE: root of the mean squared error over all held-out pairs, predictions not clipped.",
    "rmse_clipped": "Global RMSE with predictions clipped to the rating scale.",
    "rmse_user_mean": "Mean over users of each user's own RMSE, predictions clipped. Not the global RMSE: every user weighs the same.",
    "mae": "Mean absolute error over all held-out pairs, predictions not clipped.",
    "recall": "Recall@k: held-out liked items in the top k, divided by the smaller of k and their number; mean over users who have any.",
    "precision": "Precision@k: share of the top k that the user held out and liked; mean over users who have any.",
    "ndcg": "NDCG@k, binary relevance: hits discounted by log2 of their rank, divided by the best possible; mean over users who have any.",
    "coverage": "Share of the catalogue that appears in at least one user's top k.",
}


def definition(name: str) -> str:
    """Definition of a metric, also of one with a cut-off (`ndcg@10`) or of the reconstruction protocol."""
    if name.startswith("reconstruction_"):
        return "Error on ratings that the model was shown as its input; not a prediction. " + definition(
            name.removeprefix("reconstruction_")
        )
    return METRICS[name.split("@")[0]]


def rating_metrics(predicted: np.ndarray, actual: np.ndarray, users: np.ndarray, scale: tuple[float, float]) -> dict[str, float]:
    """rmse, rmse_clipped, rmse_user_mean and mae of pairs; three arrays of one length, `users` being any integer labels."""
    errors = predicted - actual
    clipped = np.clip(predicted, *scale) - actual
    counts = np.bincount(users)
    per_user = np.bincount(users, weights=clipped**2)[counts > 0] / counts[counts > 0]
    return {
        "rmse": _rms(errors),
        "rmse_clipped": _rms(clipped),
        "rmse_user_mean": float(np.sqrt(per_user).mean()),
        "mae": float(np.abs(errors).mean()),
    }


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Positions of the k highest scores of each row, best first; ties go to the lower position. [rows × items] → [rows × k]."""
    import torch  # here, because pages read METRICS without waiting for it

    k = min(k, scores.shape[1])
    values, positions = (part.numpy() for part in torch.from_numpy(scores).topk(min(k + 1, scores.shape[1])))
    # Within the list and at its end, PyTorch leaves the order of equal scores open.
    tied = np.flatnonzero((values[:, 1:] == values[:, :-1]).any(axis=1))
    positions = positions[:, :k]
    positions[tied] = _top_k_with_ties(scores[tied], values[tied, k - 1 : k], k)
    return positions


def _top_k_with_ties(scores: np.ndarray, kth: np.ndarray, k: int) -> np.ndarray:
    """`top_k` where the k-th highest score of each row [rows × 1] is known and may stand several times."""
    above, level = scores > kth, scores == kth
    chosen = above | (level & (level.cumsum(axis=1) <= k - above.sum(axis=1, keepdims=True)))
    positions = np.nonzero(chosen)[1].reshape(len(scores), k)
    order = np.argsort(-np.take_along_axis(scores, positions, axis=1), axis=1, kind="stable")
    return np.take_along_axis(positions, order, axis=1)


def ranking_metrics(hits: np.ndarray, relevant: np.ndarray) -> dict[str, np.ndarray]:
    """Per-user recall, precision and NDCG at k (Liang et al. 2018, section 4.2).

    Args:
        hits: bool [users × k], whether the item at each rank is relevant.
        relevant: int [users], how many relevant items each user has; users without any must be left out before.
    """
    k = hits.shape[1]
    discounts = 1 / np.log2(np.arange(2, k + 2))
    best = np.concatenate([[0], discounts.cumsum()])[np.minimum(relevant, k)]
    found = hits.sum(axis=1)
    return {"recall": found / np.minimum(relevant, k), "precision": found / k, "ndcg": (hits * discounts).sum(axis=1) / best}


def rmse_difference(errors: np.ndarray, other: np.ndarray, users: np.ndarray) -> tuple[float, float]:
    """RMSE of one model minus another's on the same pairs, and the half-width of its 95 % interval.

    The interval is the delta method's over users (each user's pairs stay together, because one user's errors are alike).
    Where it covers 0, the two models are not distinguishable on these pairs.
    """
    errors, other = errors.astype(np.float64), other.astype(np.float64)
    first, second = _rms(errors), _rms(other)
    influence = (errors**2 - first**2) / (2 * max(first, 1e-12)) - (other**2 - second**2) / (2 * max(second, 1e-12))
    per_user = np.bincount(users, weights=influence)
    return first - second, float(1.96 * np.sqrt((per_user**2).sum()) / len(errors))


def _rms(errors: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(errors, dtype=np.float64))))
