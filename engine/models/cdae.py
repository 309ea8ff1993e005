"""CDAE: a denoising autoencoder with a node for each user.

Wu, DuBois, Zheng & Ester 2016, "Collaborative Denoising Auto-Encoders for Top-N Recommender Systems" (WSDM), section 3: sigmoid hidden
layer, logistic loss, negatives drawn from the items that a user did not choose.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.errors import InputError
from engine.models.configs import CDAEConfig
from engine.models.contract import Path, Scorer
from engine.models.network import ACTIVATIONS, Dense, as_exact, onward
from engine.models.ranking import RankingNetwork, WayIn, at_stored, linear, ones
from engine.models.sparse import SparseRows

STRANGER = "CDAE has a node for each user and knows only the users it was trained with: take mult-dae to score a new user."


class CDAE(RankingNetwork):
    """hidden = activation(x W + V_u + b); logits of having chosen each item = hidden W' + b'."""

    config: CDAEConfig

    def __init__(self, config: CDAEConfig, n_users: int, n_items: int) -> None:
        super().__init__(config, n_users, n_items)
        self.way_in = WayIn(n_items, config.hidden)
        self.users = nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_users, config.hidden)))
        self.output = linear(config.hidden, n_items)

    @property
    def scores_new_users(self) -> bool:
        return False

    @property
    def column_weights(self) -> list[Tensor]:
        return [self.way_in.weight, self.output.weight]

    def hidden(self, x: SparseRows) -> Tensor:
        """The hidden layer [rows × hidden]; in training, that share of the input is dropped and the rest grows by 1 / (1 − share)."""
        chosen = ones(x)
        entering = chosen.with_values(F.dropout(chosen.values, self.config.corruption, self.training))
        return ACTIVATIONS[self.config.activation](self.way_in(entering) + F.embedding(x.numbers, self.users))

    def forward(self, x: SparseRows) -> Tensor:
        return self.output(self.hidden(x)).float()

    def batch_loss(self, batch: SparseRows) -> Tensor:
        """Logistic loss, summed over a row's chosen items and its negatives (all other items, or drawn ones); mean over the rows."""
        logits = self(batch)
        positive = at_stored(logits, batch)
        if not self.config.negatives:
            return (F.softplus(logits).sum() - positive.sum()) / len(batch)
        cells, counted = drawn_negatives(batch, self.config.negatives)
        negative = counted * F.softplus(logits.flatten().index_select(0, cells))
        return (F.softplus(-positive).sum() + negative.sum()) / len(batch)

    def scorer(self, visible: sp.csr_array) -> Scorer:
        if visible.shape[0] != self.n_users:
            raise InputError(STRANGER)
        return super().scorer(visible)

    def score_as(self, rows: sp.csr_array, user: int | None) -> np.ndarray:
        if user is None:
            raise InputError(STRANGER)
        return super().score_as(rows, user)

    def path(self, row: sp.csr_array, item: int, user: int | None) -> Path:
        if user is None:
            raise InputError(STRANGER)
        way = onward([Dense(self.config.activation, self.output.weight, self.output.bias).only([item])])
        found = self.way_in.path(ones(self.rows_of(row, user)), way, "this person's node alone, with nothing chosen")
        return replace(found, start=found.start + as_exact(self.users[user]).numpy())


def drawn_negatives(batch: SparseRows, per_positive: int) -> tuple[Tensor, Tensor]:
    """So many items for each stored entry, drawn uniformly with repetition.

    Returns:
        Their cells in the flattened dense batch, row by row, and whether each counts: 1, or 0 where the draw hit a chosen item.
    """
    drawn = torch.randint(batch.n_columns, (len(batch.columns), per_positive), device=batch.columns.device)
    cells = (batch.rows.long()[:, None] * batch.n_columns + drawn).flatten()
    missed = torch.ones(len(batch) * batch.n_columns, device=cells.device).index_fill_(0, batch.cells, 0)
    return cells, missed.index_select(0, cells)
