"""The deep autoencoder for ratings.

Sedhain et al. 2015, "AutoRec: Autoencoders Meet Collaborative Filtering" (one hidden layer, user- or item-based);
Kuchaiev & Ginsburg 2017, "Training Deep AutoEncoders for Collaborative Filtering" (deep, tied, dropout on the code).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.errors import InputError
from engine.models.configs import AutoencoderConfig
from engine.models.contract import Recommender, chunks
from engine.models.sparse import ResidentRows, SparseRows, multiply, sampled_product

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "selu": F.selu,
    "elu": F.elu,
    "relu": F.relu,
    "relu6": F.relu6,
    "lrelu": F.leaky_relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "swish": F.silu,
    "linear": lambda x: x,
}
PULL = 5.0


class Autoencoder(nn.Module, Recommender):
    """f(x) = decode(encode(x)), over rows of ratings; an unobserved rating enters as 0.

    Weights are kept as [inputs × outputs] on the way in and [outputs × inputs] on the way out, so that the first and the last
    matrix both have one row per item (or user, if item-based): those rows are what a CSR batch picks.
    """

    trains = True
    config: AutoencoderConfig

    def __init__(self, config: AutoencoderConfig, n_users: int, n_items: int) -> None:
        nn.Module.__init__(self)
        Recommender.__init__(self, config, n_users, n_items)
        widths = [self.n_columns, *config.layers]
        self.encoder = nn.ParameterList([nn.Parameter(torch.empty(a, b)) for a, b in pairwise(widths)])
        self.encoder_bias = nn.ParameterList([nn.Parameter(torch.zeros(b)) for b in widths[1:]])
        self.decoder_bias = nn.ParameterList([nn.Parameter(torch.zeros(a)) for a in widths[-2::-1]])
        mirrored = [] if config.tied else [nn.Parameter(torch.empty_like(weight)) for weight in reversed(self.encoder)]
        self.decoder = nn.ParameterList(mirrored)
        for weight in [*self.encoder, *self.decoder]:
            nn.init.xavier_uniform_(weight)

    @property
    def n_columns(self) -> int:
        """Width of a row: items, or users if item-based."""
        return self.n_items if self.config.orientation == "user" else self.n_users

    @property
    def scores_new_users(self) -> bool:
        return self.config.orientation == "user"

    @property
    def device(self) -> torch.device:
        return self.encoder[0].device

    @property
    def weights(self) -> list[Tensor]:
        """The matrices without biases: what L2 is taken of."""
        return [*self.encoder, *self.decoder]

    def examples(self, ratings: sp.csr_array) -> sp.csr_array:
        """Rows to learn from: users × items as it is, or its transpose if item-based."""
        return ratings if self.config.orientation == "user" else ratings.T.tocsr()

    def start_from(self, ratings: sp.csr_array) -> None:
        """Sets the output biases to the columns' mean ratings, each pulled towards the global mean by PULL ratings' worth.

        Otherwise Adam needs hundreds of steps to carry a bias from 0 to 3.5, and L2 taxes the weights that stand in for it.
        Left at 0 under activations that cannot put out a rating.
        """
        if self.config.output_start == "zero" or self.config.last_activation in ("sigmoid", "tanh"):
            return
        rows = self.examples(ratings)
        sums = np.bincount(rows.indices, weights=rows.data, minlength=self.n_columns)
        counts = np.bincount(rows.indices, minlength=self.n_columns)
        means = (sums + PULL * rows.data.mean()) / (counts + PULL)
        with torch.no_grad():
            self.decoder_bias[-1].copy_(torch.as_tensor(means))

    def encode(self, x: SparseRows | Tensor) -> Tensor:
        """Code of each row [rows × layers[-1]], dropped out in training."""
        activate = ACTIVATIONS[self.config.activation]
        first = self.encoder[0]
        sums = multiply(x, first) if isinstance(x, SparseRows) else x @ first
        for weight, bias in zip([*self.encoder[1:], None], self.encoder_bias, strict=True):
            code = activate(sums + bias)
            if self.config.dropout_place == "every" or weight is None:
                code = F.dropout(code, self.config.dropout, self.training)
            sums = code if weight is None else code @ weight
        return sums

    def _hidden(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Last hidden layer, and the output matrix [columns × width] that comes after it."""
        activate = ACTIVATIONS[self.config.activation]
        matrices = list(self.decoder) if len(self.decoder) else list(reversed(self.encoder))
        for weight, bias in zip(matrices[:-1], list(self.decoder_bias)[:-1], strict=True):
            code = activate(code @ weight.t() + bias)
            if self.config.dropout_place == "every":
                code = F.dropout(code, self.config.dropout, self.training)
        return code, matrices[-1]

    def forward(self, x: SparseRows | Tensor) -> Tensor:
        """f(x) for every column, dense [rows × columns]."""
        hidden, output = self._hidden(self.encode(x))
        return ACTIVATIONS[self.config.last_activation](hidden @ output.t() + self.decoder_bias[-1])

    def at_observed(self, x: SparseRows, wanted: SparseRows | None = None) -> Tensor:
        """f(x) at the stored entries of `wanted` (default: of x itself) [entries]; no other output is computed."""
        wanted = x if wanted is None else wanted
        hidden, output = self._hidden(self.encode(x))
        # index_select, not [...]: its gradient on a CPU adds up in a fixed order, so that a seed repeats to the last bit.
        sums = sampled_product(wanted, hidden, output) + self.decoder_bias[-1].index_select(0, wanted.columns)
        return ACTIVATIONS[self.config.last_activation](sums)

    @torch.inference_mode()
    def score(self, visible: sp.csr_array, users: np.ndarray) -> np.ndarray:
        self.eval()
        if self.config.orientation == "user":
            everyone = ResidentRows(visible[users], self.device)
            blocks = [self(everyone.take(self._positions(part))) for part in chunks(np.arange(len(users)), self.n_items)]
            return torch.cat(blocks).cpu().numpy() if blocks else np.empty((0, self.n_items), np.float32)
        self._refuse_new_users(visible)
        items = ResidentRows(self.examples(visible), self.device)
        columns = self._positions(users)
        blocks = []
        for part in chunks(np.arange(self.n_items), max(len(users), self.config.layers[-1])):
            hidden, output = self._hidden(self.encode(items.take(self._positions(part))))
            blocks.append(ACTIVATIONS[self.config.last_activation](hidden @ output[columns].t() + self.decoder_bias[-1][columns]))
        return torch.cat(blocks).t().contiguous().cpu().numpy()

    @torch.inference_mode()
    def rate(self, visible: sp.csr_array, targets: sp.csr_array) -> np.ndarray:
        self.eval()
        if self.config.orientation == "item":
            self._refuse_new_users(visible)
            positions = sp.csr_array((np.arange(1, targets.nnz + 1), targets.indices, targets.indptr), shape=targets.shape).T.tocsr()
            predicted = np.empty(targets.nnz, np.float32)
            predicted[positions.data - 1] = self._rate_rows(self.examples(visible), positions)
            return predicted
        return self._rate_rows(visible, targets)

    def _rate_rows(self, inputs: sp.csr_array, targets: sp.csr_array) -> np.ndarray:
        seen, wanted = ResidentRows(inputs, self.device), ResidentRows(targets, self.device)
        asked = np.flatnonzero(np.diff(targets.indptr))
        width = max(self.config.layers)
        blocks = [self.at_observed(seen.take(rows), wanted.take(rows)) for rows in map(self._positions, chunks(asked, width))]
        return torch.cat(blocks).cpu().numpy() if blocks else np.empty(0, np.float32)

    def _positions(self, numbers: np.ndarray) -> Tensor:
        return torch.as_tensor(numbers, dtype=torch.int64, device=self.device)

    def _refuse_new_users(self, visible: sp.csr_array) -> None:
        if visible.shape[0] != self.n_users:
            raise InputError(
                "An item-based autoencoder knows only the users it was trained with: train a user-based one to score a new user."
            )

    def tensors(self) -> dict[str, Any]:
        return {name: value.detach().cpu() for name, value in self.state_dict().items()}

    def restore(self, tensors: dict[str, Any]) -> None:
        self.load_state_dict(tensors)
