"""Truncated SVD of the rating matrix: what a linear autoencoder of the same width would find (Baldi & Hornik 1989)."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import svds

from engine.errors import InputError
from engine.models.baselines import Bias
from engine.models.configs import BiasConfig, SVDConfig
from engine.models.contract import ClosedForm


class SVD(ClosedForm):
    """prediction(u) = biases + (u's visible ratings − biases) V Vᵀ.

    For a user of the training data that is the row of U Σ Vᵀ; for a new user it is the fold-in.
    """

    config: SVDConfig

    def fit(self, train: sp.csr_array) -> None:
        """Raises InputError when the rank is not below both sides of the matrix."""
        smallest = min(train.shape)
        if self.config.rank > smallest:
            raise InputError(f"model.rank is {self.config.rank}, but a {train.shape[0]} × {train.shape[1]} matrix has at most {smallest}.")
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

    def score(self, visible: sp.csr_array, users: np.ndarray) -> np.ndarray:
        rows = visible[users]
        factors = self.learned["item_factors"]
        scores = (self._centred(rows) @ factors) @ factors.T
        if self.config.centring == "bias":
            scores = scores + self._bias().score(rows, np.arange(len(users)))
        return np.asarray(scores, np.float32)

    def rate(self, visible: sp.csr_array, targets: sp.csr_array) -> np.ndarray:
        factors = self.learned["item_factors"]
        codes = self._centred(visible) @ factors
        rows = np.repeat(np.arange(targets.shape[0]), np.diff(targets.indptr))
        predicted = np.empty(targets.nnz, np.float32)
        for start in range(0, targets.nnz, 1_000_000 // self.config.rank + 1):
            span = slice(start, start + 1_000_000 // self.config.rank + 1)
            predicted[span] = np.einsum("ij,ij->i", codes[rows[span]], factors[targets.indices[span]])
        return predicted + self._bias().rate(visible, targets) if self.config.centring == "bias" else predicted

    def _bias(self) -> Bias:
        bias = Bias(BiasConfig(), self.n_users, self.n_items)
        bias.learned = self.learned
        return bias

    def _centred(self, ratings: sp.csr_array) -> sp.csr_array:
        return self._bias().residuals(ratings) if self.config.centring == "bias" else ratings


def decompose(matrix: sp.csr_array, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Largest singular values, descending [rank], and right singular vectors as columns [items × rank], float32.

    Small matrices are decomposed exactly by LAPACK, large sparse ones by ARPACK from a fixed start, so that results repeat.
    """
    if min(matrix.shape) <= 64 or rank >= min(matrix.shape) - 1:
        _, values, right = np.linalg.svd(matrix.toarray().astype(np.float64), full_matrices=False)
    else:
        start = np.random.default_rng(0).standard_normal(min(matrix.shape))
        _, values, right = svds(matrix.astype(np.float64), k=rank, v0=start)
        order = np.argsort(-values)
        values, right = values[order], right[order]
    right = right[:rank] * np.sign(right[:rank].sum(axis=1, keepdims=True) + 1e-300)
    return values[:rank].astype(np.float32), np.ascontiguousarray(right.T, np.float32)
