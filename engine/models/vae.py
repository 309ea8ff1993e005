"""A variational autoencoder for ratings: squared error and an annealed KL term.

Kingma & Welling 2014, "Auto-Encoding Variational Bayes"; annealed as by Bowman et al. 2016, "Generating Sentences from a Continuous
Space", section 3.1.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.autoencoder import Autoencoder
from engine.models.configs import VAEConfig
from engine.models.mult_vae import kl_from_standard
from engine.models.network import ACTIVATIONS
from engine.models.ranking import sampled_code
from engine.models.sparse import SparseRows

NARROW = -2.0
"""Log variance of every code at the start of training: a standard deviation of 0.37 beside the prior's 1."""
WIDEST = 4.0
"""Log variances stay between minus this and this, standard deviations between 0.14 and 7.4."""


class VAE(Autoencoder):
    """As `Autoencoder`, but the code is linear, and drawn from a normal distribution in training.

    `passes` counts the losses computed, for the annealing; it is stored with the weights, so that a resumed training goes on.
    """

    config: VAEConfig
    passes: Tensor

    def __init__(self, config: VAEConfig, n_users: int, n_items: int, features: np.ndarray | None = None) -> None:
        super().__init__(config, n_users, n_items, features)
        *_, wide, code = config.layers
        # Ratings enter unscaled, so that random weights would put log variances anywhere, and a code drawn from their exponential
        # drowns all that is learned. Every code begins as narrow as this, whatever the row, and none gets wider than WIDEST: a row of a
        # thousand ratings would else have a variance beyond floats as soon as the weights are not 0.
        self.spread = nn.Parameter(torch.zeros(wide, code))
        self.spread_bias = nn.Parameter(torch.full((code,), WIDEST * math.atanh(NARROW / WIDEST)))
        self.register_buffer("passes", torch.zeros((), dtype=torch.int64))
        self.divergence = torch.zeros(())

    @property
    def code_activation(self) -> str:
        return "linear"

    @property
    def weights(self) -> list[Tensor]:
        return [*super().weights, self.spread]

    def encode(self, x: SparseRows | Tensor, users: SparseRows | None = None) -> Tensor:
        """Code of each row [rows × layers[-1]]: its mean, or in training a draw."""
        hidden = ACTIVATIONS[self.config.activation](self.encoder_sums(x, users, len(self.encoder) - 1))
        mean = torch.addmm(self.encoder_bias[-1], hidden, self.encoder[-1])
        if not self.training:
            return mean
        mean, log_variance = mean.float(), WIDEST * torch.tanh(torch.addmm(self.spread_bias, hidden, self.spread).float() / WIDEST)
        self.divergence = kl_from_standard(mean, log_variance).mean()
        return F.dropout(sampled_code(mean, log_variance, training=True), self.config.dropout)

    @property
    def beta(self) -> Tensor:
        """Weight of the KL term at the next pass, 0-d."""
        steps = self.config.anneal_steps
        return self.config.beta * ((self.passes / steps).clamp(max=1) if steps else torch.ones_like(self.passes))

    def penalty(self, share: float) -> Tensor:
        """β · KL of the last pass's codes from the standard normal distribution, mean over rows."""
        penalty = self.beta * self.divergence
        self.passes += 1
        return penalty
