"""The floor that every learned model has to pass: global mean, user + item bias, popularity."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from engine.errors import InputError
from engine.models.configs import BiasConfig
from engine.models.contract import ClosedForm, Path


class Mean(ClosedForm):
    """One number. Ranks nothing: every item scores the same."""

    def fit(self, train: sp.csr_array) -> None:
        self.learned = {"mean": np.array([train.data.mean()], np.float32)}

    def score(self, visible: sp.csr_array, users: np.ndarray) -> np.ndarray:
        return np.full((len(users), self.n_items), self.learned["mean"][0], np.float32)

    def rate(self, visible: sp.csr_array, targets: sp.csr_array) -> np.ndarray:
        return np.full(targets.nnz, self.learned["mean"][0], np.float32)

    def path(self, row: sp.csr_array, item: int, user: int | None) -> Path:
        raise InputError("The global mean is one number for every title and everybody: no rating of this person enters it.")


class Bias(ClosedForm):
    """rating(u, i) = mean + item_bias[i] + user_bias(u's visible ratings).

    Item and user biases are fitted in turns (five rounds of coordinate descent on the shrunk squared error); a user's bias is
    recomputed from what is visible, so a new user is scored like any other.
    """

    config: BiasConfig

    rounds = 5

    def fit(self, train: sp.csr_array) -> None:
        columns = train.indices
        residuals = train.data.astype(np.float64)
        mean = residuals.mean()
        counts = np.bincount(columns, minlength=self.n_items)
        per_rating_user = np.zeros(train.nnz)
        for _ in range(self.rounds):
            sums = np.bincount(columns, weights=residuals - mean - per_rating_user, minlength=self.n_items)
            items = sums / (counts + self.config.item_shrinkage + 1e-12)
            self.learned = {"mean": np.array([mean], np.float32), "item_bias": items.astype(np.float32)}
            per_rating_user = np.repeat(self.user_bias(train), np.diff(train.indptr))

    def user_bias(self, visible: sp.csr_array) -> np.ndarray:
        """Bias of each row's user from its visible ratings, float64 [rows]."""
        counts = np.diff(visible.indptr)
        rows = np.repeat(np.arange(visible.shape[0]), counts)
        return np.bincount(rows, weights=self._rest(visible), minlength=visible.shape[0]) / (counts + self.config.user_shrinkage + 1e-12)

    def _rest(self, visible: sp.csr_array) -> np.ndarray:
        """The stored ratings less mean and item bias."""
        return visible.data - self.learned["mean"][0] - self.learned["item_bias"][visible.indices]

    def score(self, visible: sp.csr_array, users: np.ndarray) -> np.ndarray:
        user_bias = self.user_bias(visible[users]).astype(np.float32)
        return self.learned["mean"][0] + user_bias[:, None] + self.learned["item_bias"]

    def rate(self, visible: sp.csr_array, targets: sp.csr_array) -> np.ndarray:
        user_bias = np.repeat(self.user_bias(visible).astype(np.float32), np.diff(targets.indptr))
        return self.learned["mean"][0] + user_bias + self.learned["item_bias"][targets.indices]

    def path(self, row: sp.csr_array, item: int, user: int | None) -> Path:
        return self.path_beside(row, item, np.zeros(row.nnz))

    def path_beside(self, row: sp.csr_array, item: int, weights: np.ndarray) -> Path:
        """Of rating(u, i) + Σ weights · residuals(row), for models that go by what biases leave over.

        A rating stands in its own residual and, through the user's bias, in the first term and in all residuals.
        """
        every = (1 - weights.sum(dtype=np.float64)) / (row.nnz + self.config.user_shrinkage + 1e-12)
        start = self.learned["mean"][0] + self.learned["item_bias"][item].astype(np.float64)
        steps = self._rest(row).astype(np.float64) * (weights + every)
        return Path(np.array([start]), steps[:, None], "the title's own mean, which somebody without ratings gets")

    def residuals(self, ratings: sp.csr_array) -> sp.csr_array:
        """The ratings minus their predicted biases, in the same pattern (zeros stay stored)."""
        return sp.csr_array((ratings.data - self.rate(ratings, ratings), ratings.indices, ratings.indptr), shape=ratings.shape)


class Popularity(ClosedForm):
    """score(u, i) = training ratings of i. It ranks; it predicts no rating."""

    predicts_ratings = False

    def fit(self, train: sp.csr_array) -> None:
        self.learned = {"counts": np.bincount(train.indices, minlength=self.n_items).astype(np.float32)}

    def score(self, visible: sp.csr_array, users: np.ndarray) -> np.ndarray:
        return np.broadcast_to(self.learned["counts"], (len(users), self.n_items)).copy()

    def path(self, row: sp.csr_array, item: int, user: int | None) -> Path:
        raise InputError("Popularity counts who rated a title in training, the same for everybody: no rating of this person enters it.")
