"""Lesson 3: every number in a small autoencoder, for one person, while it learns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal

import numpy as np
from pydantic import Field

from engine.lessons.lesson import Options as LessonOptions
from engine.lessons.small import GENRES, Frame, Small, small, train

USERS, FILMS, PEOPLE, SEED = 200, 9, 8, 3
ORDER = np.argsort(np.arange(FILMS) % len(GENRES), kind="stable")
"""Films as they are shown: one genre after the other."""
SETTINGS: dict[str, Any] = {
    "model.default": "mean",
    "training.epochs": 50,
    "training.lr": 0.05,
    "training.batch_size": USERS,
    "training.seed": SEED,
}


class Options(LessonOptions):
    """Controls of the lesson."""

    hidden: int = Field(3, ge=1, le=6, title="Hidden units", description="Numbers that a person is squeezed into.")
    activation: Literal["tanh", "sigmoid", "relu", "linear"] = Field(
        "tanh",
        title="Activation",
        description="What a unit makes of its sum. tanh: −1 to 1. sigmoid: 0 to 1. relu: 0 if negative. linear: nothing.",
    )
    tied: bool = Field(False, title="Tied weights", description="On: the way out has the same weights as the way in.")
    person: int = Field(1, ge=1, le=PEOPLE, title="Person", description="Whose ratings go in.")


@dataclass(frozen=True, eq=False)
class Inside:
    """A network after an epoch, and one person's ratings on their way through it; films are in the order of `ORDER`.

    Attributes:
        into, out: weights of both layers, each films × units.
        sums, hidden: of each unit before and after its activation.
        start: what each output is without the units, its bias.
        outputs: predicted ratings of the films.
        known, held_out: RMSE over all people's ratings that are shown to the network, and over the others.
        alike: mean cosine between the outgoing weights of two films of one genre, and of two genres.
        silent: number of units that give the same for everybody.
    """

    into: np.ndarray
    out: np.ndarray
    sums: np.ndarray
    hidden: np.ndarray
    start: np.ndarray
    outputs: np.ndarray
    known: float
    held_out: float
    alike: tuple[float, float]
    silent: int


@dataclass(frozen=True, eq=False)
class Course:
    """A training as one person sees it; films are in the order of `ORDER`.

    Attributes:
        frames: before the first epoch and after each.
        titles: of the films.
        read: what enters the network for each film: the rating, or the person's mean where there is none.
        rated, held_out: the person's ratings, NaN where there is none.
        plain: held-out RMSE of each film's mean as the prediction for everybody.
    """

    frames: tuple[Inside, ...]
    titles: tuple[str, ...]
    read: np.ndarray
    rated: np.ndarray
    held_out: np.ndarray
    plain: float


def compute(options: Options) -> Course:
    """One hidden layer from all films to all films (Sedhain et al. 2015, “AutoRec”, figure 1)."""
    data = _world()
    person = _people()[options.person - 1]
    rated, held_out = (row[ORDER] for row in data.rows(person))
    read = np.where(np.isnan(rated), np.nanmean(rated), rated)
    trained = _trained(options.hidden, options.activation, options.tied)
    titles = tuple(data.titles[film] for film in ORDER)
    return Course(tuple(_seen(frame, person) for frame in trained), titles, read, rated, held_out, data.plain_error())


def _seen(frame: Frame, person: int) -> Inside:
    kept = frame.kept
    into, out = kept["into"][ORDER], kept["out"][ORDER]
    return Inside(
        into=into,
        out=out,
        sums=kept["sums"][person],
        hidden=kept["hidden"][person],
        start=kept["start"][ORDER],
        outputs=frame.outputs[person, ORDER],
        known=frame.train,
        held_out=frame.validation,
        alike=alike(out),
        silent=int((np.ptp(kept["hidden"], axis=0) < 0.01).sum()),
    )


def alike(weights: np.ndarray) -> tuple[float, float]:
    """Mean cosine between rows of films of one genre, and of two; films one genre after the other [films × units]."""
    lengths = np.linalg.norm(weights, axis=1, keepdims=True)
    ways = np.divide(weights, lengths, out=np.zeros_like(weights), where=lengths > 0)
    cosines, genre = ways @ ways.T, np.arange(FILMS) // (FILMS // len(GENRES))
    same = genre[:, None] == genre
    return float(cosines[same & ~np.eye(FILMS, dtype=bool)].mean()), float(cosines[~same].mean())


@lru_cache(maxsize=8)
def _trained(hidden: int, activation: str, tied: bool) -> list[Frame]:
    from engine.models.sparse import ResidentRows

    data = _world()

    def keep(model: Any) -> dict[str, np.ndarray]:
        import torch

        with torch.inference_mode():
            rows = ResidentRows(data.train, model.device).take(np.arange(USERS))
            out = model.decoder[0] if len(model.decoder) else model.encoder[0]
            tensors = {"into": model.encoder[0].clone(), "out": out.clone(), "start": model.decoder_bias[0].clone()}
            tensors |= {"sums": model.encoder_sums(rows, None, 1), "hidden": model.encode(rows)}
        return {name: tensor.numpy() for name, tensor in tensors.items()}

    return train(data, SETTINGS | {"model.layers": [hidden], "model.activation": activation, "model.tied": tied}, keep)


@cache
def _world() -> Small:
    return small(USERS, FILMS, rated=0.8, seed=SEED)


@cache
def _people() -> np.ndarray:
    """Those who are shown: the first with some ratings to go in and one held out."""
    data = _world()
    shown = (np.diff(data.train.indptr) >= FILMS // 2) & (np.diff(data.validation.indptr) > 0)
    return np.flatnonzero(shown)[:PEOPLE]
