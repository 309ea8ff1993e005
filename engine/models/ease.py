"""EASE: a linear autoencoder without hidden layer, solved exactly.

Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data", sections 3.1 and 3.2.
"""

from __future__ import annotations

import numpy as np
import psutil
import scipy.sparse as sp
from scipy.linalg import LinAlgError, cho_factor
from scipy.linalg.lapack import dpotri

from engine.errors import InputError
from engine.models.configs import EaseConfig
from engine.models.contract import ClosedForm, Path

BYTES_PER_CELL = 24
"""Of the items × items matrix while it is inverted: three copies in float64."""


class EASE(ClosedForm):
    """scores(u) = u's visible ratings @ B, where B minimises ‖X − X B‖² + λ‖B‖² with a zero diagonal.

    With P = (XᵀX + λI)⁻¹ that is B = I − P / diag(P), column by column. X is taken as it is: 1s where the data are binarised,
    ratings otherwise.
    """

    config: EaseConfig
    predicts_ratings = False

    def fit(self, train: sp.csr_array) -> None:
        """Raises InputError when the items × items matrix does not fit the memory, or the regularisation is lost in rounding."""
        require_memory(self.n_items)
        rows = train.astype(np.float64)
        gram = (rows.T @ rows).toarray()
        gram[np.diag_indices(self.n_items)] += self.config.regularisation
        weights = _inverse(gram)
        weights /= -np.diag(weights)
        np.fill_diagonal(weights, 0)
        self.learned = {"weights": weights.astype(np.float32)}

    def score(self, visible: sp.csr_array, users: np.ndarray) -> np.ndarray:
        return np.asarray(visible[users] @ self.learned["weights"], np.float32)

    def item_factors(self, visible: sp.csr_array) -> np.ndarray:
        """Bᵀ with ones on its diagonal: of each item, what a rating of every other one adds to its score, and of itself [items × items]."""
        factors = self.learned["weights"].T.copy()
        np.fill_diagonal(factors, 1)
        return factors

    def path(self, row: sp.csr_array, item: int, user: int | None) -> Path:
        steps = row.data * self.learned["weights"][row.indices, item].astype(np.float64)
        return Path(np.zeros(1), steps[:, None], "0, which everything scores without ratings")


def require_memory(n_items: int) -> None:
    """Raises InputError when a catalogue of this size is too large to be inverted on this machine now."""
    needed, free = BYTES_PER_CELL * n_items**2, psutil.virtual_memory().available
    if needed > free:
        raise InputError(
            f"EASE inverts a matrix of items × items: {n_items:,} items need about {needed / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB are "
            "free here; keep fewer items by preprocessing.sample_items or preprocessing.min_item_ratings."
        )


def _inverse(gram: np.ndarray) -> np.ndarray:
    """Inverse of a positive definite matrix, which is overwritten."""
    try:
        factor, lower = cho_factor(gram.T, lower=True, overwrite_a=True, check_finite=False)
    except LinAlgError as error:
        raise InputError("model.regularisation is too small for these ratings, the matrix cannot be inverted: raise it.") from error
    half, _ = dpotri(factor, lower=lower, overwrite_c=True)
    inverse = np.tril(half)
    inverse += np.tril(inverse, -1).T
    return inverse
