"""Biased matrix factorisation by alternating least squares.

Koren, Bell & Volinsky 2009, "Matrix Factorization Techniques for Recommender Systems" (the model); Zhou et al. 2008, "Large-Scale
Parallel Collaborative Filtering for the Netflix Prize", section 3 (ALS-WR: regularisation weighted by the number of ratings).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from engine.models.baselines import Bias
from engine.models.configs import BiasConfig, MFConfig
from engine.models.contract import ClosedForm, Path, chunks

BLOCK_CELLS = 4_000_000
"""Most cells of the vectors gathered at a time for the normal equations (16 MB of float32)."""
START = 0.1
"""Standard deviation of the item vectors before the first round."""


class MF(ClosedForm):
    """rating(u, i) = mean + b_u + b_i + p_u · q_i, the minimum of Σ error² + λ (Σ n_u (b_u² + ‖p_u‖²) + Σ n_i (b_i² + ‖q_i‖²)).

    With the items fixed, each user's (b_u, p_u) is one ridge regression of its ratings, and the other way round; n counts the
    ratings of the user or item. Biases are solved for together with the vectors: fitted before them and left alone, they
    cost accuracy. Users are solved for again from what is visible, so new users are scored like any other.
    """

    config: MFConfig

    def fit(self, train: sp.csr_array) -> None:
        """Draws the first item vectors from torch's generator, which a run seeds."""
        bias = Bias(BiasConfig(), *train.shape)
        bias.fit(train)
        start = START * torch.randn(self.n_items, self.config.rank)
        self.learned = {**bias.learned, "item_factors": start.numpy()}
        by_item = train.T.tocsr()
        for _ in range(self.config.rounds):
            users = torch.from_numpy(self.fold_in(train))
            items = solve(by_item, users[:, 1:], users[:, 0] + self.learned["mean"][0], self.config.regularisation).numpy()
            self.learned |= {"item_bias": items[:, 0].copy(), "item_factors": items[:, 1:].copy()}

    def fold_in(self, visible: sp.csr_array) -> np.ndarray:
        """(b_u, p_u) of each row's user from its visible ratings, float32 [rows × 1 + rank]; zeros for a row without any."""
        factors, offsets = torch.from_numpy(self.learned["item_factors"]), torch.from_numpy(self._offsets)
        return solve(visible, factors, offsets, self.config.regularisation).numpy()

    def item_factors(self, visible: sp.csr_array) -> np.ndarray:
        """q of each item, without its bias."""
        return self.learned["item_factors"]

    def score(self, visible: sp.csr_array, users: np.ndarray) -> np.ndarray:
        vectors = self.fold_in(visible[users])
        return self._offsets + vectors[:, :1] + vectors[:, 1:] @ self.learned["item_factors"].T

    def path(self, row: sp.csr_array, item: int, user: int | None) -> Path:
        """With the items fixed, a user's bias and vector are linear in what his ratings leave over the offsets, and so is the score."""
        known, asked = (np.insert(self.learned["item_factors"][some].astype(np.float64), 0, 1, axis=-1) for some in (row.indices, item))
        normal = known.T @ known + self.config.regularisation * row.nnz * np.eye(known.shape[1])
        weights = known @ np.linalg.solve(normal, asked) if row.nnz else np.zeros(0)
        offsets = self._offsets.astype(np.float64)
        steps = (row.data - offsets[row.indices]) * weights
        return Path(offsets[[item]], steps[:, None], "the title's own mean, which somebody without ratings gets")

    def rate(self, visible: sp.csr_array, targets: sp.csr_array) -> np.ndarray:
        asked = np.flatnonzero(np.diff(targets.indptr))
        vectors = self.fold_in(visible[asked])
        rows = np.repeat(np.arange(len(asked)), np.diff(targets.indptr)[asked])
        predicted = self._offsets[targets.indices] + vectors[rows, 0]
        for block in chunks(np.arange(targets.nnz), self.config.rank):
            factors = self.learned["item_factors"][targets.indices[block]]
            predicted[block] += np.einsum("ij,ij->i", vectors[rows[block], 1:], factors)
        return predicted

    @property
    def _offsets(self) -> np.ndarray:
        """mean + b_i, float32 [items]."""
        return self.learned["mean"] + self.learned["item_bias"]


def solve(ratings: sp.csr_array, factors: Tensor, offsets: Tensor, regularisation: float) -> Tensor:
    """(b, p) of every row, float32 [rows × 1 + rank]: the minimum of Σ (rating − offset − b − p · factor)² + λ n (b² + ‖p‖²).

    Args:
        ratings: CSR [rows × columns]; n is the number of a row's ratings, and a row without any gets zeros.
        factors, offsets: of the columns, float32 [columns × rank] and [columns].
    """
    features = torch.cat([torch.ones(len(factors), 1), factors], dim=1)
    found = torch.zeros(ratings.shape[0], features.shape[1])
    counts = np.diff(ratings.indptr)
    for rows in _alike(counts, features.shape[1]):
        own = torch.from_numpy(counts[rows])
        places = ratings.indptr[rows][:, None] + np.arange(counts[rows[0]])
        observed = torch.arange(places.shape[1]) < own[:, None]
        places[~observed.numpy()] = 0
        columns = torch.from_numpy(ratings.indices[places]).long()
        known = features[columns] * observed[..., None]
        rest = torch.from_numpy(ratings.data[places]).float() - offsets[columns]
        normal = known.mT @ known
        normal.diagonal(dim1=1, dim2=2).add_(regularisation * own[:, None])
        answers = torch.cholesky_solve(known.mT @ rest[..., None], torch.linalg.cholesky(normal))
        found[torch.from_numpy(rows)] = answers[..., 0]
    return found


def _alike(counts: np.ndarray, width: int) -> Iterator[np.ndarray]:
    """Rows in blocks of about as many ratings each, longest first, so that they can be padded to one length; empty rows left out."""
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    while len(order):
        size = max(1, BLOCK_CELLS // (counts[order[0]] * width))
        yield order[:size]
        order = order[size:]
