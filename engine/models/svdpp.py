"""SVD++: matrix factorisation that also reads which items a user rated at all.

Koren 2008, "Factorization Meets the Neighborhood: a Multifaceted Collaborative Filtering Model", equation 15.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from engine.errors import InputError
from engine.models.configs import SVDPPConfig
from engine.models.contract import Path, Scorer
from engine.models.network import Network, as_exact
from engine.models.sparse import SparseRows, multiply, sampled_product

STRANGER = "SVD++ knows only the users it was trained with: train a user-based autoencoder to score a new user."


class SVDPP(Network):
    """rating(u, i) = mean + b_i + b_u + q_i · (p_u + |R(u)|^-½ Σ_j∈R(u) y_j), learned by gradient steps on rows of users."""

    config: SVDPPConfig
    mean: Tensor
    reads_values: ClassVar[bool] = False

    def __init__(self, config: SVDPPConfig, n_users: int, n_items: int) -> None:
        super().__init__(config, n_users, n_items)
        self.users, self.items, self.rated = (
            nn.Parameter(0.1 / config.rank**0.5 * torch.randn(count, config.rank)) for count in (n_users, n_items, n_items)
        )
        self.user_bias, self.item_bias = nn.Parameter(torch.zeros(n_users)), nn.Parameter(torch.zeros(n_items))
        self.register_buffer("mean", torch.zeros(()))

    @property
    def scores_new_users(self) -> bool:
        return False

    @property
    def weights(self) -> list[Tensor]:
        """Factors and biases: all of them are shrunk, as in the paper."""
        return [self.users, self.items, self.rated, self.user_bias, self.item_bias]

    @property
    def column_weights(self) -> list[Tensor]:
        return [self.items, self.rated]

    def start_from(self, ratings: sp.csr_array) -> None:
        self.mean.fill_(float(ratings.data.mean()))

    def default(self, x: SparseRows) -> None:
        """An item that is not rated adds nothing."""
        return

    def filled(self, x: SparseRows) -> SparseRows:
        """As it is: only which items are rated is read, and that is sparse."""
        return x

    def penalty(self, share: float) -> None:
        return

    def last_hidden(self, x: SparseRows | Tensor, users: SparseRows | None = None) -> Tensor:
        """Factors of each user and his bias [rows × rank + 1]. Values are not read, so of a dense x only the rows `users` are."""
        rows = x if isinstance(x, SparseRows) else users
        assert rows is not None
        each = rows.counts.clamp(min=1).rsqrt()[rows.rows.long()]
        factors = self.users.index_select(0, rows.numbers) + multiply(rows.with_values(each), self.rated)
        return torch.cat([factors, self.user_bias.index_select(0, rows.numbers)[:, None]], dim=1)

    @property
    def _outward(self) -> Tensor:
        return torch.cat([self.items, torch.ones_like(self.item_bias)[:, None]], dim=1)

    def product(self, hidden: Tensor) -> Tensor:
        return hidden @ self._outward.t()

    def outputs(self, product: Tensor) -> Tensor:
        return product + self.item_bias + self.mean

    def at_entries(self, hidden: Tensor, wanted: SparseRows, product: Tensor | None = None) -> Tensor:
        """Predicted ratings at the stored entries of `wanted` [entries]."""
        outward = self._outward
        bias = self.item_bias.index_select(0, wanted.columns)
        return sampled_product(wanted, hidden.to(outward.dtype), outward, product) + bias + self.mean

    def forward(self, x: SparseRows) -> Tensor:
        """Predicted ratings of every item [rows × items]."""
        return self.outputs(self.product(self.last_hidden(x)))

    def item_factors(self, visible: sp.csr_array) -> np.ndarray:
        """q of each item."""
        return self.items.detach().cpu().numpy()

    def score(self, visible: sp.csr_array, users: np.ndarray) -> np.ndarray:
        return self.scorer(visible)(users)

    def score_as(self, rows: sp.csr_array, user: int | None) -> np.ndarray:
        if user is None:
            raise InputError(STRANGER)
        return super().score_as(rows, user)

    def path(self, row: sp.csr_array, item: int, user: int | None) -> Path:
        if user is None:
            raise InputError(STRANGER)
        factors = as_exact(self.items[item])
        steps = as_exact(self.rated[row.indices]) @ factors / max(row.nnz, 1) ** 0.5
        start = self.mean + self.item_bias[item] + self.user_bias[user] + as_exact(self.users[user]) @ factors
        return Path(start.detach().cpu().numpy()[None], steps.numpy()[:, None], "this person's factors and biases alone")

    @torch.inference_mode()
    def scorer(self, visible: sp.csr_array) -> Scorer:
        self.eval()
        if visible.shape[0] != self.n_users:
            raise InputError(STRANGER)
        return self.score_rows(self, visible)
