"""Noise on the input of a rating autoencoder: what is learned is to put out the undisturbed ratings.

Vincent et al. 2010, "Stacked Denoising Autoencoders" (Gaussian and masking noise); Strub, Mary & Gaudel 2016, "Hybrid Collaborative
Filtering with Autoencoders", section 3.1 (masking of known ratings).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.models.sparse import SparseRows

if TYPE_CHECKING:
    from engine.config import NoiseConfig


def disturb(batch: SparseRows, noise: NoiseConfig, model: Any, seed: int) -> SparseRows | Tensor:
    """The batch as it enters the network: sparse, or dense [rows × columns] where unobserved entries are disturbed too.

    Args:
        model: knows the default rating of unobserved entries.
        seed: of noise that is drawn once; all other noise is drawn from torch's generator.
    """
    if noise.kind == "gaussian":
        return batch.with_values(batch.values + noise.level * torch.randn_like(batch.values))
    if noise.kind == "masking":
        kept = (torch.rand_like(batch.values) >= noise.level).to(batch.values.dtype)
        default = model.default(batch, kept)
        return batch.with_values(torch.where(kept > 0, batch.values, 0.0 if default is None else default[batch.rows]))
    if noise.kind == "dropout":
        if model.default(batch) is None:
            return batch.with_values(F.dropout(batch.values, noise.level))
        return F.dropout(model.filled(batch), noise.level)
    if noise.kind == "gaussian-once":
        return model.filled(batch) + noise.level * _drawn_once(batch, seed)
    return batch


def _drawn_once(batch: SparseRows, seed: int) -> Tensor:
    """Standard normal [rows × columns] that is the same for a row whenever it comes."""
    drawn = torch.empty(len(batch), batch.n_columns)
    for row, number in zip(drawn, batch.numbers.tolist(), strict=True):
        row.normal_(generator=torch.Generator().manual_seed(seed * batch.of_rows + number))
    return drawn.to(batch.values.device)
