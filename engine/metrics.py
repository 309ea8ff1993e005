"""How well held-out ratings are predicted and held-out items are ranked. Pure functions on arrays.

`METRICS` holds the definition that every page and table shows for a name.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy.sparse as sp

PAIRWISE_CELLS = 2_000_000
"""Most comparisons of hidden with other items made at once."""

BOOTSTRAP_CELLS = 4_000_000
"""Most users drawn at once, all draws together."""

Z95 = 1.96
"""Standard errors in half of a 95 % interval, by the normal distribution."""

METRICS: dict[str, str] = {
    "rmse": "Global RMSE: root of the mean squared error over all held-out pairs, predictions not clipped.",
    "rmse_clipped": "Global RMSE with predictions clipped to the rating scale.",
    "rmse_user_mean": "Mean over users of each user's own RMSE, predictions clipped. Not the global RMSE: every user weighs the same.",
    "mae": "Mean absolute error over all held-out pairs, predictions not clipped.",
    "recall": "Recall@k: held-out liked items in the top k, divided by the smaller of k and their number; mean over users who have "
    "any (Liang et al. 2018, section 4.2).",
    "precision": "Precision@k: share of the top k that the user held out and liked; mean over users who have any.",
    "ndcg": "NDCG@k, binary relevance: hits discounted by log2 of their rank, divided by the best possible; mean over users who have "
    "any (Liang et al. 2018, section 4.2).",
    "map": "MAP@k: precisions at the ranks of the hits in the top k, added up and divided by the smaller of k and the number of "
    "held-out liked items; mean over users who have any (Manning, Raghavan & Schütze 2008, section 8.4, cut off at k).",
    "novelty": "Novelty@k in bits: mean over the top k of −log2 of the share of training users who rated the item; mean over users "
    "who have held-out liked items (Zhou et al. 2010; Vargas & Castells 2011, mean self-information).",
    "coverage": "Share of the catalogue that appears in at least one user's top k.",
    "pairwise_random": "Probability that a held-out liked item scores higher than an item that the user never rated, each of these "
    "being equally likely; ties count half. It is the expectation over all draws; mean over a user's held-out items, then over users.",
    "pairwise_softmax": "As pairwise_random, the other item being drawn by softmax of its popularity, the share of training users who "
    "rated it. Shares lie between 0 and 1, so this is nearly uniform.",
    "pairwise_popularity": "As pairwise_random, the other item being drawn in proportion to its number of training ratings.",
}


def definition(name: str) -> str:
    """Definition of a metric, also of one with a cut-off (`ndcg@10`), its standard error (`ndcg@10_se`) or `reconstruction_rmse`."""
    if name.startswith("reconstruction_"):
        return "Error on ratings that the model was shown as its input; not a prediction. " + definition(
            name.removeprefix("reconstruction_")
        )
    if name.endswith("_se"):
        return "Standard error over users (standard deviation by the root of their number) of: " + definition(name.removesuffix("_se"))
    return METRICS.get(name.split("@")[0], "A metric that this version of Encore does not know.")


def higher_is_better(name: str) -> bool:
    """Whether a greater value of this metric is the better one; errors are the other way round."""
    return not name.removeprefix("reconstruction_").startswith(("rmse", "mae"))


def rating_metrics(predicted: np.ndarray, actual: np.ndarray, users: np.ndarray, scale: tuple[float, float]) -> dict[str, float]:
    """rmse, rmse_clipped, rmse_user_mean and mae of pairs; three arrays of one length, `users` being any integer labels."""
    errors = predicted - actual
    clipped = np.clip(predicted, *scale) - actual
    return {
        "rmse": root_mean_square(errors),
        "rmse_clipped": root_mean_square(clipped),
        "rmse_user_mean": float(rmse_of_users(clipped, users).mean()),
        "mae": float(np.abs(errors).mean()),
    }


def rmse_of_users(errors: np.ndarray, users: np.ndarray) -> np.ndarray:
    """The RMSE of each user who has pairs, in the order of their labels."""
    sizes, (squares,) = _per_user(users, errors)
    return np.sqrt(squares / sizes)


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Positions of the k highest scores of each row, best first; ties go to the lower position. [rows × items] → [rows × k]."""
    import torch  # here, because pages read METRICS without waiting for it

    k = min(k, scores.shape[1])
    if k == 0:
        return np.empty((len(scores), 0), np.int64)
    values, positions = (part.numpy() for part in torch.from_numpy(scores).topk(min(k + 1, scores.shape[1])))
    # Within the list and at its end, PyTorch leaves the order of equal scores open.
    tied = np.flatnonzero((values[:, 1:] == values[:, :-1]).any(axis=1))
    positions = positions[:, :k]
    positions[tied] = _top_k_with_ties(scores[tied], values[tied, k - 1 : k], k)
    return positions


