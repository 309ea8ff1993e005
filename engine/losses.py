"""Training objectives on tensors. Each says by what it divides, because learning rates and L2 depend on it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def squared_error_per_rating(errors: Tensor, rows: Tensor, n_rows: int) -> Tensor:
    """Masked MSE: squared errors of the observed entries, divided by their number."""
    return errors.square().mean()


def squared_error_per_row(errors: Tensor, rows: Tensor, n_rows: int) -> Tensor:
    """Mean over rows of each row's masked MSE, so that every user (or item) weighs the same."""
    counts = torch.bincount(rows, minlength=n_rows)
    return (errors.square() / counts[rows]).sum() / (counts > 0).sum()


def squared_error_sum(errors: Tensor, rows: Tensor, n_rows: int) -> Tensor:
    """Sum of squared errors over the observed entries of the batch (Sedhain et al. 2015, "AutoRec", equation 2)."""
    return errors.square().sum()


REDUCTIONS: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {
    "rating": squared_error_per_rating,
    "row": squared_error_per_row,
    "sum": squared_error_sum,
}
"""Name → loss of `errors` (output − rating, per observed entry), given the row of each entry and the number of rows."""
