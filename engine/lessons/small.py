"""The small world of the lessons: a few people and films with planted tastes, and networks that are trained on them by the engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from engine.config import nest, parse
from engine.metrics import root_mean_square

GENRES = ("space", "love", "fright")
SCALE = (1.0, 5.0)
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, eq=False)
class Small:
    """Ratings of a few people.

    Attributes:
        train, validation: CSR users × items, of the same shape and disjoint.
        expected: what each person would give each film without the noise, users × items.
        titles: of the films; each begins with its genre.
    """

    train: sp.csr_array
    validation: sp.csr_array
    expected: np.ndarray
    titles: tuple[str, ...]

    def rows(self, person: int) -> tuple[np.ndarray, np.ndarray]:
        """A person's ratings in both parts, NaN where there is none."""
        train, validation = (part[[person]].toarray()[0] for part in (self.train, self.validation))
        return np.where(train > 0, train, np.nan), np.where(validation > 0, validation, np.nan)

    def plain_error(self) -> float:
        """RMSE over the validation ratings of who predicts each film's mean training rating for everybody."""
        counts = np.bincount(self.train.indices, minlength=self.train.shape[1])
        return _error(np.broadcast_to(self.train.sum(0) / counts, self.train.shape), self.validation.tocoo())

    def noise_floor(self) -> float:
        """RMSE over the validation ratings of who knows what everybody expects: the planted noise is left."""
        return _error(self.expected, self.validation.tocoo())


@dataclass(frozen=True, eq=False)
class Frame:
    """A network after an epoch; the first is before any.

    Attributes:
        epoch: 0 for before the first.
        loss, refeed_loss: means over the epoch's steps, NaN where there were none.
        train, validation: RMSE of the outputs as they are now, in stars; NaN where there are no ratings.
        outputs: f(x) of every user, users × items.
        kept: what else the lesson asked for.
    """

    epoch: int
    loss: float
    refeed_loss: float
    train: float
    validation: float
    outputs: np.ndarray
    kept: Any = None


def small(
    users: int = 60, films: int = 12, rated: float = 0.5, noise: float = 0.4, seed: int = 0, tastes: Sequence[float] = (1.0, 1.0, 1.0)
) -> Small:
    """Planted ratings: 3 stars, plus the person's liking of the film's genre, plus how good the film is, plus noise, within 1 to 5.

    Args:
        films: a multiple of 3, a third of each genre.
        rated: share of the cells that are known; a fifth of them is validation.
        noise: standard deviation in stars.
        tastes: of each genre, how far people's liking of it lies apart: standard deviation in stars.
    """
    rng = np.random.default_rng(seed)
    genre = np.arange(films) % len(GENRES)
    expected = 3 + (rng.normal(0, 1, (users, len(GENRES))) * tastes)[:, genre] + rng.normal(0, 0.5, films)
    expected = np.clip(expected, *SCALE)
    ratings = np.clip(expected + rng.normal(0, noise, expected.shape), *SCALE).astype(np.float32)
    draw = rng.random(expected.shape)
    masks = {"train": draw < 0.8 * rated, "validation": (draw >= 0.8 * rated) & (draw < rated)}
    parts = {name: sp.csr_array(np.where(mask, ratings, 0).astype(np.float32)) for name, mask in masks.items()}
    titles = tuple(f"{GENRES[kind]} {number // len(GENRES) + 1}" for number, kind in enumerate(genre))
    return Small(parts["train"], parts["validation"], expected, titles)


def train(data: Small, settings: Mapping[str, Any], keep: Callable[[Any], Any] = lambda model: None) -> list[Frame]:
    """Trains a network as a run does, and photographs it after every epoch.

    Args:
        settings: dotted fields of a configuration, such as `training.epochs`.
        keep: of the model, called with each frame.
    """
    from engine.models import build
    from engine.training import EpochRecord, Trainer

    config = parse(nest(settings))
    people = np.arange(data.train.shape[0])
    known, held_out = data.train.tocoo(), data.validation.tocoo()
    frames: list[Frame] = []

    def look() -> dict[str, float]:
        outputs = model.scorer(data.train)(people)
        errors = _error(outputs, known), _error(outputs, held_out)
        frames.append(Frame(len(frames), np.nan, np.nan, *errors, outputs, keep(model)))
        return {"rmse": frames[-1].validation}

    with _to_itself(config.training.seed):
        model = build(config.model, *data.train.shape)
        trainer = Trainer(model, data.train, look, config.training, config.refeed, config.objective, config.noise)
        look()
        for told in trainer:
            if isinstance(told, EpochRecord):
                refed = np.nan if told.refeed_loss is None else told.refeed_loss
                frames[-1] = replace(frames[-1], loss=told.loss, refeed_loss=refed)
    return frames


@contextmanager
def _to_itself(seed: int) -> Iterator[None]:
    """Torch with its random numbers begun at `seed`, on one core; as before afterwards."""
    import torch

    threads = torch.get_num_threads()
    # Torch has one random state for all threads, and pages have a thread each.
    with _ONE_AT_A_TIME, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # Of so little work, dividing it is most.
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def _error(outputs: np.ndarray, ratings: sp.coo_array) -> float:
    if not ratings.nnz:
        return np.nan
    return root_mean_square(outputs[ratings.row, ratings.col] - ratings.data)
