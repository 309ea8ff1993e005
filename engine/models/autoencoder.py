"""The deep autoencoder for ratings.

Sedhain et al. 2015, "AutoRec: Autoencoders Meet Collaborative Filtering" (one hidden layer, user- or item-based);
Kuchaiev & Ginsburg 2017, "Training Deep AutoEncoders for Collaborative Filtering" (deep, tied, dropout on the code);
Strub, Mary & Gaudel 2016, "Hybrid Collaborative Filtering with Autoencoders" (features of users joined to the input).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.errors import InputError
from engine.models.configs import AutoencoderConfig
from engine.models.contract import Path, Scorer, chunks
from engine.models.network import ACTIVATIONS, Dense, Network, as_exact, onward
from engine.models.sparse import ResidentRows, SparseRows, multiply, sampled_product

PULL = 5.0


class Autoencoder(Network):
    """f(x) = decode(encode(x)), over rows of ratings; an unobserved rating enters as the default rating.

    `features` [users × features] are of the users of training; a new user enters without any.

    Weights are kept as [inputs × outputs] on the way in and [outputs × inputs] on the way out, so that the first and the last
    matrix both have one row per item (or user, if item-based): those rows are what a CSR batch picks.
    """

    config: AutoencoderConfig
    features: Tensor

    def __init__(self, config: AutoencoderConfig, n_users: int, n_items: int, features: np.ndarray | None = None) -> None:
        super().__init__(config, n_users, n_items)
        widths = [self.n_columns, *config.layers]
        self.encoder = nn.ParameterList([nn.Parameter(torch.empty(a, b)) for a, b in pairwise(widths)])
        self.encoder_bias = nn.ParameterList([nn.Parameter(torch.zeros(b)) for b in widths[1:]])
        self.decoder_bias = nn.ParameterList([nn.Parameter(torch.zeros(a)) for a in widths[-2::-1]])
        mirrored = [] if config.tied else [nn.Parameter(torch.empty_like(weight)) for weight in reversed(self.encoder)]
        self.decoder = nn.ParameterList(mirrored)
        for weight in [*self.encoder, *self.decoder]:
            nn.init.xavier_uniform_(weight)
        if features is not None:
            self.feature_weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(features.shape[1], widths[1])))
            self.register_buffer("features", torch.as_tensor(features, dtype=torch.float32), persistent=False)

    @property
    def n_columns(self) -> int:
        """Width of a row: items, or users if item-based."""
        return self.n_items if self.config.orientation == "user" else self.n_users

    @property
    def scores_new_users(self) -> bool:
        return self.config.orientation == "user"

    @property
    def code_activation(self) -> str:
        """Of the code, as `activation` is of the other hidden layers."""
        return self.config.activation

    @property
    def weights(self) -> list[Tensor]:
        """The matrices without biases: what L2 is taken of."""
        return [*self.encoder, *self.decoder, *([self.feature_weight] if self.config.user_features else [])]

    @property
    def moves_batch_columns_only(self) -> bool:
        return self.config.default == "zero"

    @property
    def column_weights(self) -> list[Tensor]:
        """The matrices with one row per column: the way in and, untied, the way out."""
        return [self.encoder[0], *self.decoder[-1:]]

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

    def default(self, x: SparseRows, kept: Tensor | None = None) -> Tensor | None:
        """Value of unobserved inputs of each row [rows]; None where it is 0 for all. `kept`: 1 for entries that it may go by, else 0."""
        if self.config.default == "zero":
            return None
        return x.means(kept) if self.config.default == "mean" else torch.full((len(x),), self.config.default_rating, device=x.values.device)

    def filled(self, x: SparseRows) -> Tensor:
        """The whole input, dense [rows × columns]."""
        default = self.default(x)
        return x.dense(x.values) if default is None else default[:, None] + x.dense(x.values - default[x.rows])

    def encode(self, x: SparseRows | Tensor, users: SparseRows | None = None) -> Tensor:
        """Code of each row [rows × layers[-1]], dropped out in training; `users` are the rows that a dense x stands for."""
        activate = ACTIVATIONS[self.config.activation]
        code = activate(self.encoder_sums(x, users, len(self.encoder)))
        return F.dropout(code, self.config.dropout, self.training)

    def encoder_sums(self, x: SparseRows | Tensor, users: SparseRows | None, depth: int) -> Tensor:
        """What enters the activation of the encoder layer of this number, 1 for the first [rows × layers[depth - 1]]."""
        activate = ACTIVATIONS[self.config.activation]
        sums = self._first_sums(x, self.encoder[0], self.encoder_bias[0], users)
        for weight, bias in list(zip(self.encoder, self.encoder_bias, strict=True))[1:depth]:
            hidden = activate(sums)
            if self.config.dropout_place == "every":
                hidden = F.dropout(hidden, self.config.dropout, self.training)
            sums = torch.addmm(bias, hidden, weight)
        return sums

    def _first_sums(self, x: SparseRows | Tensor, weight: Tensor, bias: Tensor, users: SparseRows | None) -> Tensor:
        sums = torch.addmm(bias, x, weight) if isinstance(x, Tensor) else multiply(x, weight, self.default(x)) + bias
        users = x if isinstance(x, SparseRows) else users
        if self.config.user_features and users is not None and users.of_rows == self.n_users:
            sums = sums + self.features[users.numbers] @ self.feature_weight
        return sums

    def last_hidden(self, x: SparseRows | Tensor, users: SparseRows | None = None) -> Tensor:
        """The layer before the output [rows × layers[0]]; `users` as in `encode`."""
        activate = ACTIVATIONS[self.config.activation]
        hidden = self.encode(x, users)
        for weight, bias in zip(self._outward[:-1], list(self.decoder_bias)[:-1], strict=True):
            hidden = activate(F.linear(hidden, weight, bias))
            if self.config.dropout_place == "every":
                hidden = F.dropout(hidden, self.config.dropout, self.training)
        return hidden

    @property
    def _outward(self) -> list[Tensor]:
        return list(self.decoder) if len(self.decoder) else list(reversed(self.encoder))

    def penalty(self, share: float) -> Tensor | None:
        """What the model itself adds to the loss of its last pass, on a batch that is this share of all rows."""
        return None

    def product(self, hidden: Tensor) -> Tensor:
        """The last hidden layer times the output matrix [rows × columns], before bias and activation."""
        return F.linear(hidden, self._outward[-1])

    def outputs(self, product: Tensor) -> Tensor:
        """f(x) for every column, from `product`."""
        return ACTIVATIONS[self.config.last_activation](product + self.decoder_bias[-1])

    def at_entries(self, hidden: Tensor, wanted: SparseRows, product: Tensor | None = None) -> Tensor:
        """f(x) at the stored entries of `wanted` alone [entries]; no other is computed, and none at all where `product` is known."""
        output = self._outward[-1]
        # index_select, not [...]: its gradient on a CPU adds up in a fixed order, so that a seed repeats to the last bit.
        bias = self.decoder_bias[-1].index_select(0, wanted.columns)
        return ACTIVATIONS[self.config.last_activation](sampled_product(wanted, hidden.to(output.dtype), output, product) + bias)

    def forward(self, x: SparseRows | Tensor) -> Tensor:
        """f(x) for every column, dense [rows × columns]."""
        return self.outputs(self.product(self.last_hidden(x)))

    def score(self, visible: sp.csr_array, users: np.ndarray) -> np.ndarray:
        if self.config.orientation == "item" or self.config.user_features:
            return self.scorer(visible)(users)
        return self.scorer(visible[users])(np.arange(len(users)))

    @torch.inference_mode()
    def scorer(self, visible: sp.csr_array) -> Scorer:
        self.eval()
        if self.config.orientation == "user":
            return self.score_rows(self, visible)
        self._refuse_new_users(visible)
        return self._score_columns(self._every_hidden(self.examples(visible)))

    def score_as(self, rows: sp.csr_array, user: int | None) -> np.ndarray:
        if self.config.orientation == "item":
            raise InputError(
                "An item-based network scores a title by everybody's ratings of it, and its weights know each user by the ratings of "
                "training: other ratings need a user-based model."
            )
        return super().score_as(rows, user)

    def path(self, row: sp.csr_array, item: int, user: int | None) -> Path:
        """Through the sums of the first layer, where every input enters linearly, a default rating too."""
        if self.config.orientation == "item":
            raise InputError(
                "An item-based network scores a title by everybody's ratings of that title. What this person rated otherwise has shaped "
                "its weights, but is no part of the score: ask a user-based model why."
            )
        x = self.rows_of(row, user)
        rated, values = as_exact(self.encoder[0][x.columns]), as_exact(x.values)[:, None]
        start, steps, base = as_exact(self.encoder_bias[0]), values * rated, "a person who has rated nothing"
        if self.config.default != "zero":
            whole = as_exact(self.encoder[0].detach().sum(dim=0, dtype=torch.float64))
            if self.config.default == "constant":
                start, steps = start + self.config.default_rating * whole, (values - self.config.default_rating) * rated
                base = f"{self.config.default_rating:g} everywhere, the default rating"
            else:
                steps = values * (rated + (whole - rated.sum(dim=0)) / len(rated))
        if self.config.user_features and user is not None:
            start, base = start + as_exact(self.features[user] @ self.feature_weight), "this person's features, and nothing rated"
        return Path(start.numpy(), steps.numpy(), base, onward(self._onward(item), self.config.last_activation))

    def _onward(self, item: int) -> list[Dense]:
        """The layers after the first one, with one output."""
        inward = [(weight.t(), bias) for weight, bias in zip(self.encoder, self.encoder_bias, strict=True)][1:]
        *layers, last = [Dense(self.config.activation, *one) for one in [*inward, *zip(self._outward, self.decoder_bias, strict=True)]]
        layers.append(last.only([item]))
        layers[len(inward)] = layers[len(inward)]._replace(activation=self.code_activation)
        return layers

    @torch.inference_mode()
    def item_factors(self, visible: sp.csr_array) -> np.ndarray:
        """The output matrix; item-based, where that has a row per user, each item's last hidden layer."""
        self.eval()
        if self.config.orientation == "user":
            return self._outward[-1].detach().cpu().numpy()
        self._refuse_new_users(visible)
        return self._every_hidden(self.examples(visible)).cpu().numpy()

    @torch.no_grad()
    def halves(self, visible: sp.csr_array) -> tuple[Tensor, Tensor, Tensor]:
        """Item-based: H [items × width], P [users × width] and b [users], so that a user's scores are last_activation(H P_u + b_u)."""
        self.eval()
        self._refuse_new_users(visible)
        hidden = self._every_hidden(self.examples(visible))
        return hidden.cpu(), self._outward[-1].detach().cpu(), self.decoder_bias[-1].detach().cpu()

    def _score_columns(self, hidden: Tensor) -> Scorer:
        """Item-based: each item's last hidden layer is computed once, for all users."""
        output, bias = self._outward[-1], self.decoder_bias[-1]

        @torch.inference_mode()
        def score(users: np.ndarray) -> np.ndarray:
            columns = self._positions(users)
            scores = F.linear(output[columns], hidden) + bias[columns, None]
            return ACTIVATIONS[self.config.last_activation](scores).cpu().numpy()

        return score

    def _every_hidden(self, inputs: sp.csr_array) -> Tensor:
        rows = ResidentRows(inputs, self.device)
        parts = chunks(np.arange(inputs.shape[0]), max(self.config.layers))
        return torch.cat([self.last_hidden(rows.take(part)) for part in parts])

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
        parts = chunks(asked, max(self.config.layers))
        blocks = [self.at_entries(self.last_hidden(seen.take(rows)), wanted.take(rows)) for rows in parts]
        return torch.cat(blocks).cpu().numpy() if blocks else np.empty(0, np.float32)

    def _positions(self, numbers: np.ndarray) -> Tensor:
        return torch.as_tensor(numbers, dtype=torch.int64, device=self.device)

    def _refuse_new_users(self, visible: sp.csr_array) -> None:
        if visible.shape[0] != self.n_users:
            raise InputError(
                "An item-based autoencoder knows only the users it was trained with: train a user-based one to score a new user."
            )
