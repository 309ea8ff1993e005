"""Mult-DAE: a denoising autoencoder with a multinomial likelihood.

Liang, Krishnan, Hoffman & Jebara 2018, "Variational Autoencoders for Collaborative Filtering", section 2.4. The paper's weight decay
is `training.l2`.
"""

from __future__ import annotations

from torch import Tensor

from engine.models.configs import MultDAEConfig
from engine.models.ranking import MirroredNetwork, multinomial_loss, unit_rows
from engine.models.sparse import SparseRows


class MultDAE(MirroredNetwork):
    """Logits of the next choice, from rows of length 1 with entries dropped out in training."""

    config: MultDAEConfig

    def entering(self, x: SparseRows) -> SparseRows:
        return unit_rows(x, self.config.dropout, self.training)

    def batch_loss(self, batch: SparseRows) -> Tensor:
        """Negative log-likelihood of all entries, the dropped ones too."""
        return multinomial_loss(self(batch), batch)
