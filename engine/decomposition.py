"""SVD of a whole dataset, to look at: singular values, reconstruction, what it would recommend."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from engine.errors import InputError
from engine.evaluation import evaluate_ratings, recommend
from engine.interactions import Interactions
from engine.models import SVDConfig
from engine.models.svd import SVD

SMALL = 1_000
"""Most cells of a matrix that is shown whole."""


def decompose_dataset(data: Interactions, rank: int, centring: Literal["none", "bias"]) -> dict[str, Any]:
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
