"""Mult-VAE: a variational autoencoder with a multinomial likelihood, whose KL term is annealed and held back.

Liang, Krishnan, Hoffman & Jebara 2018, "Variational Autoencoders for Collaborative Filtering", sections 2.1 to 2.3.
"""

from __future__ import annotations

import scipy.sparse as sp
import torch
from torch import Tensor

from engine.models.configs import MultVAEConfig
from engine.models.contract import Path
from engine.models.network import Dense, onward
from engine.models.ranking import RankingNetwork, WayIn, WayOut, linear, matrices, multinomial_loss, sampled_code, unit_rows
from engine.models.sparse import SparseRows


class MultVAE(RankingNetwork):
    """Logits of the next choice, from a normal distribution of the code: its mean when scoring, a draw in training.

    `passes` counts the batches learned from, for the annealing; it is stored with the weights, so that a resumed training goes on.
    """

    config: MultVAEConfig
    passes: Tensor

    def __init__(self, config: MultVAEConfig, n_users: int, n_items: int) -> None:
        super().__init__(config, n_users, n_items)
        *hidden, latent = config.layers
        self.way_in = WayIn(n_items, hidden[0])
        self.encoder = WayOut(config.activation, *hidden, 2 * latent)
        self.code_out = linear(latent, hidden[-1])
        self.decoder = WayOut(config.activation, *reversed(hidden), n_items)
        self.register_buffer("passes", torch.zeros((), dtype=torch.int64))

    @property
    def column_weights(self) -> list[Tensor]:
        return [self.way_in.weight, matrices(self.decoder)[-1]]

    @property
    def beta(self) -> Tensor:
        """Weight of the KL term at the next batch, 0-d: it grows in a straight line and stays at the configured one."""
        steps = self.config.anneal_steps
        return self.config.beta * ((self.passes / steps).clamp(max=1) if steps else torch.ones_like(self.passes))

    def encode(self, x: SparseRows) -> tuple[Tensor, Tensor]:
        """Mean and log variance of each row's code, both [rows × layers[-1]]."""
        entering = unit_rows(x, self.config.dropout, self.training)
        mean, log_variance = self.encoder(self.way_in(entering)).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, code: Tensor) -> Tensor:
        return self.decoder(self.code_out(code))

    def path(self, row: sp.csr_array, item: int, user: int | None) -> Path:
        mean = self.encoder.dense(slice(self.config.layers[-1]))
        way = [*mean, Dense("linear", self.code_out.weight, self.code_out.bias), *self.decoder.dense([item])]
        return self.way_in.path(unit_rows(self.rows_of(row, user)), onward(way))

    def forward(self, x: SparseRows) -> Tensor:
        return self.decode(sampled_code(*self.encode(x), self.training))

    def batch_loss(self, batch: SparseRows) -> Tensor:
        """Negative log-likelihood of all entries + β · KL. Counts as a pass in training."""
        mean, log_variance = self.encode(batch)
        logits = self.decode(sampled_code(mean, log_variance, self.training))
        loss = multinomial_loss(logits, batch) + self.beta * kl_from_standard(mean, log_variance).mean()
        if self.training:
            self.passes += 1
        return loss


def kl_from_standard(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence of normal distributions from the standard one, summed over units [rows] (Kingma & Welling 2014, appendix B)."""
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1) / 2
