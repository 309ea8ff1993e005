"""Lesson 8: the pairwise test, and how much it depends on where the unwatched film comes from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from engine.lessons.lesson import Options as LessonOptions
from engine.lessons.small import GENRES
from engine.metrics import negative_weights, over_users, pairwise_accuracy

USERS, FILMS, WATCHED, HIDDEN = 200, 40, 8, 2
"""Each user has watched so many films, and so many of them are hidden from the model."""
BLENDS = np.linspace(0, 1, 21)
TASTE, OWN = 1.5, 0.5
"""Standard deviations of a person's liking of a genre and of the single film, in the logit of the chance that they watch it."""
SAMPLERS = ("random", "softmax", "popularity")


class Options(LessonOptions):
    """Controls of the lesson."""

    skew: float = Field(
        1.5,
        ge=0,
        le=2,
        title="Skew of popularity",
        description="0: all films are equally famous. 1: the second is half as famous as the first, the third a third, and so on.",
        json_schema_extra={"step": 0.25},
    )
    taste: float = Field(
        0.0,
        ge=0,
        le=1,
        title="Taste in the model",
        description="0: scores are popularity alone, the same for everybody. 1: the person's taste alone. Between: a blend.",
        json_schema_extra={"step": 0.05},
    )
    sampler: Literal["random", "softmax", "popularity"] = Field(
        "random",
        title="The unwatched film is drawn",
        description="random: each equally often. softmax: by softmax of the share of people who watched it. "
        "popularity: in proportion to how many did.",
    )


@dataclass(frozen=True, eq=False)
class Negatives:
    """What the samplers draw, and how models fare under them.

    Attributes:
        watched: people whom the model knows to have watched each film, the most famous first.
        chances: by sampler, the chance of each film to be drawn, before what the person watched is left out.
        accuracy: by sampler, pairwise accuracy of each of `BLENDS`.
        errors: its standard error over people.
    """

    watched: np.ndarray
    chances: dict[str, np.ndarray]
    accuracy: dict[str, np.ndarray]
    errors: dict[str, np.ndarray]

    def ratio(self, sampler: str) -> float:
        """The chance of the likeliest film by that of the unlikeliest."""
        chances = self.chances[sampler]
        return float(chances.max() / chances.min()) if chances.min() else math.inf


def compute(options: Options) -> Negatives:
    """Expected accuracy over all draws of the unwatched film: people and what they watched are planted, the test itself draws nothing."""
    taste, hidden, known = world(options.skew)
    counts = np.bincount(known.indices, minlength=FILMS)
    weights = negative_weights(counts, USERS)
    found = [pairwise_accuracy(one, hidden, known + hidden, np.column_stack([*weights.values()])) for one in scores(counts, taste)]
    means = [[over_users({"accuracy": column}) for column in one.T] for one in found]
    accuracy, errors = (np.array([[one[name] for one in row] for row in means]).T for name in ("accuracy", "accuracy_se"))
    order = np.argsort(-counts, kind="stable")
    chances = {sampler: values[order].astype(np.float64) / values.sum(dtype=np.float64) for sampler, values in weights.items()}
    return Negatives(counts[order], chances, dict(zip(weights, accuracy, strict=True)), dict(zip(weights, errors, strict=True)))


def world(skew: float) -> tuple[np.ndarray, sp.csr_array, sp.csr_array]:
    """Each person's liking of each film, and what they watched: the hidden films and the known ones, CSR.

    Everybody watches WATCHED films, without replacement, in proportion to fame · e^liking; the film of rank r has the fame r^−skew.
    """
    rng = np.random.default_rng(0)
    taste = rng.normal(0, TASTE, (USERS, len(GENRES)))[:, np.arange(FILMS) % len(GENRES)]
    taste = taste + rng.normal(0, OWN, taste.shape)
    fame = -skew * np.log(np.arange(1, FILMS + 1))
    # The highest of logit + Gumbel noise are such a draw (Efraimidis & Spirakis 2006, in logarithms).
    drawn = np.argsort(-(fame + taste + rng.gumbel(size=taste.shape)), axis=1)[:, :WATCHED]
    drawn = rng.permuted(drawn, axis=1)
    hidden, known = (_pattern(part) for part in (drawn[:, :HIDDEN], drawn[:, HIDDEN:]))
    return taste, hidden, known


def scores(counts: np.ndarray, taste: np.ndarray) -> list[np.ndarray]:
    """Of each of `BLENDS`: popularity in logarithms and taste, each with mean 0 and standard deviation 1, float32 [users × films]."""
    popularity = np.log1p(counts)
    parts = [np.broadcast_to((part - part.mean()) / max(part.std(), 1e-9), taste.shape) for part in (popularity, taste)]
    return [((1 - blend) * parts[0] + blend * parts[1]).astype(np.float32) for blend in BLENDS]


def _pattern(columns: np.ndarray) -> sp.csr_array:
    rows = np.repeat(np.arange(len(columns)), columns.shape[1])
    return sp.csr_array((np.ones(columns.size), (rows, columns.ravel())), shape=(len(columns), FILMS))
