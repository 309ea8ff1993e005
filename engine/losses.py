"""What the squared errors of a batch are divided by. It matters: learning rates and L2 depend on it.

Every objective here is Σ over rows r of w_r · Σ over the row's counted entries of (output − rating)². The functions give w.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def per_rating(counts: Tensor) -> Tensor:
    """Masked MSE: squared errors of the counted entries, divided by their number."""
    return 1 / counts.sum().clamp(min=1)


def per_row(counts: Tensor) -> Tensor:
    """Mean over rows of each row's masked MSE, so that every user (or item) weighs the same."""
    # One division after the other: the counts are int32, and their product with the number of rows is more than that holds.
    return 1 / counts.clamp(min=1) / (counts > 0).sum()


def in_sum(counts: Tensor) -> Tensor:
    """Sum of squared errors over the counted entries of the batch (Sedhain et al. 2015, "AutoRec", equation 2)."""
    return torch.ones((), device=counts.device)


REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {"rating": per_rating, "row": per_row, "sum": in_sum}
"""Name → weights of squared errors, one per row or one for all (0-d), given how many entries of each row count."""


def squared_error(outputs: Tensor, ratings: Tensor, weights: Tensor, rows: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The objective, and the plain mean of the squared errors without gradient; both 0-d.

    Args:
        outputs, ratings: of observed entries [entries], or of every entry [rows × columns].
        weights: as a reduction gave them.
        rows: row of each observed entry; None where every entry counts.
    """
    if weights.ndim == 0:
        total = F.mse_loss(outputs, ratings, reduction="sum")
        return weights * total, total.detach() / max(1, outputs.numel())
    squares = (outputs - ratings).square()
    loss = (weights[rows] * squares).sum() if rows is not None else (weights * squares.sum(dim=1)).sum()
    return loss, squares.detach().mean()
