"""Lesson 7: an error that is measured on what the network was shown, beside one that is not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from engine.lessons.lesson import Options as LessonOptions
from engine.lessons.small import Frame, small, train
from engine.metrics import root_mean_square
from engine.reproduce import TwoErrors, leak, read, report
from engine.tables import table

USERS, FILMS = 120, 24
PERSON = 11
"""Whose ratings are shown."""
SETTINGS = {"model.activation": "tanh", "training.epochs": 50, "training.lr": 0.04, "training.batch_size": USERS}
PARTS = ("training", "validation", "sealed")
"""The last is shown to nobody, whatever is switched."""
TABLES = ("3-leaky", "3-honest")


class Options(LessonOptions):
    """Controls of the lesson."""

    leak: bool = Field(
        True,
        title="Show it the validation ratings",
        description="On: they stand in its input and in what it learns to give back. Off: it never sees them.",
    )
    width: int = Field(16, ge=1, le=64, title="Width", description="Units of the one hidden layer.")
    hidden: float = Field(
        0.4,
        ge=0.1,
        le=0.6,
        title="Share held out",
        description="Of all ratings. One half is validation, the other is sealed: shown to nobody.",
        json_schema_extra={"step": 0.1},
    )


@dataclass(frozen=True, eq=False)
class Leakage:
    """One training, judged on three parts of the ratings.

    Attributes:
        frames: of the network.
        errors: by part, RMSE in stars after each epoch.
        parts: number of the part that each cell's rating is in, −1 where there is none, users × films.
        ratings: all ratings, NaN where there is none, users × films.
        titles: of the films.
    """

    frames: list[Frame]
    errors: dict[str, np.ndarray]
    parts: np.ndarray
    ratings: np.ndarray
    titles: tuple[str, ...]


def compute(options: Options) -> Leakage:
    """Prediction asks for what was not in the input, reconstruction for what was: both are RMSEs, and only the first is of use."""
    data = small(USERS, FILMS, rated=0.6)
    ratings = (data.train + data.validation).toarray()
    parts = _parts(ratings > 0, options.hidden)
    shown, validation = (sp.csr_array(np.where(mask, ratings, 0)) for mask in (_shown(parts, options.leak), parts == 1))
    frames = train(replace(data, train=shown, validation=validation), SETTINGS | {"model.layers": [options.width]})
    errors = {
        part: np.array([root_mean_square((frame.outputs - ratings)[parts == number]) for frame in frames])
        for number, part in enumerate(PARTS)
    }
    return Leakage(frames, errors, parts, np.where(parts >= 0, ratings, np.nan), data.titles)


def measured() -> dict[str, TwoErrors]:
    """By table, both errors of the assignment's network on real ratings; a table that is not filled yet is left out."""
    found = {}
    for name in TABLES:
        one = table(name)
        errors = leak(one, report(one, None, read(one))["rows"])
        if errors is not None:
            found[name] = errors
    return found


def _shown(parts: np.ndarray, leak: bool) -> np.ndarray:
    return (parts == 0) | ((parts == 1) & leak)


def _parts(rated: np.ndarray, hidden: float) -> np.ndarray:
    # Ratings have one order for good: holding out more only takes more of them.
    place = np.random.default_rng(1).permutation(rated.size).reshape(rated.shape) / rated.size
    return np.where(rated, np.where(place >= hidden, 0, np.where(place < hidden / 2, 1, 2)), -1)
