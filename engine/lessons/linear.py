"""Lesson 2: a linear autoencoder is trained, and the truncated SVD of the same ratings is where it arrives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from pydantic import Field
from scipy.linalg import subspace_angles

from engine.lessons.lesson import Options as LessonOptions
from engine.lessons.small import GENRES, small, train
from engine.metrics import root_mean_square

USERS, FILMS, EPOCHS, PLANE = 60, 12, 60, 2
TASTES = (1.2, 0.8, 0.5)
"""People part most over the first genre and least over the third: a first, a second and a third direction."""
SETTINGS: dict[str, Any] = {
    "model.activation": "linear",
    "model.tied": True,
    "model.output_start": "zero",
    # Adam's steps do not shrink with the gradient: it would circle about the SVD for hundreds of epochs.
    "training.optimizer": "sgd",
    "training.momentum": 0.8,
    "training.lr": 0.4,
    "training.batch_size": USERS,
    "training.epochs": EPOCHS,
}


class Options(LessonOptions):
    """Controls of the lesson."""

    rank: int = Field(2, ge=1, le=3, title="Rank", description="Singular values that the SVD keeps, and units in the network’s code.")
    missing: float = Field(
        0.0,
        ge=0,
        le=0.6,
        title="Missing ratings",
        description="Share of the ratings that neither of the two is shown.",
        json_schema_extra={"step": 0.1},
    )
    seed: int = Field(
        0, ge=0, le=9, title="Seed", description="Of the ratings, of those that are missing and of the network’s first weights."
    )


@dataclass(frozen=True, eq=False)
class Moment:
    """The network after an epoch.

    Attributes:
        angle: the largest between its subspace and the SVD's, degrees.
        known, hidden: RMSE over the ratings that it is shown and over the others, in stars; NaN where there are none.
        places: f(x) of each person, seen in the plane of the SVD's first two directions, users × 2.
        axes: of the code, each of length 1 and seen in that plane, so shorter where it points out of it, units × 2.
    """

    angle: float
    known: float
    hidden: float
    places: np.ndarray
    axes: np.ndarray


@dataclass(frozen=True, eq=False)
class Linear:
    """A training beside the SVD of the same ratings, from which each film's mean has been taken.

    Attributes:
        frames: before the first epoch and after each.
        known, hidden: the SVD's RMSE, as in `Moment`.
        places: of each person in the SVD, as in `Moment`.
        genres: the genre that weighs most in each of the plane's two directions.
    """

    frames: tuple[Moment, ...]
    known: float
    hidden: float
    places: np.ndarray
    genres: tuple[str, ...]


def compute(options: Options) -> Linear:
    """Trains a tied autoencoder without any curved activation (Baldi & Hornik 1989, sections 2 and 3), and decomposes its ratings.

    Its biases begin at 0. On complete ratings without their means they have no gradient, so the network is x W Wᵀ.
    """
    # Beside torch, which `train` imports.
    from engine.models.svd import decompose

    ratings, known = _ratings(options)
    data = small(USERS, FILMS)
    data = replace(data, train=sp.csr_array(np.where(known, ratings, 0)), validation=sp.csr_array(np.where(known, 0, ratings)))
    settings = SETTINGS | {"model.layers": [options.rank], "training.seed": options.seed}
    trained = train(data, settings, keep=lambda model: model.encoder[0].detach().numpy().copy())
    _, directions = decompose(data.train, max(options.rank, PLANE))
    kept, plane = directions[:, : options.rank], directions[:, :PLANE]
    rebuilt = data.train @ kept @ kept.T
    frames = [
        Moment(
            angle(one.kept, kept), one.train, one.validation, one.outputs @ plane, (one.kept / np.linalg.norm(one.kept, axis=0)).T @ plane
        )
        for one in trained
    ]
    seen, hidden = (root_mean_square((rebuilt - ratings)[part]) if part.any() else np.nan for part in (known, ~known))
    weights = [np.square(plane[genre :: len(GENRES)]).sum(0) for genre in range(len(GENRES))]
    return Linear(tuple(frames), seen, hidden, rebuilt @ plane, tuple(GENRES[genre] for genre in np.argmax(weights, axis=0)))


def _ratings(options: Options) -> tuple[np.ndarray, np.ndarray]:
    """Ratings less the mean of each film's known ones, users × films, and which are known."""
    data = small(USERS, FILMS, rated=1.0, seed=options.seed, tastes=TASTES)
    ratings = (data.train + data.validation).toarray()
    # Cells have one order for good: raising the share only hides more.
    known = np.random.default_rng(options.seed).random(ratings.shape) >= options.missing
    return ratings - np.nanmean(np.where(known, ratings, np.nan), axis=0, dtype=np.float32), known


def angle(one: np.ndarray, other: np.ndarray) -> float:
    """The largest principal angle between what the columns span, degrees (Björck & Golub 1973)."""
    return float(np.degrees(subspace_angles(one.astype(np.float64), other.astype(np.float64)).max()))
