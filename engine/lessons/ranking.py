"""Lesson 9: two sets of predictions, one with the lower RMSE and the other with the better lists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from engine.lessons.lesson import Options as LessonOptions
from engine.lessons.small import small
from engine.metrics import ranking_metrics, root_mean_square, top_k

USERS, FILMS = 60, 24
PERSON = 30
"""Whose lists are shown."""
NOISE = 0.7
"""Standard deviation of the personal model's own errors, in stars."""
LIKED, DISLIKED = 4.0, 3.0
"""A film that the person would give so many stars or more is a hit; below the second number it is disliked."""
PERSONAL, PLAIN = "personal", "film means"


class Options(LessonOptions):
    """Controls of the lesson."""

    bias: float = Field(
        1.0,
        ge=-2,
        le=2,
        title="Stars added to every prediction",
        description="The personal model is too kind, or too strict, with all films alike.",
        json_schema_extra={"step": 0.25},
    )
    shrink: float = Field(
        0.0,
        ge=0,
        le=0.9,
        title="Shrinkage",
        description="How far each of the personal model's predictions moves towards their mean for that person.",
        json_schema_extra={"step": 0.1},
    )
    harsh: float = Field(
        0.0,
        ge=0,
        le=4,
        title="Too harsh on disliked films",
        description=f"Films below {DISLIKED:g} stars are predicted lower by a random amount, up to this many stars.",
        json_schema_extra={"step": 0.5},
    )
    k: int = Field(5, ge=1, le=10, title="Length of the list", description="k of Recall@k and NDCG@k.")


@dataclass(frozen=True, eq=False)
class Ranking:
    """Two models' predictions, judged in both ways.

    Attributes:
        truth: what each person would give, users × films.
        predicted: by model, of the same shape.
        metrics: by model, `rmse` in stars over all people and films; `recall` and `ndcg` at k, means over people who like a film.
        lists: by model, the k films that `PERSON` is recommended, best first.
        ideal: the k films that `PERSON` likes most.
        titles: of the films.
    """

    truth: np.ndarray
    predicted: dict[str, np.ndarray]
    metrics: dict[str, dict[str, float]]
    lists: dict[str, np.ndarray]
    ideal: np.ndarray
    titles: tuple[str, ...]


def compute(options: Options) -> Ranking:
    """Both models by the definitions of `engine.metrics`; the other one predicts every film's mean rating, for everybody alike.

    Cremonesi, Koren & Turrin 2010, “Performance of Recommender Algorithms on Top-N Recommendation Tasks”: neither implies the other.
    """
    data = small(USERS, FILMS)
    truth = data.expected
    rng = np.random.default_rng(0)
    own = truth + rng.normal(0, NOISE, truth.shape)
    means = own.mean(1, keepdims=True)
    excess = options.harsh * rng.random(truth.shape) * (truth < DISLIKED)
    personal = means + (1 - options.shrink) * (own - means) + options.bias - excess
    predicted = {PERSONAL: personal, PLAIN: np.tile(truth.mean(0), (USERS, 1))}
    return Ranking(
        truth,
        predicted,
        {name: judged(one, truth, options.k) for name, one in predicted.items()},
        {name: top_k(one, options.k)[PERSON] for name, one in predicted.items()},
        top_k(truth, options.k)[PERSON],
        data.titles,
    )


def judged(predicted: np.ndarray, truth: np.ndarray, k: int) -> dict[str, float]:
    """RMSE over everything, recall and NDCG at k of lists out of all films; both arrays are users × films."""
    liked = truth >= LIKED
    some = liked.any(1)
    hits = np.take_along_axis(liked, top_k(predicted, k), axis=1)
    per_user = ranking_metrics(hits[some], liked[some].sum(1))
    return {"rmse": root_mean_square(predicted - truth)} | {name: float(per_user[name].mean()) for name in ("recall", "ndcg")}
