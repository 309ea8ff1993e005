"""SVD of a whole dataset, to look at: singular values, reconstruction, what it would recommend, and what each rank is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import scipy.sparse as sp

from engine.errors import InputError
from engine.evaluation import entry_rows, evaluate_ratings, predict, recommend
from engine.interactions import Interactions
from engine.models import BiasConfig, SVDConfig
from engine.models.baselines import Bias
from engine.models.svd import SVD
from engine.splits import Split

SMALL = 1_000
"""Most cells of a matrix that is shown whole."""
HIGHEST = 50
"""Singular values that are computed of a large dataset."""
_CELLS = 4_000_000
"""Numbers held at once while errors are followed from rank to rank."""

Centring = Literal["none", "bias"]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """One decomposition of a whole dataset, from which every lower rank follows.

    Attributes:
        by_rank: columns `rank` (1, 2, …), `singular_value`, `energy` (share of the decomposed matrix's sum of squares that the
            ranks up to here hold) and `reconstruction_rmse` (on the observed ratings, which the decomposition has seen).
        full_rank: the smaller side of the matrix; `by_rank` ends at HIGHEST where that is less.
    """

    by_rank: pd.DataFrame
    full_rank: int


@dataclass(frozen=True, eq=False)
class RankCurve:
    """What each rank is worth on ratings that the decomposition has not seen.

    Attributes:
        by_rank: columns `rank`, `seen_rmse` (training ratings, reconstructed) and `validation_rmse` (held-out ratings, predicted).
        best: the rank with the lowest validation RMSE.
        bias_rmse: validation RMSE of the user + item bias on the same pairs.
        pairs, users: how many are held out.
    """

    by_rank: pd.DataFrame
    best: int
    bias_rmse: float
    pairs: int
    users: int


def spectrum(data: Interactions, centring: Centring, highest: int = HIGHEST) -> Spectrum:
    """Decomposes a dataset once, at the highest rank."""
    full = min(data.ratings.shape)
    model = SVD(SVDConfig(rank=min(highest, full), centring=centring), data.n_users, data.n_items)
    model.fit(data.ratings)
    values = model.learned["singular_values"].astype(np.float64)
    whole = float(np.square(model.centred(data.ratings).data, dtype=np.float64).sum())
    energy = np.minimum(np.cumsum(values**2) / whole, 1.0) if whole else np.ones(len(values))
    by_rank = pd.DataFrame(
        {
            "rank": np.arange(1, len(values) + 1),
            "singular_value": values,
            "energy": energy,
            "reconstruction_rmse": _rmse_by_rank(model, data.ratings, data.ratings),
        }
    )
    return Spectrum(by_rank, full)


def rank_curve(split: Split, centring: Centring, highest: int) -> RankCurve:
    """Decomposes a split's training ratings once and judges every rank on its validation ratings, as each run's SVD is judged.

    Raises:
        InputError: the training matrix has no two users and two items.
    """
    highest = min(highest, min(split.train.shape) - 1)
    if highest < 1:
        raise InputError(f"{split.interactions.name} is too small for an SVD: it needs at least two users and two items.")
    model = SVD(SVDConfig(rank=highest, centring=centring), *split.train.shape)
    model.fit(split.train)
    bias = Bias(BiasConfig(), *split.train.shape)
    bias.fit(split.train)
    # Through the guard that refuses targets which the model is shown.
    pairs = predict(bias, split.visible, split.validation)
    validation = _rmse_by_rank(model, split.visible, split.validation)
    seen = _rmse_by_rank(model, split.train, split.train)
    return RankCurve(
        by_rank=pd.DataFrame({"rank": np.arange(1, highest + 1), "seen_rmse": seen, "validation_rmse": validation}),
        best=int(np.argmin(validation)) + 1,
        bias_rmse=float(np.sqrt(np.mean(np.square(pairs.errors, dtype=np.float64)))),
        pairs=split.validation.nnz,
        users=len(np.unique(pairs.users)),
    )


def _rmse_by_rank(model: SVD, visible: sp.csr_array, targets: sp.csr_array) -> np.ndarray:
    """RMSE on the stored entries of `targets` of the model cut to rank 1, 2, … up to its own [rank]."""
    factors = model.learned["item_factors"].astype(np.float64)
    codes = model.centred(visible) @ factors
    rows, actual = entry_rows(targets), targets.data.astype(np.float64)
    if model.config.centring == "bias":
        actual = actual - model.bias.rate(visible, targets)
    squares = np.zeros(model.config.rank)
    size = _CELLS // model.config.rank + 1
    for start in range(0, targets.nnz, size):
        span = slice(start, start + size)
        predicted = np.cumsum(codes[rows[span]] * factors[targets.indices[span]], axis=1)
        squares += np.square(actual[span, None] - predicted).sum(axis=0)
    return np.sqrt(squares / targets.nnz)


def decompose_dataset(data: Interactions, rank: int, centring: Centring) -> dict[str, Any]:
    """Truncated SVD of all ratings of a dataset.

    Returns:
        `singular_values` [rank], `reconstruction_rmse` (on the observed ratings, which the decomposition has seen), sizes; of a
        small dataset also `reconstruction` (rounded, users × items) and `recommendations` (user → best unseen item).

    Raises:
        InputError: the rank is below 1 or above the smaller side of the matrix.
    """
    if not 1 <= rank <= min(data.ratings.shape):
        raise InputError(f"The rank must lie between 1 and {min(data.ratings.shape)} for {data.name}, not be {rank}.")
    model = SVD(SVDConfig(rank=rank, centring=centring), data.n_users, data.n_items)
    model.fit(data.ratings)
    result = {
        "dataset": data.name,
        "users": data.n_users,
        "items": data.n_items,
        "ratings": data.n_ratings,
        "rank": rank,
        "centring": centring,
        "singular_values": model.learned["singular_values"].tolist(),
        **{
            name: value
            for name, value in evaluate_ratings(model, data.ratings, data.ratings, data.scale, "reconstruction").items()
            if name == "reconstruction_rmse"
        },
    }
    if data.n_users * data.n_items <= SMALL:
        scores = model.score(data.ratings, np.arange(data.n_users))
        result["reconstruction"] = (np.round(scores) + 0.0).tolist()
        best = {user: recommend(model, data.ratings, row, 1)[0] for row, user in enumerate(data.users.index)}
        result["recommendations"] = {user: str(data.items.index[items[0]]) for user, items in best.items() if len(items)}
    return result