def _top_k_with_ties(scores: np.ndarray, kth: np.ndarray, k: int) -> np.ndarray:
    """`top_k` where the k-th highest score of each row [rows × 1] is known and may stand several times."""
    above, level = scores > kth, scores == kth
    chosen = above | (level & (level.cumsum(axis=1, dtype=np.int32) <= k - above.sum(axis=1, keepdims=True)))
    positions = np.nonzero(chosen)[1].reshape(len(scores), k)
    order = np.argsort(-np.take_along_axis(scores, positions, axis=1), axis=1, kind="stable")
    return np.take_along_axis(positions, order, axis=1)


def ranking_metrics(hits: np.ndarray, relevant: np.ndarray) -> dict[str, np.ndarray]:
    """Per-user recall, precision, NDCG and average precision (`map`) at k; sources in METRICS.

    Args:
        hits: bool [users × k], whether the item at each rank is relevant.
        relevant: int [users], how many relevant items each user has; users without any must be left out before.
    """
    k = hits.shape[1]
    ranks = np.arange(1, k + 1)
    discounts = 1 / np.log2(ranks + 1)
    attainable = np.minimum(relevant, k)
    found = hits.cumsum(axis=1)
    return {
        "recall": found[:, -1] / attainable,
        "precision": found[:, -1] / k,
        "ndcg": hits @ discounts / discounts.cumsum()[attainable - 1],
        "map": (hits * found) @ (1 / ranks) / attainable,
    }


def negative_weights(counts: np.ndarray, n_users: int) -> dict[str, np.ndarray]:
    """By sampler of the pairwise test, how likely each item is to be the unwatched one; not normalised, float32 [items].

    Args:
        counts: training ratings of each item.
        n_users: users with training ratings.
    """
    weights = {"random": np.ones(len(counts)), "softmax": np.exp(counts / n_users), "popularity": counts}
    return {sampler: values.astype(np.float32) for sampler, values in weights.items()}


