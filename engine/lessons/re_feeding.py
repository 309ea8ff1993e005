"""Lesson 4: the output fed back in, with re-feeding on and off."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal

import numpy as np
from pydantic import Field

from engine.lessons.lesson import Options as LessonOptions
from engine.lessons.small import Frame, Small, small, train
from engine.metrics import root_mean_square

USERS, FILMS, SHOWN, TIMES = 100, 30, 12, 4
"""The person's first films are shown, and f up to this many times over."""
LEAST = 4
"""The person who is shown has rated at least so many of these films, and another of them is held out."""
SETTINGS: dict[str, Any] = {
    "model.layers": [32],
    "model.activation": "tanh",
    "model.dropout": 0.5,
    "training.batch_size": USERS,
    "training.epochs": 40,
}
TARGETS: dict[str, str] = {"f(x)": "fixed-point", "the ratings": "ratings"}


class Options(LessonOptions):
    """Controls of the lesson."""

    steps: Literal[0, 1, 2, 3] = Field(
        1, title="Re-feeding steps", description="How often, after each step on the ratings, the output is fed back in. 0: off."
    )
    target: Literal["f(x)", "the ratings"] = Field(
        "f(x)", title="Target", description="What the output of the re-fed output is to equal: f(x) for every film, or the known ratings."
    )
    lr: float = Field(0.05, ge=0.01, le=0.1, title="Learning rate", description="How far a step goes.", json_schema_extra={"step": 0.01})
    world: int = Field(0, ge=0, le=7, title="World", description="Other people, other ratings, other first weights.")


@dataclass(frozen=True, eq=False)
class Turn:
    """The network after an epoch.

    Attributes:
        chain: f(x), f(f(x)) … of one person, `TIMES` × `SHOWN` films.
        distance: of f(y) from y = f(x), root mean square over all people and films, in stars.
        held_out: RMSE of f(x), in stars.
        spread: standard deviation of f(x) over people, mean over films, in stars.
    """

    chain: np.ndarray
    distance: float
    held_out: float
    spread: float


@dataclass(frozen=True, eq=False)
class ReFeeding:
    """Two trainings that differ in re-feeding alone.

    Attributes:
        frames, off: with and without it; the same where its steps are 0.
        titles: of the films that are shown.
        rated, missing: the person's ratings that go in, and the one that is held out; NaN where there is none.
        plain: held-out RMSE of each film's mean as the prediction for everybody.
    """

    frames: tuple[Turn, ...]
    off: tuple[Turn, ...]
    titles: tuple[str, ...]
    rated: np.ndarray
    missing: np.ndarray
    plain: float


def compute(options: Options) -> ReFeeding:
    """Both trainings (Kuchaiev & Ginsburg 2017, “Training Deep AutoEncoders for Collaborative Filtering”, section 2.2)."""
    data, person = _world(options.world), _person(options.world)
    off = _trained(options.world, options.lr, 0, "fixed-point")
    on = _trained(options.world, options.lr, options.steps, TARGETS[options.target]) if options.steps else off
    rated, missing = (row[:SHOWN] for row in data.rows(person))
    return ReFeeding(on, off, data.titles[:SHOWN], rated, missing, data.plain_error())


@lru_cache(maxsize=32)
def _trained(world: int, lr: float, steps: int, target: str) -> tuple[Turn, ...]:
    data, person = _world(world), _person(world)
    settings = {"training.lr": lr, "training.seed": world, "refeed.steps": steps, "refeed.target": target}

    def keep(model: Any) -> np.ndarray:
        import torch

        with torch.inference_mode():
            outputs = [torch.from_numpy(model.scorer(data.train)(np.arange(USERS)))]
            for _ in range(TIMES - 1):
                outputs.append(model(outputs[-1]))
        return torch.stack(outputs).numpy()

    return tuple(_turn(frame, person) for frame in train(data, SETTINGS | settings, keep))


def _turn(frame: Frame, person: int) -> Turn:
    once, again = frame.kept[:2]
    return Turn(frame.kept[:, person, :SHOWN].copy(), root_mean_square(again - once), frame.validation, float(once.std(axis=0).mean()))


@cache
def _world(seed: int) -> Small:
    return small(USERS, FILMS, seed=seed)


def _person(world: int) -> int:
    data = _world(world)
    rated, missing = (np.diff(part[:, :SHOWN].indptr) for part in (data.train, data.validation))
    return int(np.flatnonzero((rated >= LEAST) & (missing > 0))[0])
