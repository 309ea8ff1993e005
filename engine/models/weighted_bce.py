"""The autoencoder of the implicit-feedback system: every entry counts, and an item's positives weigh the more the rarer it is.

It goes by the name of CDAE there, after Wu et al. 2016, "Collaborative Denoising Auto-Encoders for Top-N Recommender Systems", but has
neither that paper's user node nor its corruption of the input (`cdae.py` has both).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.models.configs import WeightedBCEConfig
from engine.models.ranking import MirroredNetwork, at_stored, ones
from engine.models.sparse import SparseRows


class WeightedBCE(MirroredNetwork):
    """Logits of having chosen each item."""

    config: WeightedBCEConfig

    def entering(self, x: SparseRows) -> SparseRows:
        return ones(x)

    def batch_loss(self, batch: SparseRows) -> Tensor:
        """Binary cross-entropy, the mean over every entry: −p · log σ(z) where stored, −log σ(−z) elsewhere."""
        logits = self(batch)
        positive = at_stored(logits, batch)
        stored = positive_weights(batch) * F.softplus(-positive) - F.softplus(positive)
        return (F.softplus(logits).sum() + stored.sum()) / logits.numel()


def positive_weights(batch: SparseRows) -> Tensor:
    """p = rows of the batch / rows of the batch that hold the item, for each stored entry [entries]; an absent item needs none."""
    # bincount would make a GPU wait for the largest column.
    holders = torch.zeros(batch.n_columns, device=batch.values.device)
    holders.index_add_(0, batch.columns, torch.ones_like(batch.values))
    return len(batch) / holders.index_select(0, batch.columns)