def pairwise_accuracy(scores: np.ndarray, hidden: sp.csr_array, rated: sp.csr_array, weights: np.ndarray) -> np.ndarray:
    """Per user, the probability that a hidden item scores higher than an unwatched one: [users × samplers], NaN without a pair.

    It is the mean over the user's hidden items of the share, by weight, of unwatched items that score lower; ties count half.

    Args:
        scores: [users × items].
        hidden: the stored entries are the items that should score high; CSR as `scores`.
        rated: the stored entries are all items that the user is known to have rated, hidden ones too: they are never drawn.
        weights: of the items under each sampler, float32 [items × samplers].
    """
    accuracy = np.full((len(scores), weights.shape[1]), np.nan)
    whole = weights.sum(axis=0, dtype=np.float64)
    block = max(1, PAIRWISE_CELLS // scores.shape[1])
    for user, own in enumerate(scores):
        wanted, watched = own[stored_columns(hidden, user), None], stored_columns(rated, user)
        unwatched = whole - weights[watched].sum(axis=0, dtype=np.float64)
        if not len(wanted) or len(watched) == len(own):
            continue
        others = own.copy()
        others[watched] = np.inf
        lower = np.zeros(len(whole))
        for some in (wanted[start : start + block] for start in range(0, len(wanted), block)):
            halves = (some > others).view(np.uint8) + (some >= others).view(np.uint8)
            lower += (halves.astype(np.float32) @ weights).sum(axis=0, dtype=np.float64) / 2
        np.divide(lower / len(wanted), unwatched, out=accuracy[user], where=unwatched > 0)
    return accuracy


def over_users(values: dict[str, np.ndarray]) -> dict[str, float]:
    """Mean of each per-user metric and, of two users or more, its standard error `<name>_se`; NaN is no value and does not count."""
    means = {}
    for name, per_user in values.items():
        known = per_user[~np.isnan(per_user)]
        if len(known):
            means[name] = float(known.mean())
        if len(known) > 1:
            means[f"{name}_se"] = float(known.std(ddof=1) / math.sqrt(len(known)))
    return means


def half_interval(values: np.ndarray) -> float:
    """Half of the 95 % interval of a mean of independent values [n], by Student's t; infinite for a single one."""
    return Z95 * float(values.std()) / math.sqrt(len(values)) * widening(len(values)) if len(values) > 1 else math.inf


def widening(count: int) -> float:
    """By how much an interval is too narrow that takes the spread of so many values for that of all, and 1.96 for Student's t.

    1 for very many, 9.2 for two, infinite for one. Percentiles of the bootstrap are too narrow by as much (Hesterberg 2015, "What
    Teachers Should Know About the Bootstrap", section 3.2, narrowness bias).
    """
    from scipy.special import stdtrit  # here, because pages read METRICS without waiting for it

    return float(stdtrit(count - 1, 0.975)) / Z95 * math.sqrt(count / (count - 1)) if count > 1 else math.inf


def rmse_difference(errors: np.ndarray, other: np.ndarray, users: np.ndarray) -> tuple[float, float]:
    """RMSE of one model minus another's on the same pairs, and the half-width of its 95 % interval.

    The interval is the delta method's over users (each user's pairs stay together, because one user's errors are alike).
    Where it covers 0, the two models are not distinguishable on these pairs.
    """
    errors, other = errors.astype(np.float64), other.astype(np.float64)
    first, second = root_mean_square(errors), root_mean_square(other)
    influence = (errors**2 - first**2) / (2 * max(first, 1e-12)) - (other**2 - second**2) / (2 * max(second, 1e-12))
    per_user = np.bincount(users, weights=influence)
    return first - second, float(Z95 * np.sqrt((per_user**2).sum()) / len(errors))


def bootstrap_rmse(errors: np.ndarray, users: np.ndarray, draws: int = 1000, seed: int = 0) -> tuple[float, float, float]:
    """RMSE of the pairs, and the ends of its 95 % interval, by bootstrap over users."""
    sizes, (squares,) = _per_user(users, errors)
    return _bootstrapped(lambda n, s: np.sqrt(s / n), (sizes, squares), draws, seed)


def bootstrap_rmse_difference(
    errors: np.ndarray, other: np.ndarray, users: np.ndarray, draws: int = 1000, seed: int = 0
) -> tuple[float, float, float]:
    """RMSE of one model minus another's on the same pairs, and the ends of its 95 % interval, as `bootstrap_rmse`.

    `rmse_difference` gives nearly the same interval by a formula; this one needs no linear approximation.
    """
    sizes, squares = _per_user(users, errors, other)
    return _bootstrapped(lambda n, s, t: np.sqrt(s / n) - np.sqrt(t / n), (sizes, *squares), draws, seed)


def _per_user(users: np.ndarray, *errors: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Number of pairs and sums of squared errors of each user who has any."""
    sizes = np.bincount(users)
    sums = [np.bincount(users, weights=np.square(one, dtype=np.float64)) for one in errors]
    return sizes[sizes > 0], [one[sizes > 0] for one in sums]


def _bootstrapped(
    of_sums: Callable[..., np.ndarray], per_user: tuple[np.ndarray, ...], draws: int, seed: int
) -> tuple[float, float, float]:
    """A statistic of sums over users, and its percentiles 2.5 and 97.5 under the bootstrap (Efron & Tibshirani 1993, chapter 13).

    Users are resampled, each with all his pairs; with a single user there is nothing to resample, and the ends are infinite.
    """
    value = float(of_sums(*(one.sum() for one in per_user)))
    if len(per_user[0]) < 2:
        return value, -math.inf, math.inf
    from scipy.stats import bootstrap  # here, because pages read METRICS without waiting for it

    drawn = bootstrap(
        per_user,
        lambda *sample, axis: of_sums(*(one.sum(axis=axis) for one in sample)),
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=draws,
        batch=max(1, BOOTSTRAP_CELLS // len(per_user[0])),
        rng=np.random.default_rng(seed),
    )
    return value, float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)


def epochs_to_reach(epochs: np.ndarray, values: np.ndarray, goal: float) -> float | None:
    """The first epoch whose value is the goal or below; None where no epoch is. Speed of convergence as a number."""
    reached = np.asarray(epochs)[np.asarray(values) <= goal]
    return float(reached.min()) if len(reached) else None


def stored_columns(matrix: sp.csr_array, row: int) -> np.ndarray:
    """Columns of the stored entries of one row."""
    return matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]


def root_mean_square(errors: np.ndarray) -> float:
    """Summed in float64, whatever the errors are."""
    return float(np.sqrt(np.mean(np.square(errors, dtype=np.float64))))
