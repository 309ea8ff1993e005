"""RecVAE: Mult-VAE with a deeper encoder, a prior that remembers the last one, and encoder and decoder trained in turns.

Shenbin, Alekseev, Tutubalina, Malykh & Nikolenko 2020, "RecVAE: A New Variational Autoencoder for Top-N Recommendations with Implicit
Feedback" (WSDM), section 3; the mixture's shares and LayerNorm's ε are those of the authors' code.
"""

from __future__ import annotations

import math

import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.chords import chord, chord_product
from engine.models.configs import RecVAEConfig
from engine.models.contract import Path
from engine.models.network import as_exact
from engine.models.ranking import RankingNetwork, WayIn, linear, matrices, multinomial_loss, sampled_code, unit_rows
from engine.models.sparse import SparseRows

DEPTH = 5
NORM_EPSILON = 0.1
STANDARD, REMEMBERED, WIDE = 3 / 20, 3 / 4, 1 / 10
"""Shares of the prior's three parts: the standard normal, the encoder as it was, and N(0, e^WIDE_LOG_VARIANCE)."""
WIDE_LOG_VARIANCE = 10.0


class Encoder(nn.Module):
    """Mean and log variance of each row's code, through five layers that each add up all before them."""

    def __init__(self, n_items: int, hidden: int, latent: int) -> None:
        super().__init__()
        self.way_in = WayIn(n_items, hidden)
        self.layers = nn.ModuleList(linear(hidden, hidden) for _ in range(DEPTH - 1))
        self.norms = nn.ModuleList(nn.LayerNorm(hidden, eps=NORM_EPSILON) for _ in range(DEPTH))
        self.code = linear(hidden, 2 * latent)

    def forward(self, x: SparseRows) -> tuple[Tensor, Tensor]:
        outputs = self.norms[0](F.silu(self.way_in(x)))
        total = outputs
        for layer, norm in zip(self.layers, list(self.norms)[1:], strict=True):
            outputs = norm(F.silu((layer(outputs) + total).float()))
            total = total + outputs
        mean, log_variance = self.code(outputs).float().chunk(2, dim=1)
        return mean, log_variance

    def onward(self, points: Tensor) -> Tensor:
        """From sums of the first layer to the outputs of the last one before the code, by chords in float64 [points × hidden]."""
        outputs = _normed(self.norms[0], points)
        total = outputs
        for layer, norm in zip(self.layers, list(self.norms)[1:], strict=True):
            outputs = _normed(norm, F.linear(outputs, *map(as_exact, layer.parameters())) + total)
            total = total + outputs
        return outputs


def _normed(norm: nn.Module, points: Tensor) -> Tensor:
    """norm(silu(points)), by chords."""
    active = chord(F.silu, points)
    centred = active - active.mean(dim=1, keepdim=True)
    scale = chord(torch.rsqrt, chord(torch.square, centred).mean(dim=1, keepdim=True) + NORM_EPSILON)
    weight, bias = map(as_exact, norm.parameters())
    return chord_product(centred, scale) * weight + bias


class RecVAE(RankingNetwork):
    """Logits of the next choice, by one linear layer from the code.

    Epochs go in cycles: some teach the encoder, its input dropped out; then the prior remembers that encoder; then some teach the
    decoder, on whole inputs. The remembered encoder is stored with the weights.
    """

    config: RecVAEConfig

    def __init__(self, config: RecVAEConfig, n_users: int, n_items: int) -> None:
        super().__init__(config, n_users, n_items)
        self.encoder = Encoder(n_items, config.hidden, config.latent)
        self.remembered = Encoder(n_items, config.hidden, config.latent).requires_grad_(False)
        self.decoder = linear(config.latent, n_items)
        self.teaches_encoder = True

    @property
    def weights(self) -> list[Tensor]:
        return [*matrices(self.encoder), self.decoder.weight]

    @property
    def column_weights(self) -> list[Tensor]:
        return [self.encoder.way_in.weight, self.decoder.weight]

    def begin_epoch(self, epoch: int) -> None:
        self.teaches_encoder = self._place(epoch) < self.config.encoder_epochs
        self.encoder.requires_grad_(self.teaches_encoder)
        self.decoder.requires_grad_(not self.teaches_encoder)

    def end_epoch(self, epoch: int) -> None:
        if self._place(epoch) == self.config.encoder_epochs - 1:
            self.remembered.load_state_dict(self.encoder.state_dict())

    def _place(self, epoch: int) -> int:
        return epoch % (self.config.encoder_epochs + self.config.decoder_epochs)

    def encode(self, x: SparseRows) -> tuple[Tensor, Tensor]:
        """Mean and log variance of each row's code, both [rows × latent]."""
        return self.encoder(unit_rows(x, self.config.dropout, self.training and self.teaches_encoder))

    def path(self, row: sp.csr_array, item: int, user: int | None) -> Path:
        # Code and output follow each other without an activation, so that they are one layer, for this item of one output.
        mean, weight = (as_exact(part) for part in (self.encoder.code.weight[: self.config.latent], self.decoder.weight[item]))
        bias = as_exact(self.encoder.code.bias[: self.config.latent]) @ weight + as_exact(self.decoder.bias[item])
        entering = unit_rows(self.rows_of(row, user))
        return self.encoder.way_in.path(entering, lambda points: self.encoder.onward(points) @ (weight @ mean) + bias)

    def forward(self, x: SparseRows) -> Tensor:
        return self.decoder(sampled_code(*self.encode(x), self.training)).float()

    def batch_loss(self, batch: SparseRows) -> Tensor:
        """Negative log-likelihood of all entries + γ · entries of the row · (log q(code) − log prior(code)), at one drawn code."""
        mean, log_variance = self.encode(batch)
        code = sampled_code(mean, log_variance, self.training)
        excess = (log_normal(code, mean, log_variance) - self.log_prior(code, batch)).sum(dim=1)
        return multinomial_loss(self.decoder(code).float(), batch) + (self.config.gamma * batch.counts * excess).mean()

    def log_prior(self, code: Tensor, x: SparseRows) -> Tensor:
        """Log density of the mixture, for each unit of the code [rows × latent]."""
        parts = [
            log_normal(code, code.new_zeros(()), code.new_zeros(())) + math.log(STANDARD),
            log_normal(code, *self.remembered(unit_rows(x))) + math.log(REMEMBERED),
            log_normal(code, code.new_zeros(()), code.new_full((), WIDE_LOG_VARIANCE)) + math.log(WIDE),
        ]
        return torch.stack(parts).logsumexp(dim=0)


def log_normal(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Log density of a normal distribution, elementwise."""
    return -(math.log(2 * math.pi) + log_variance + (x - mean).square() * (-log_variance).exp()) / 2
