"""Lesson 5: what a network learns by heart, by its width, its depth, dropout and the number of people."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal

import numpy as np
from pydantic import Field

from engine.lessons.lesson import Options as LessonOptions
from engine.lessons.small import Small, small, train
from engine.models.configs import AutoencoderConfig, parameter_count

FILMS, POINTS, SEED = 30, 150, 8
"""So many ratings of each part are drawn. Of ten seeds, this one's errors lie nearest to the mean of all."""
SETTINGS: dict[str, Any] = {
    "model.activation": "tanh",
    "model.dropout_place": "every",
    "training.epochs": 40,
    "training.lr": 0.02,
    "training.seed": SEED,
}
BESIDE: dict[str, dict[str, Any]] = {"no dropout": {"dropout": 0.0}, "4 units": {"width": 4}, "200 people": {"people": 200}}
"""What is different in the other network."""


class Options(LessonOptions):
    """Controls of the lesson."""

    width: Literal[2, 4, 8, 16, 32, 64] = Field(32, title="Width", description="Units in each hidden layer.")
    depth: Literal[1, 2, 3] = Field(1, title="Layers of the encoder", description="The decoder mirrors them.")
    dropout: float = Field(
        0.0,
        ge=0,
        le=0.8,
        title="Dropout",
        description="Share of the units silenced at each training step.",
        json_schema_extra={"step": 0.1},
    )
    people: Literal[30, 100, 200] = Field(100, title="People", description="More of them mean more ratings to learn from.")
    beside: Literal["no dropout", "4 units", "200 people"] = Field(
        "4 units", title="Beside it, the same with", description="A second network that differs from yours in this alone."
    )


@dataclass(frozen=True, eq=False)
class Moment:
    """A network after an epoch.

    Attributes:
        known, held_out: RMSE over the ratings that it is shown and over the others, in stars.
        points: what it predicts for some of either, 2 × `POINTS`.
    """

    known: float
    held_out: float
    points: np.ndarray


@dataclass(frozen=True, eq=False)
class Fitted:
    """A training.

    Attributes:
        frames: before the first epoch and after each.
        ratings: those of `Moment.points`, 2 × `POINTS`.
        best: epoch with the lowest held-out error.
        floor, plain: held-out RMSE of who knows what everybody expects, and of each film's mean for everybody.
        weights, shown: numbers that it can set, and ratings that it is shown.
    """

    frames: tuple[Moment, ...]
    ratings: np.ndarray
    best: int
    floor: float
    plain: float
    weights: int
    shown: int


@dataclass(frozen=True, eq=False)
class OverFitting:
    """The chosen network and the other one; `other` is None where they are the same."""

    frames: tuple[Moment, ...]
    own: Fitted
    other: Fitted | None


def compute(options: Options) -> OverFitting:
    """Both trainings. Dropout: Srivastava et al. 2014, “Dropout: A Simple Way to Prevent Neural Networks from Overfitting”, section 4."""
    own = options.model_dump(exclude={"beside"})
    other = own | BESIDE[options.beside]
    fitted = _fitted(**own)
    return OverFitting(fitted.frames, fitted, _fitted(**other) if other != own else None)


@lru_cache(maxsize=24)
def _fitted(width: int, depth: int, dropout: float, people: int) -> Fitted:
    data = _world(people)
    layers = (width,) * depth
    settings = SETTINGS | {"model.layers": list(layers), "model.dropout": dropout, "training.batch_size": people}
    parts = [_some(part) for part in (data.train.tocoo(), data.validation.tocoo())]
    frames = tuple(
        Moment(one.train, one.validation, np.stack([one.outputs[rows, columns] for rows, columns, _ in parts]))
        for one in train(data, settings)
    )
    best = int(np.argmin([frame.held_out for frame in frames]))
    weights = parameter_count(AutoencoderConfig(layers=layers), FILMS)
    ratings = np.stack([values for *_, values in parts])
    return Fitted(frames, ratings, best, data.noise_floor(), data.plain_error(), weights, data.train.nnz)


def _some(ratings: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and values of ratings spread over all people."""
    places = np.linspace(0, ratings.nnz - 1, POINTS).astype(int)
    return ratings.row[places], ratings.col[places], ratings.data[places]


@cache
def _world(people: int) -> Small:
    return small(people, FILMS, seed=SEED)
