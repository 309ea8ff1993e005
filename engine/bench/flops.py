"""Floating point operations of matrix products, counted as PyTorch dispatches them: dense ones, and those over stored entries alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

MEANING = (
    "Two operations per multiply-add, of matrix products as PyTorch dispatches them; activations, losses and optimizer steps are not "
    "counted. Dense products and products over stored entries alone are counted apart; the share of the peak is of the dense ones."
)


class Products:
    """Counts inside a `with` block. Afterwards `dense` and `sparse` hold operations.

    PyTorch's counter alone takes a sparse matrix for a dense one of its shape, and does not know oneDNN's linear layer.
    """

    def __init__(self) -> None:
        self.dense = self.sparse = 0
        aten = torch.ops.aten
        packets: dict[Any, Callable[..., int]] = {}
        packets[aten.mm] = self._product
        packets[aten.addmm] = packets[aten.addmm_] = self._added_product
        packets[aten.sparse_sampled_addmm] = self._sampled
        for name in ("_embedding_bag", "_embedding_bag_forward_only"):
            packets[getattr(aten, name)] = self._bag
        packets[aten._embedding_bag_dense_backward] = self._bag_gradient
        if hasattr(torch.ops.mkldnn, "_linear_pointwise"):
            packets[torch.ops.mkldnn._linear_pointwise] = self._linear
        self._counter = FlopCounterMode(display=False, custom_mapping={packet: _raw(count) for packet, count in packets.items()})

    def __enter__(self) -> Products:
        self._counter.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._counter.__exit__(*error)
        self.dense = self._counter.get_total_flops()

    def _product(self, left: Tensor, right: Tensor) -> int:
        width = right.shape[1]
        if left.layout != torch.strided:
            self.sparse += 2 * left._nnz() * width
            return 0
        return 2 * left.shape[0] * left.shape[1] * width

    def _added_product(self, _added: Tensor, left: Tensor, right: Tensor) -> int:
        return self._product(left, right)

    def _sampled(self, pattern: Tensor, left: Tensor, _right: Tensor) -> int:
        self.sparse += 2 * pattern._nnz() * left.shape[1]
        return 0

    def _bag(self, weight: Tensor, indices: Tensor) -> int:
        self.sparse += 2 * indices.numel() * weight.shape[1]
        return 0

    def _bag_gradient(self, gradient: Tensor, indices: Tensor) -> int:
        self.sparse += 2 * indices.numel() * gradient.shape[1]
        return 0

    def _linear(self, x: Tensor, weight: Tensor) -> int:
        return 2 * x.numel() * weight.shape[0]


def _raw(count: Callable[..., int]) -> Callable[..., int]:
    """A counter that PyTorch hands tensors instead of shapes, and that reads as many of them as it names."""
    wanted = count.__code__.co_argcount - 1

    def counting(*tensors: Any, out_val: Any = None, **_options: Any) -> int:
        return count(*tensors[:wanted])

    counting._get_raw = True  # type: ignore[attr-defined]
    return counting
