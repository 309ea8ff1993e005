"""What the networks that rank have in common: their rows, their scores and the pieces that they are put together from.

They learn which items somebody chose, not what they were worth to him: of every row they read which entries are stored, and
ignore the values. (Binarise first where a low rating should not count as a choice.)
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from itertools import pairwise
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.configs import MultDAEConfig, WeightedBCEConfig
from engine.models.contract import Path, Scorer
from engine.models.network import ACTIVATIONS, Dense, Network, as_exact, onward
from engine.models.sparse import SparseRows, multiply


class RankingNetwork(Network):
    """Scores of every item from the items that a user chose; trained by a loss of its own on batches of users."""

    predicts_ratings: ClassVar[bool] = False
    reads_values: ClassVar[bool] = False

    @abstractmethod
    def forward(self, x: SparseRows) -> Tensor:
        """Scores of every item [rows × items]; in training with whatever the model draws at random."""

    @abstractmethod
    def batch_loss(self, batch: SparseRows) -> Tensor:
        """What a training step descends: the mean over the batch's rows, 0-d, float32."""

    @property
    def weights(self) -> list[Tensor]:
        """The matrices without biases: what L2 is taken of."""
        return matrices(self)

    @property
    @abstractmethod
    def column_weights(self) -> list[Tensor]:
        """The matrices with one row per item."""

    def item_factors(self, visible: sp.csr_array) -> np.ndarray:
        """The output matrix."""
        return self.column_weights[-1].detach().cpu().numpy()

    def start_from(self, ratings: sp.csr_array) -> None:
        """Nothing: as in their papers, the networks start from random weights alone."""

    def score(self, visible: sp.csr_array, users: np.ndarray) -> np.ndarray:
        if not self.scores_new_users:
            return self.scorer(visible)(users)
        return self.scorer(visible[users])(np.arange(len(users)))

    def scorer(self, visible: sp.csr_array) -> Scorer:
        self.eval()
        return self.score_rows(self, visible)


class WayIn(nn.Module):
    """x W + b over the stored entries of a batch; W [items × width] has one row per item."""

    def __init__(self, n_items: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(n_items, width)))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: SparseRows) -> Tensor:
        return multiply(x, self.weight) + self.bias

    def path(self, x: SparseRows, onward: Callable[[Tensor], Tensor], base: str = "a person who has chosen nothing") -> Path:
        """Of a batch of one row, through these sums."""
        steps = as_exact(x.values)[:, None] * as_exact(self.weight[x.columns])
        return Path(as_exact(self.bias).numpy(), steps.numpy(), base, onward)


class WayOut(nn.Module):
    """Dense layers from each width to the next, each on activated sums: from the sums of one layer to those of the last, float32."""

    def __init__(self, activation: str, *widths: int) -> None:
        super().__init__()
        self.activation = activation
        self.layers = nn.ModuleList(linear(a, b) for a, b in pairwise(widths))

    def forward(self, sums: Tensor) -> Tensor:
        for layer in self.layers:
            sums = layer(ACTIVATIONS[self.activation](sums))
        return sums.float()

    def dense(self, outputs: list[int] | slice) -> list[Dense]:
        """The layers, with these outputs of the last one."""
        *layers, last = [Dense(self.activation, *layer.parameters()) for layer in self.layers]
        return [*layers, last.only(outputs)]


class MirroredNetwork(RankingNetwork):
    """x → layers → the same layers backwards → a score for every item, with an activation after each hidden layer."""

    config: WeightedBCEConfig | MultDAEConfig

    def __init__(self, config: WeightedBCEConfig | MultDAEConfig, n_users: int, n_items: int) -> None:
        super().__init__(config, n_users, n_items)
        self.way_in = WayIn(n_items, config.layers[0])
        self.way_out = WayOut(config.activation, *config.layers, *config.layers[-2::-1], n_items)

    @abstractmethod
    def entering(self, x: SparseRows) -> SparseRows:
        """The rows as the first layer gets them."""

    def forward(self, x: SparseRows) -> Tensor:
        return self.way_out(self.way_in(self.entering(x)))

    def path(self, row: sp.csr_array, item: int, user: int | None) -> Path:
        self.eval()
        return self.way_in.path(self.entering(self.rows_of(row, user)), onward(self.way_out.dense([item])))

    @property
    def column_weights(self) -> list[Tensor]:
        return [self.way_in.weight, matrices(self.way_out)[-1]]


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A dense layer with Xavier's weights [outputs × inputs], like the first one, and biases of 0."""
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def matrices(module: nn.Module) -> list[Tensor]:
    """Its weights without biases and scales, in the order of their layers."""
    return [weight for weight in module.parameters() if weight.ndim == 2]


def ones(x: SparseRows) -> SparseRows:
    """Every stored entry as 1."""
    return x.with_values(torch.ones_like(x.values))


def unit_rows(x: SparseRows, dropout: float = 0.0, training: bool = False) -> SparseRows:
    """Rows of ones at Euclidean length 1; in training, that share of the entries is dropped and the others grow accordingly."""
    lengths = x.counts.clamp(min=1).sqrt().index_select(0, x.rows)
    return x.with_values(F.dropout(1 / lengths, dropout, training))


def at_stored(outputs: Tensor, x: SparseRows) -> Tensor:
    """Outputs [rows × items] at the stored entries of `x` alone [entries]."""
    return outputs.flatten().index_select(0, x.cells)


def multinomial_loss(logits: Tensor, x: SparseRows) -> Tensor:
    """−Σ over the stored entries of log softmax(logits), mean over the rows, 0-d (Liang et al. 2018, equation 2)."""
    return -at_stored(F.log_softmax(logits, dim=1), x).sum() / len(x)


def sampled_code(mean: Tensor, log_variance: Tensor, training: bool) -> Tensor:
    """A draw from the normal distributions of the code in training, their mean otherwise."""
    return mean + torch.randn_like(mean) * (log_variance / 2).exp() if training else mean
