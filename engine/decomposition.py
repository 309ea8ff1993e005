"""SVD of a whole dataset, to look at: singular values, reconstruction, what it would recommend, and what each rank is worth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from engine.errors import InputError
from engine.evaluation import evaluate_ratings, predict, recommend
from engine.files import replacing
from engine.interactions import Interactions
from engine.item_map import described
from engine.metrics import rmse_difference
from engine.models import BiasConfig, SVDConfig
from engine.models.baselines import Bias
from engine.models.svd import SVD, highest_rank
from engine.splits import Split
from engine.spreadsheets import to_csv

SMALL = 1_000
"""Most cells of a matrix that is shown whole."""
HIGHEST = 50
"""Singular values that are computed of a large dataset."""

Centring = Literal["none", "bias"]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """One decomposition of a whole dataset, from which every lower rank follows.

    Attributes:
        by_rank: columns `rank` (1, 2, …), `singular_value`, `energy` (share of the decomposed matrix's sum of squares that the
            ranks up to here hold) and `reconstruction_rmse` (on the observed ratings, which the decomposition has seen).
        full_rank: the smaller side of the matrix; `by_rank` ends at HIGHEST where that is less.
        model: the decomposition itself, at the highest rank of `by_rank`.
    """

    by_rank: pd.DataFrame
    full_rank: int
    model: SVD


@dataclass(frozen=True, eq=False)
class Factors:
    """Users and items on the same latent factors, the singular values split evenly between them: X ≈ U Σ^½ · Σ^½ Vᵀ = A B.

    The singular vectors' signs are arbitrary: −1 on a factor of A and of B alike changes no prediction. Here the item that lies
    farthest out on a factor has a positive value, so that a picture of items looks the same each time.

    Attributes:
        users: A, users × rank, float32.
        items: B, rank × items, float32.
    """

    users: np.ndarray
    items: np.ndarray

    def tables(self, data: Interactions) -> dict[str, pd.DataFrame]:
        """`A` and `B`, each with one row per user or item of `data`: its id and a column `factor 1`, … per rank; B is thus transposed."""
        return {
            "A": _named(self.users, "user", data.users.index.to_numpy()),
            "B": _named(self.items.T, "item", data.items.index.to_numpy()),
        }


@dataclass(frozen=True, eq=False)
class RankCurve:
    """What each rank is worth on ratings that the decomposition has not seen.

    Attributes:
        by_rank: columns `rank`, `seen_rmse` (training ratings, reconstructed) and `validation_rmse` (held-out ratings, predicted).
        best: the rank with the lowest validation RMSE.
        bias_rmse: validation RMSE of the user + item bias on the same pairs.
        against_bias: validation RMSE of the best rank minus the bias's, and the half-width of its 95 % interval over users.
        pairs, users: how many are held out.
    """

    by_rank: pd.DataFrame
    best: int
    bias_rmse: float
    against_bias: tuple[float, float]
    pairs: int
    users: int


def spectrum(data: Interactions, centring: Centring, highest: int = HIGHEST) -> Spectrum:
    """Decomposes a dataset once, at the highest rank."""
    model = SVD(SVDConfig(rank=min(highest, highest_rank(data.ratings.shape)), centring=centring), data.n_users, data.n_items)
    model.fit(data.ratings)
    values = model.learned["singular_values"].astype(np.float64)
    centred = data.ratings
    if centring == "bias":
        bias = Bias(BiasConfig(), data.n_users, data.n_items)
        bias.fit(data.ratings)
        centred = bias.residuals(data.ratings)
    whole = np.square(centred.data, dtype=np.float64).sum()
    energy = np.minimum(np.cumsum(values**2) / whole, 1.0) if whole else np.ones(len(values))
    by_rank = pd.DataFrame(
        {
            "rank": np.arange(1, len(values) + 1),
            "singular_value": values,
            "energy": energy,
            "reconstruction_rmse": model.rmse_by_rank(data.ratings, data.ratings),
        }
    )
    return Spectrum(by_rank, min(data.ratings.shape), model)


def factors(model: SVD, data: Interactions, rank: int) -> Factors:
    """A and B of a decomposition of this dataset, at its own rank or a lower one."""
    return Factors(*model.truncated(rank).halves(data.ratings))


def item_map(model: SVD, data: Interactions) -> pd.DataFrame:
    """One row per item as `engine.item_map.described`, with the item's factors: columns `factor 1`, … are B's."""
    table = described(data)
    placed = _named(factors(model, data, model.config.rank).items.T[table.index], "item", table["item"].to_numpy())
    return pd.concat([table, placed.drop(columns="item").set_axis(table.index, axis=0)], axis=1)


def write_factors(data: Interactions, rank: int, centring: Centring, path: Path) -> None:
    """Writes A and B into one file, by its ending.

    `.npz`: arrays `A` [users × rank], `B` [rank × items], `singular_values`, `users` and `items` (ids as text), none of them pickled.
    `.csv`: one row per user, then one per item: `matrix` (A or B), `id`, `factor 1`, …

    Raises:
        InputError: another ending, or the file cannot be written.
    """
    if path.suffix not in (".npz", ".csv"):
        raise InputError(f"--factors takes a file that ends in .npz or .csv, not '{path.name}'.")
    model = SVD(SVDConfig(rank=rank, centring=centring), data.n_users, data.n_items)
    model.fit(data.ratings)
    found = factors(model, data, rank)
    try:
        with replacing(path) as draft:
            if path.suffix == ".npz":
                users, items = data.users.index.to_numpy(str), data.items.index.to_numpy(str)
                with draft.open("wb") as file:
                    np.savez(file, A=found.users, B=found.items, singular_values=model.learned["singular_values"], users=users, items=items)
            else:
                both = found.tables(data).items()
                sides = [table.set_axis(["id", *table.columns[1:]], axis=1).assign(matrix=name) for name, table in both]
                whole = pd.concat(sides)[["matrix", *sides[0].columns[:-1]]]
                draft.write_text(to_csv(whole), encoding="utf-8", newline="")
    except OSError as error:
        raise InputError(f"--factors: {path} cannot be written ({error.strerror}).") from error


def _named(places: np.ndarray, of: str, ids: np.ndarray) -> pd.DataFrame:
    """Places among the factors [users or items × rank] as a table with the ids in front."""
    return pd.concat(
        [pd.DataFrame({of: ids}), pd.DataFrame(places, columns=[f"factor {number + 1}" for number in range(places.shape[1])])], axis=1
    )


def rank_curve(split: Split, centring: Centring, highest: int) -> RankCurve:
    """Decomposes a split's training ratings once and judges every rank on its validation ratings.

    Centred by bias, and up to `evaluation.max_rank`, `best` is the rank of the SVD that stands beside a run on the same split.
    """
    highest = min(highest, highest_rank(split.train.shape))
    model = SVD(SVDConfig(rank=highest, centring=centring), *split.train.shape)
    model.fit(split.train)
    bias = Bias(BiasConfig(), *split.train.shape)
    bias.fit(split.train)
    validation = model.rmse_by_rank(split.visible, split.validation)
    seen = model.rmse_by_rank(split.train, split.train)
    best = int(np.argmin(validation)) + 1
    # Both pass the guard that refuses targets which a model is shown.
    mine, plain = (predict(one, split.visible, split.validation) for one in (model.truncated(best), bias))
    return RankCurve(
        by_rank=pd.DataFrame({"rank": np.arange(1, highest + 1), "seen_rmse": seen, "validation_rmse": validation}),
        best=best,
        bias_rmse=float(np.sqrt(np.mean(np.square(plain.errors, dtype=np.float64)))),
        against_bias=rmse_difference(mine.errors, plain.errors, plain.users),
        pairs=split.validation.nnz,
        users=len(np.unique(plain.users)),
    )


def decompose_dataset(data: Interactions, rank: int, centring: Centring) -> dict[str, Any]:
    """Truncated SVD of all ratings of a dataset.

    Returns:
        `singular_values` [rank], `reconstruction_rmse` (on the observed ratings, which the decomposition has seen), sizes; of a
        small dataset also `reconstruction` (rounded, users × items), `recommendations` (user → best unseen item) and `scores`
        (user → that item's reconstructed rating, not rounded).

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
        best = {user: recommend(model, data.ratings, row, 1) for row, user in enumerate(data.users.index)}
        result["recommendations"] = {user: str(data.items.index[items[0]]) for user, (items, _) in best.items() if len(items)}
        result["scores"] = {user: float(score[0]) for user, (_, score) in best.items() if len(score)}
    return result
