"""Products of a CSR batch with dense weights, forward and backward, that touch observed entries only.

PyTorch has the kernels: `embedding_bag` sums weighted rows (faster than its CSR product), `sampled_addmm` computes single entries
of a product. What it lacks are their gradients by the same kernels: hence the two small autograd functions, with a transpose made
once per batch.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
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

GATHERED_BATCHES = 32


@dataclass(frozen=True)
class Transpose:
    """The entries of a batch by column.

    Attributes:
        order: position of each entry in the batch's own order.
        rows: row of each entry.
        offsets: where each column's entries start [columns + 1].
    """

    order: Tensor
    rows: Tensor
    offsets: Tensor


@dataclass
class SparseRows:
    """A batch of rows as CSR tensors on one device: `crow` [rows + 1], `columns` and `values` [entries], int32 and float32.

    `numbers` [rows] are the rows' positions in the whole matrix of `of_rows` rows, int64. With `row_gradients`, gradients of matrices
    that have one row per column are sparse: they hold the batch's `present` columns only.
    """

    crow: Tensor
    columns: Tensor
    values: Tensor
    numbers: Tensor
    of_rows: int
    n_columns: int
    row_gradients: bool = False

    def __len__(self) -> int:
        return len(self.crow) - 1

    @property
    def counts(self) -> Tensor:
        """Entries of each row."""
        return self.crow.diff()

    @cached_property
    def rows(self) -> Tensor:
        """Row of each entry."""
        places = torch.arange(len(self), device=self.crow.device, dtype=torch.int32)
        return places.repeat_interleave(self.counts, output_size=len(self.columns))

    @cached_property
    def by_column(self) -> Transpose:
        return transpose_by_counting(self) if self.crow.device.type == "cpu" else transpose_by_sorting(self)

    @cached_property
    def present(self) -> Tensor:
        """Columns with at least one entry, ascending."""
        return self.by_column.offsets.diff().nonzero().flatten()

    @cached_property
    def cells(self) -> Tensor:
        """Position of each entry in the flattened dense batch, int64."""
        return self.rows.long() * self.n_columns + self.columns

    def means(self, kept: Tensor | None = None) -> Tensor:
        """Mean of each row's entries, or of those `kept` (1; others 0) [entries]; 0 for a row without any."""
        offsets = self.crow.long()
        if kept is None:
            return torch.segment_reduce(self.values, "sum", offsets=offsets) / self.counts.clamp(min=1)
        sums, counts = (torch.segment_reduce(values, "sum", offsets=offsets) for values in (self.values * kept, kept))
        return sums / counts.clamp(min=1)

    def with_values(self, values: Tensor) -> SparseRows:
        """The same pattern with other values [entries]."""
        other = copy.copy(self)
        other.values = values
        return other

    def matrix(self, values: Tensor) -> Tensor:
        """This pattern with other values, as a torch CSR tensor."""
        return torch.sparse_csr_tensor(self.crow, self.columns, values, (len(self), self.n_columns), check_invariants=False)

    def dense(self, values: Tensor) -> Tensor:
        """This pattern with these values [entries], 0 elsewhere [rows × columns]."""
        full = values.new_zeros(len(self) * self.n_columns)
        full[self.cells] = values
        return full.view(len(self), self.n_columns)


def transpose_by_counting(batch: SparseRows) -> Transpose:
    """On a CPU; scipy's counting sort takes a tenth of the time of a comparing one."""
    numbered = np.arange(len(batch.columns), dtype=np.int32)
    csr = (numbered, batch.columns.numpy(), batch.crow.numpy())
    turned = sp.csr_array(csr, shape=(len(batch), batch.n_columns)).tocsc()
    return Transpose(*(torch.from_numpy(part) for part in (turned.data, turned.indices, turned.indptr)))


def transpose_by_sorting(batch: SparseRows) -> Transpose:
    """On any device, without waiting for it: the bounds are searched, because counting would tell the host the largest column."""
    columns, order = torch.sort(batch.columns, stable=True)
    numbers = torch.arange(batch.n_columns + 1, device=columns.device, dtype=columns.dtype)
    return Transpose(order.int(), batch.rows[order], torch.searchsorted(columns, numbers, out_int32=True))


