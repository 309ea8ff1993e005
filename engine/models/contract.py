"""What every model promises, so that evaluation, runs and pages need not know which one they hold."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from pydantic import BaseModel

from engine.errors import InputError

Scorer = Callable[[np.ndarray], np.ndarray]

CHUNK_CELLS = 8_000_000
"""Most cells of a dense score block, whatever the size of the catalogue (32 MB of float32)."""


@dataclass(frozen=True, eq=False)
class Path:
    """How somebody's ratings enter his score of one item: along the straight line start + α Σ steps, from α = 0, without any of them, to 1.

    The line lies where ratings enter linearly, such as the sums of a network's first layer; what a model does to its input before
    (lengths of 1, missing ratings filled in) is thereby part of the steps.

    Attributes:
        start: float64 [width].
        steps: what each rating adds, in the order of the row, float64 [ratings × width].
        base: whose score the one at the start is, in words.
        onward: from points of the line in their order, a float64 tensor on the CPU [points × width], to scores [points], whose
            gradients are the slopes of chords (see `chords`); None where the line itself is the score, of width 1.
    """

    start: np.ndarray
    steps: np.ndarray
    base: str
    onward: Callable[[Any], Any] | None = None


class Recommender(ABC):
    """A model of users × items. What a user has rated comes in as CSR at every call: models look no history up.

    Class attributes:
        predicts_ratings: `rate` answers in the ratings' unit.
        reads_values: scores go by the visible ratings themselves; otherwise by which items are rated alone.
        trains: it is fitted by gradient steps (`Trainable`); otherwise by `fit`, at once.
    """

    predicts_ratings: ClassVar[bool] = True
    reads_values: ClassVar[bool] = True
    trains: ClassVar[bool] = False

    def __init__(self, config: BaseModel, n_users: int, n_items: int) -> None:
        self.config, self.n_users, self.n_items = config, n_users, n_items

    @property
    def moves_batch_columns_only(self) -> bool:
        """Whether a training step gives gradients to the rows of `column_weights` that stand for the batch's columns, and no other."""
        return False

    def begin_epoch(self, epoch: int) -> None:  # noqa: B027 – most models have nothing to do
        """Called before each epoch of training, 0 for the first, and again where an interrupted epoch goes on."""

    def end_epoch(self, epoch: int) -> None:  # noqa: B027
        """Called after each epoch of training."""

    @property
    def scores_new_users(self) -> bool:
        """Whether a user outside the training data can be scored from ratings alone (fold-in)."""
        return True

    @abstractmethod
    def score(self, visible: sp.csr_array, users: np.ndarray) -> np.ndarray:
        """Scores of every item for some users, a new float32 array [len(users) × items].

        Args:
            visible: what the model may see of each user, CSR [any number of users × items].
            users: rows of `visible` to score.

        Raises:
            InputError: a model that cannot score new users is given other users than those of training.
        """

    def scorer(self, visible: sp.csr_array) -> Scorer:
        """`score` of rows that are named later; a model computes here, once, what all users share."""
        return partial(self.score, visible)

    def rate(self, visible: sp.csr_array, targets: sp.csr_array) -> np.ndarray:
        """Predicted ratings at the stored entries of `targets` (same shape as `visible`), aligned with `targets.data`."""
        score = self.scorer(visible)
        blocks = []
        for users in chunks(np.flatnonzero(np.diff(targets.indptr)), self.n_items):
            wanted = targets[users]
            blocks.append(score(users)[np.repeat(np.arange(len(users)), np.diff(wanted.indptr)), wanted.indices])
        return np.concatenate(blocks) if blocks else np.empty(0, np.float32)

    def score_as(self, rows: sp.csr_array, user: int | None) -> np.ndarray:
        """`score` of rows that are all one person's, each as if it held all his ratings [rows × items]: for what-ifs.

        Args:
            user: his row in training; None for somebody who was not there.

        Raises:
            InputError: the model cannot score other ratings than those of training.
        """
        return self.score(rows, np.arange(rows.shape[0]))

    def path(self, row: sp.csr_array, item: int, user: int | None) -> Path:
        """How the ratings of `row`, CSR [1 × items], enter the score of an item; `user` as in `score_as`.

        Raises:
            InputError: the score is not made of these ratings.
        """
        raise InputError(f"{type(self).__name__} does not tell how ratings enter a score: give it a `path`, or ask another model.")

    def item_factors(self, visible: sp.csr_array) -> np.ndarray:
        """What the model has learned of each item: the numbers that a user's own are multiplied with, float32 [items × width].

        Args:
            visible: the training users' ratings, CSR [users × items].

        Raises:
            InputError: it learns no such numbers.
        """
        raise InputError(f"{type(self).__name__} learns no factors of items: choose an autoencoder, EASE, ELSA, MF or SVD.")

    @abstractmethod
    def tensors(self) -> dict[str, Any]:
        """Everything learned, as named arrays or tensors, ready for safetensors."""

    @abstractmethod
    def restore(self, tensors: dict[str, Any]) -> None:
        """Takes back what `tensors` gave."""


class ClosedForm(Recommender):
    """A model that is fitted in one go. `fit` fills `learned` with named float32 arrays."""

    learned: dict[str, np.ndarray]

    @abstractmethod
    def fit(self, train: sp.csr_array) -> None:
        """Learns from CSR [users × items]."""

    def tensors(self) -> dict[str, Any]:
        return self.learned

    def restore(self, tensors: dict[str, Any]) -> None:
        self.learned = {name: np.asarray(value) for name, value in tensors.items()}


def chunks(users: np.ndarray, n_items: int) -> list[np.ndarray]:
    """Users in pieces whose dense score block stays below CHUNK_CELLS."""
    size = max(1, CHUNK_CELLS // max(n_items, 1))
    return [users[start : start + size] for start in range(0, len(users), size)]
