"""Functions whose gradient is the slope of the chord from each point of a line to the next, for the contributions of `engine.explain`.

Between two points, however far apart, gradients made of chords add up exactly to the difference of the values there (Shrikumar,
Greenside & Kundaje 2017, "Learning Important Features Through Propagating Activation Differences", section 3.3), also across the kink
of an activation; as the points move together, they become the gradient itself.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

TINY = 1e-7
"""Below this difference of two points, the gradient stands in for the chord, which would be lost in rounding."""


class _Chord(torch.autograd.Function):
    @staticmethod
    def forward(ctx, points: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.function = function
        values = function(points)
        ctx.save_for_backward(points, values)
        return values

    @staticmethod
    def backward(ctx, gradient: Tensor):
        points, values = ctx.saved_tensors
        apart = _to_next(points)
        near = apart.abs() < TINY
        with torch.enable_grad():
            middles = (points + apart / 2).requires_grad_()
            (slopes,) = torch.autograd.grad(ctx.function(middles).sum(), middles)
        return gradient * torch.where(near, slopes, _to_next(values) / apart.where(~near, 1)), None


class _ChordProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx, left: Tensor, right: Tensor) -> Tensor:
        ctx.save_for_backward(left, right)
        return left * right

    @staticmethod
    def backward(ctx, gradient: Tensor):
        # ab - cd = (a - c)(b + d)/2 + (b - d)(a + c)/2
        left, right = ((factor + _to_next(factor) / 2) for factor in ctx.saved_tensors)
        return gradient * right, (gradient * left).sum(dim=1, keepdim=True)


def chord(function: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """function(points) for a function of each number by itself; points are rows, in the order of the line [points × width]."""
    return _Chord.apply(points, function)


def chord_product(left: Tensor, right: Tensor) -> Tensor:
    """left [points × width] times right [points × 1]."""
    return _ChordProduct.apply(left, right)


def _to_next(points: Tensor) -> Tensor:
    """From each row to the next; 0 for the last one."""
    return torch.cat([points.diff(dim=0), torch.zeros_like(points[:1])])