class ResidentRows:
    """A whole CSR matrix on a device, from which batches of rows are taken without a copy to the host."""

    def __init__(self, matrix: sp.csr_array, device: torch.device, row_gradients: bool = False) -> None:
        self.crow = torch.as_tensor(matrix.indptr.astype(np.int64), device=device)
        self.columns = torch.as_tensor(matrix.indices.astype(np.int32, copy=False), device=device)
        self.values = torch.as_tensor(matrix.data.astype(np.float32, copy=False), device=device)
        self.counts = np.diff(matrix.indptr)
        self.n_columns = matrix.shape[1]
        self.row_gradients = row_gradients

    def take(self, rows: np.ndarray) -> SparseRows:
        """The rows at these positions, in this order."""
        return next(self.batches(rows, max(1, len(rows))))

    def batches(self, rows: np.ndarray, size: int) -> Iterator[SparseRows]:
        """The rows at these positions, in this order, `size` at a time; the last batch may be smaller.

        They are gathered many batches at a time, and a batch is a piece of that. A GPU is not waited for: what the host needs to
        know of the sizes, it knows from its own copy of the counts.
        """
        shape = len(self.counts), self.n_columns
        for start in range(0, max(1, len(rows)), size * GATHERED_BATCHES):
            group = rows[start : start + size * GATHERED_BATCHES]
            ends = np.concatenate([[0], self.counts[group].cumsum()])
            numbers = torch.as_tensor(group, device=self.crow.device)
            columns, values = self._gather(numbers, int(ends[-1]))
            bounds = torch.as_tensor(ends.astype(np.int32), device=columns.device)
            for first in range(0, max(1, len(group)), size):
                last = min(first + size, len(group))
                entries = slice(ends[first], ends[last])
                crow = bounds[first : last + 1] - bounds[first]
                yield SparseRows(crow, columns[entries], values[entries], numbers[first:last], *shape, self.row_gradients)

    def _gather(self, numbers: Tensor, entries: int) -> tuple[Tensor, Tensor]:
        """Columns and values of these rows, one row after the other."""
        starts = self.crow[numbers]
        counts = self.crow[numbers + 1] - starts
        shifts = (starts - counts.cumsum(0) + counts).repeat_interleave(counts, output_size=entries)
        places = torch.arange(entries, device=self.crow.device).add_(shifts)
        return self.columns[places], self.values[places]


class _Multiply(torch.autograd.Function):
    @staticmethod
    def forward(ctx, batch: SparseRows, weight: Tensor, default: Tensor | None) -> Tensor:
        ctx.batch, ctx.default = batch, default
        ctx.values = (batch.values if default is None else batch.values - default[batch.rows]).to(weight.dtype)
        sums = _weighted_sums(weight, batch.columns, batch.crow, ctx.values)
        return sums if default is None else sums.addr_(default.to(weight.dtype), weight.sum(dim=0))

    @staticmethod
    def backward(ctx, gradient: Tensor):
        whole = _by_column(ctx.batch, ctx.values.to(gradient.dtype), gradient.contiguous())
        return None, whole if ctx.default is None else whole.add_(ctx.default.to(gradient.dtype) @ gradient), None


class _Sampled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, batch: SparseRows, left: Tensor, right: Tensor, known: Tensor | None) -> Tensor:
        ctx.batch = batch
        ctx.save_for_backward(left, right)
        if known is not None:
            return known.flatten()[batch.cells].to(left.dtype)
        pattern = batch.matrix(torch.zeros_like(batch.values, dtype=left.dtype))  # β = 0 would keep a NaN
        return torch.sparse.sampled_addmm(pattern, left, right.t(), beta=0.0).values()

    @staticmethod
    def backward(ctx, gradient: Tensor):
        left, right = ctx.saved_tensors
        batch = ctx.batch
        return None, _weighted_sums(right, batch.columns, batch.crow, gradient), _by_column(batch, gradient, left), None


def multiply(batch: SparseRows, weight: Tensor, default: Tensor | None = None) -> Tensor:
    """batch [rows × columns] @ weight [columns × width] → [rows × width].

    Args:
        default: value of every unobserved entry of a row [rows]: one number times the sums of the weights. None: 0.
    """
    return _Multiply.apply(batch, weight, default)


def sampled_product(batch: SparseRows, left: Tensor, right: Tensor, known: Tensor | None = None) -> Tensor:
    """left [rows × width] @ right [columns × width]ᵀ at the batch's observed entries alone → [entries].

    Args:
        known: the whole product, where it was computed for something else; then only the gradient is computed from entries.
    """
    return _Sampled.apply(batch, left.contiguous(), right.contiguous(), known)


def _by_column(batch: SparseRows, values: Tensor, left: Tensor) -> Tensor:
    """The batch's pattern with these values, transposed, @ left [rows × width] → [columns × width]."""
    turned = batch.by_column
    weights = values[turned.order]
    if not batch.row_gradients:
        return _weighted_sums(left, turned.rows, turned.offsets, weights)
    # Columns without an entry start where the next one starts, so the starts of the present ones bound their entries.
    offsets = torch.cat([turned.offsets[batch.present], turned.offsets[-1:]])
    sums = _weighted_sums(left, turned.rows, offsets, weights)
    shape = (batch.n_columns, left.shape[1])
    return torch.sparse_coo_tensor(batch.present[None], sums, shape, is_coalesced=True, check_invariants=False)


def _weighted_sums(table: Tensor, picks: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
    """Row i of the result: the sum of weights · table[picks] over entries offsets[i] to offsets[i + 1]."""
    return torch.embedding_bag(table, picks, offsets, False, 0, False, weights, True)[0]
