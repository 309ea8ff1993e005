"""Truncated SVD of the rating matrix: what a linear autoencoder of the same width would find (Baldi & Hornik 1989)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import svds

from engine.errors import InputError
from engine.models.baselines import Bias
from engine.models.configs import BiasConfig, SVDConfig
from engine.models.contract import ClosedForm, Path, chunks

SMALL = 100_000
"""Most cells of a matrix that is decomposed densely and completely."""
ALIKE = 1e-6
"""Entries of a singular vector that differ by this share or less count as equal."""


class SVD(ClosedForm):
    """prediction(u) = biases + (u's visible ratings − biases) V Vᵀ.

    For a user of the training data that is the row of U Σ Vᵀ; for a new user it is the fold-in.
    """

    config: SVDConfig

    def fit(self, train: sp.csr_array) -> None:
        """Raises InputError when the rank is above `highest_rank`."""
        highest = highest_rank(train.shape)
        if self.config.rank > highest:
            raise InputError(
                f"model.rank is {self.config.rank}, but for a {train.shape[0]} × {train.shape[1]} matrix it is at most {highest}."
            )
        self.learned = {}
        if self.config.centring == "bias":
            bias = Bias(BiasConfig(), *train.shape)
            bias.fit(train)
            self.learned |= bias.learned
        singular_values, factors = decompose(self._centred(train), self.config.rank)
        self.learned |= {"singular_values": singular_values, "item_factors": factors}

    def truncated(self, rank: int) -> SVD:
        """The same decomposition with fewer singular values; nothing is computed again."""
        model = SVD(self.config.model_copy(update={"rank": rank}), self.n_users, self.n_items)
        cut = {"singular_values": self.learned["singular_values"][:rank], "item_factors": self.learned["item_factors"][:, :rank]}
        model.learned = self.learned | cut
        return model

    def halves(self, visible: sp.csr_array) -> tuple[np.ndarray, np.ndarray]:
        """A = U Σ^½ [users × rank] and B = Σ^½ Vᵀ [rank × items], so that A B is the reconstruction; float32.

        Centred by bias, A B is what is added to the biases. Where a singular value is 0, so is its factor on both sides.
        """
        roots = np.sqrt(self.learned["singular_values"])
        codes = self._centred(visible) @ self.learned["item_factors"]
        users = np.divide(codes, roots, out=np.zeros_like(codes), where=roots > 0)
        return users, roots[:, None] * self.learned["item_factors"].T

    def item_factors(self, visible: sp.csr_array) -> np.ndarray:
        """Bᵀ = V Σ^½, as in `halves`."""
        return self.learned["item_factors"] * np.sqrt(self.learned["singular_values"])

    def score(self, visible: sp.csr_array, users: np.ndarray) -> np.ndarray:
        rows = visible[users]
        factors = self.learned["item_factors"]
        scores = (self._centred(rows) @ factors) @ factors.T
        if self.config.centring == "bias":
            scores = scores + self._bias().score(rows, np.arange(len(users)))
        return np.asarray(scores, np.float32)

    def path(self, row: sp.csr_array, item: int, user: int | None) -> Path:
        factors = self.learned["item_factors"].astype(np.float64)
        weights = factors[row.indices] @ factors[item]
        if self.config.centring == "bias":
            return self._bias().path_beside(row, item, weights)
        return Path(np.zeros(1), (row.data * weights)[:, None], "0, which everything scores without ratings")

    def rate(self, visible: sp.csr_array, targets: sp.csr_array) -> np.ndarray:
        predicted = [parts.sum(axis=1) for parts in self._contributions(visible, targets)]
        return np.concatenate([*predicted, np.empty(0, np.float32)]) + self._offsets(visible, targets)

    def rmse_by_rank(self, visible: sp.csr_array, targets: sp.csr_array) -> np.ndarray:
        """RMSE at the stored entries of `targets` of every truncation: [rank], the first being that of rank 1."""
        rest = targets.data - self._offsets(visible, targets)
        squares, start = np.zeros(self.config.rank), 0
        for parts in self._contributions(visible, targets):
            errors = parts.cumsum(axis=1) - rest[start : start + len(parts), None]
            squares += np.square(errors, dtype=np.float64).sum(axis=0)
            start += len(parts)
        return np.sqrt(squares / targets.nnz)

    def _contributions(self, visible: sp.csr_array, targets: sp.csr_array) -> Iterator[np.ndarray]:
        """What each singular value adds to each prediction: blocks of [entries of `targets` × rank]."""
        factors = self.learned["item_factors"]
        codes = self._centred(visible) @ factors
        rows = np.repeat(np.arange(targets.shape[0]), np.diff(targets.indptr))
        for block in chunks(np.arange(targets.nnz), self.config.rank):
            yield codes[rows[block]] * factors[targets.indices[block]]

    def _offsets(self, visible: sp.csr_array, targets: sp.csr_array) -> np.ndarray | float:
        return self._bias().rate(visible, targets) if self.config.centring == "bias" else 0.0

    def _bias(self) -> Bias:
        bias = Bias(BiasConfig(), self.n_users, self.n_items)
        bias.learned = self.learned
        return bias

    def _centred(self, ratings: sp.csr_array) -> sp.csr_array:
        return self._bias().residuals(ratings) if self.config.centring == "bias" else ratings


def highest_rank(shape: tuple[int, ...]) -> int:
    """Largest rank that `decompose` takes for a matrix of this shape."""
    return min(shape) if math.prod(shape) <= SMALL else max(1, min(shape) - 1)


def decompose(matrix: sp.csr_array, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Largest singular values, descending [rank], and right singular vectors as columns [items × rank], float32.

    Small matrices are decomposed exactly by LAPACK, large sparse ones by ARPACK from a fixed start, so that results repeat.
    """
    if not matrix.data.any():  # all ratings are alike, and ARPACK finds no direction to start in
        return np.zeros(rank, np.float32), np.zeros((matrix.shape[1], rank), np.float32)
    if math.prod(matrix.shape) <= SMALL:
        _, values, right = np.linalg.svd(matrix.toarray().astype(np.float64), full_matrices=False)
    else:
        start = np.random.default_rng(0).standard_normal(min(matrix.shape))
        _, values, right = svds(matrix.astype(np.float64), k=rank, v0=start)
        order = np.argsort(-values)
        values, right = values[order], right[order]
    return values[:rank].astype(np.float32), np.ascontiguousarray(_signed(right[:rank]).T, np.float32)


def _signed(vectors: np.ndarray) -> np.ndarray:
    """Singular vectors as rows, each turned so that its entry farthest from 0 is positive: a decomposition leaves their signs open.

    Of entries that are equally far up to rounding the first counts, so that rounding does not choose.
    """
    sizes = np.abs(vectors)
    first = np.argmax(sizes >= (1 - ALIKE) * sizes.max(axis=1, keepdims=True), axis=1)
    return vectors * np.where(np.take_along_axis(vectors, first[:, None], axis=1) < 0, -1.0, 1.0)
