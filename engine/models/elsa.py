"""ELSA: a linear autoencoder x → x (A Aᵀ − I) whose diagonal is zero because every item's vector has length 1.

Vančura, Alves, Kasalický & Kordík 2022, "Scalable Linear Shallow Autoencoder for Collaborative Filtering" (RecSys).
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.configs import ELSAConfig
from engine.models.contract import Path
from engine.models.network import as_exact
from engine.models.ranking import RankingNetwork, at_stored, ones
from engine.models.sparse import SparseRows, multiply

TINY = 1e-12


class ELSA(RankingNetwork):
    """One vector per item: an item's score is the sum of its likeness to those chosen."""

    config: ELSAConfig

    def __init__(self, config: ELSAConfig, n_users: int, n_items: int) -> None:
        super().__init__(config, n_users, n_items)
        self.vectors = nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_items, config.latent)))

    @property
    def column_weights(self) -> list[Tensor]:
        return [self.vectors]

    @property
    def directions(self) -> Tensor:
        """A [items × latent]: the vectors at length 1."""
        return F.normalize(self.vectors, dim=1)

    def forward(self, x: SparseRows) -> Tensor:
        chosen, directions = ones(x), self.directions
        return F.linear(multiply(chosen, directions), directions).float() - chosen.dense(chosen.values)

    def path(self, row: sp.csr_array, item: int, user: int | None) -> Path:
        chosen, asked = (F.normalize(as_exact(self.vectors[some]), dim=-1) for some in (row.indices, item))
        steps = (chosen @ asked).numpy() - (row.indices == item)
        return Path(np.zeros(1), steps[:, None], "0, which everything scores without choices")

    def item_factors(self, visible: sp.csr_array) -> np.ndarray:
        """The vectors at length 1."""
        return self.directions.detach().cpu().numpy()

    def batch_loss(self, batch: SparseRows) -> Tensor:
        """‖x̂ / ‖x̂‖ − x / ‖x‖‖² of each row (the paper's equation 7), which is 2 − 2 · cos(x̂, x); mean over the rows."""
        outputs = self(batch)
        lengths = torch.linalg.vector_norm(outputs, dim=1).clamp(min=TINY) * batch.counts.clamp(min=1).sqrt()
        return 2 - 2 * (at_stored(outputs, batch) / lengths.index_select(0, batch.rows)).sum() / len(batch)
