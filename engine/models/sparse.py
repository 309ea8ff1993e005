"""Products of a CSR batch with dense weights, forward and backward, that touch observed entries only.

PyTorch has the forward kernels; its backward of both goes through a transposed view that takes ten times as long as a
transpose made once per batch, hence the two small autograd functions.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

with warnings.catch_warnings():
    # PyTorch announces once per process that its CSR support is in beta; everything used here is tested against dense products.
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor([0, 1], [0], [1.0], (1, 1), check_invariants=False)


@dataclass
class SparseRows:
    """A batch of rows as CSR tensors on one device: `crow` [rows + 1], `columns` and `values` [entries]."""

    crow: Tensor
    columns: Tensor
    values: Tensor
    n_columns: int

    def __len__(self) -> int:
        return len(self.crow) - 1

    @cached_property
    def rows(self) -> Tensor:
        """Row of each entry."""
        return torch.arange(len(self), device=self.crow.device).repeat_interleave(self.crow.diff())

    @cached_property
    def by_column(self) -> tuple[Tensor, Tensor]:
        """Order of the entries by column, and the row pointers of the transposed matrix."""
        order = torch.argsort(self.columns, stable=True)
        counts = torch.bincount(self.columns, minlength=self.n_columns)
        return order, torch.nn.functional.pad(counts.cumsum(0), (1, 0))

    def matrix(self, values: Tensor) -> Tensor:
        """This pattern with other values, as a torch CSR tensor."""
        return torch.sparse_csr_tensor(self.crow, self.columns, values, (len(self), self.n_columns), check_invariants=False)

    def transposed(self, values: Tensor) -> Tensor:
        """The transposed pattern with these values (given in this batch's order)."""
        order, crow = self.by_column
        size = (self.n_columns, len(self))
        return torch.sparse_csr_tensor(crow, self.rows[order], values[order], size, check_invariants=False)


class ResidentRows:
    """A whole CSR matrix on a device, from which batches of rows are taken without a copy to the host."""

    def __init__(self, matrix: sp.csr_array, device: torch.device) -> None:
        self.crow = torch.as_tensor(matrix.indptr.astype(np.int64), device=device)
        self.columns = torch.as_tensor(matrix.indices.astype(np.int64), device=device)
        self.values = torch.as_tensor(matrix.data.astype(np.float32), device=device)
        self.n_columns = matrix.shape[1]

    def take(self, rows: Tensor) -> SparseRows:
        """The rows at these positions, in this order."""
        starts, counts = self.crow[rows], self.crow[rows + 1] - self.crow[rows]
        crow = torch.nn.functional.pad(counts.cumsum(0), (1, 0))
        entries = torch.arange(int(crow[-1]), device=crow.device) + (starts - crow[:-1]).repeat_interleave(counts)
        return SparseRows(crow, self.columns[entries], self.values[entries], self.n_columns)


class _Multiply(torch.autograd.Function):
    @staticmethod
    def forward(ctx, batch: SparseRows, weight: Tensor) -> Tensor:
        ctx.batch = batch
        return batch.matrix(batch.values.to(weight.dtype)) @ weight

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return None, ctx.batch.transposed(ctx.batch.values.to(gradient.dtype)) @ gradient.contiguous()


class _Sampled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, batch: SparseRows, left: Tensor, right: Tensor) -> Tensor:
        ctx.batch = batch
        ctx.save_for_backward(left, right)
        pattern = batch.matrix(torch.zeros_like(batch.values, dtype=left.dtype))
        return torch.sparse.sampled_addmm(pattern, left, right.t(), beta=0.0).values()

    @staticmethod
    def backward(ctx, gradient: Tensor):
        left, right = ctx.saved_tensors
        return None, ctx.batch.matrix(gradient) @ right, ctx.batch.transposed(gradient) @ left


def multiply(batch: SparseRows, weight: Tensor) -> Tensor:
    """batch [rows × columns] @ weight [columns × width] → [rows × width]."""
    return _Multiply.apply(batch, weight)


def sampled_product(batch: SparseRows, left: Tensor, right: Tensor) -> Tensor:
    """left [rows × width] @ right [columns × width]ᵀ at the batch's observed entries alone → [entries]."""
    return _Sampled.apply(batch, left.contiguous(), right.contiguous())
