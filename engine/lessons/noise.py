"""Lesson 6: what the network reads where nobody rated, and what noise on its input does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from engine.config import NoiseConfig
from engine.lessons.lesson import Options as LessonOptions
from engine.lessons.small import Frame, Small, small, train

USERS, FILMS, SHOWN = 300, 24, 12
PERSON = 2
"""Whose row is shown: its first films."""
LIKING = 3.0
"""Where people choose what they rate: what a star more adds to the logit of the chance that they rate a film."""
SETTINGS = {"model.layers": [8], "model.activation": "tanh", "training.epochs": 30, "training.lr": 0.03, "training.batch_size": USERS}

Kind = Literal["rated", "default", "noised", "hidden"]


class Options(LessonOptions):
    """Controls of the lesson."""

    default: Literal["zero", "constant", "mean"] = Field(
        "mean",
        title="Where nobody rated, it reads",
        description="zero: 0. constant: the number below. mean: the average of the person's own ratings.",
    )
    constant: float = Field(
        3.0,
        ge=0,
        le=5,
        title="The constant",
        description="Read where nobody rated, if “constant” is chosen.",
        json_schema_extra={"step": 0.5},
    )
    noise: Literal["none", "gaussian", "dropout", "masking"] = Field(
        "none",
        title="Noise on the input",
        description="Anew in every epoch. gaussian: ratings are shifted. dropout: inputs become 0, the others grow. "
        "masking: ratings are hidden, and still have to be given back.",
    )
    level: float = Field(
        0.3,
        ge=0.1,
        le=0.9,
        title="Noise level",
        description="gaussian: standard deviation in stars. dropout, masking: share of the inputs.",
        json_schema_extra={"step": 0.1},
    )
    chosen: bool = Field(False, title="People rate what they like", description="Off: which films somebody has rated is chance.")


@dataclass(frozen=True, eq=False)
class Entering:
    """One person's row as it enters the network in an epoch of training.

    Attributes:
        values: what is read for each film.
        kinds: "rated" as it was, "default" where nobody rated, "noised" where the number was changed, "hidden" where it was taken away.
    """

    values: np.ndarray
    kinds: tuple[Kind, ...]


@dataclass(frozen=True, eq=False)
class Noise:
    """Two trainings on the same ratings.

    Attributes:
        frames: of the chosen setting; each keeps an `Entering`.
        plain: held-out RMSE by epoch with 0 as the default rating and no noise.
        rated: the person's ratings, NaN where there is none.
        expected: what the person would give.
        titles: of the films.
    """

    frames: list[Frame]
    plain: np.ndarray
    rated: np.ndarray
    expected: np.ndarray
    titles: tuple[str, ...]


def compute(options: Options) -> Noise:
    """Both trainings, and one person's row of each epoch: the noise is another draw of the same kind as the training's own.

    Noise: Vincent et al. 2010, “Stacked Denoising Autoencoders”, section 3.3; masking of ratings: Strub et al. 2016, section 3.1.
    """
    data = _world(options.chosen)
    noise = NoiseConfig(kind=options.noise, level=options.level)
    settings: dict[str, Any] = {"model.default": options.default, "model.default_rating": options.constant}
    settings |= {"noise.kind": noise.kind, "noise.level": noise.level}
    draws = count()
    frames = train(data, SETTINGS | settings, keep=lambda model: entering(model, data.train, PERSON, noise, next(draws)))
    row = data.train[[PERSON]].toarray()[0]
    return Noise(frames, _plain(options.chosen), np.where(row > 0, row, np.nan), data.expected[PERSON], data.titles)


def entering(model: Any, ratings: sp.csr_array, person: int, noise: NoiseConfig, seed: int) -> Entering:
    """A person's row with default ratings and noise, as `engine.noise.disturb` gives it to the network, drawn from a seed of its own.

    Args:
        model: an autoencoder; it fills in the default rating.
    """
    import torch

    from engine.models.sparse import ResidentRows, SparseRows
    from engine.noise import disturb

    batch = ResidentRows(ratings, torch.device("cpu")).take(np.array([person]))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        read = disturb(batch, noise, model, seed)
    clean = model.filled(batch).numpy()[0]
    values = (model.filled(read) if isinstance(read, SparseRows) else read).numpy()[0]
    rated = np.zeros(len(values), bool)
    rated[batch.columns.numpy()] = True
    return Entering(values, _kinds(values, clean, rated, noise.kind))


def _kinds(values: np.ndarray, clean: np.ndarray, rated: np.ndarray, noise: str) -> tuple[Kind, ...]:
    # Under masking, a hidden rating reads as any film that nobody rated.
    gone = values[~rated][0] if noise == "masking" and not rated.all() else 0.0
    hides = rated if noise == "masking" else np.full(len(rated), noise == "dropout")
    hidden = hides & np.isclose(values, gone) & ~np.isclose(clean, gone)
    kinds = np.select([hidden, ~rated, np.isclose(values, clean)], ["hidden", "default", "rated"], "noised")
    return tuple(kinds.tolist())


@cache
def _world(chosen: bool) -> Small:
    """Two fifths of all ratings are known, a fifth of those held out."""
    data = small(USERS, FILMS, rated=1.0)
    ratings = (data.train + data.validation).toarray()
    liking = data.expected - data.expected.mean()
    chance = 1 / (1 + np.exp(-LIKING * liking * chosen))
    chance = np.minimum(1, 0.4 * chance / chance.mean())
    draw = np.random.default_rng(0).random(ratings.shape)
    train, validation = (np.where(mask, ratings, 0) for mask in (draw < 0.8 * chance, (draw >= 0.8 * chance) & (draw < chance)))
    return replace(data, train=sp.csr_array(train), validation=sp.csr_array(validation))


@cache
def _plain(chosen: bool) -> np.ndarray:
    return np.array([frame.validation for frame in train(_world(chosen), SETTINGS)])
