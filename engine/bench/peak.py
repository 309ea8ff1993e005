"""The highest rate at which this machine multiplies matrices: what every share is a share of."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from engine.bench.machine import threads
from engine.devices import pick_device

Shape = tuple[int, int, int]
"""m, k, n of a product [m × k] @ [k × n]."""

SQUARES: tuple[Shape, ...] = ((1024, 1024, 1024), (2048, 2048, 2048), (4096, 4096, 4096))
REPEATS = 7
LONGEST = 2.0
"""Seconds; a product that would take longer is not tried, and the machine has no fast kernel for it."""


def gemm_peaks(shapes: Iterable[Shape]) -> dict[str, dict[str, Any]]:
    """`gemm_peak` of bfloat16 and float32 on the device that training would choose, under "bf16" and "fp32"."""
    torch.set_num_threads(threads())
    device = pick_device("auto")
    wanted = list(dict.fromkeys(shapes))
    return {name: gemm_peak(dtype, wanted, device) for name, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32))}


def gemm_peak(dtype: torch.dtype, shapes: Iterable[Shape], device: torch.device) -> dict[str, Any]:
    """The best rate over some shapes: `gflops` (10⁹ floating point operations per second), `shape` and `kernel`.

    The rate of one shape is that of the median of REPEATS products after a warm-up. Float32 on a CPU is tried by both of
    PyTorch's libraries, for its default one is not the faster on every chip.
    """
    best: dict[str, Any] = {"gflops": 0.0, "shape": None, "kernel": None}
    for m, k, n in shapes:
        left = torch.randn(m, k, device=device).to(dtype)
        right = torch.randn(k, n, device=device).to(dtype)
        for name, multiply in _kernels(left, right).items():
            operations = 2 * m * k * n
            if best["gflops"] and operations / (best["gflops"] * 1e9) > LONGEST:
                continue
            rate = operations / _median_seconds(multiply, device) / 1e9
            if rate > best["gflops"]:
                best = {"gflops": round(rate, 1), "shape": [m, k, n], "kernel": name}
    return best


def _kernels(left: Tensor, right: Tensor) -> dict[str, Callable[[], Tensor]]:
    kernels: dict[str, Callable[[], Tensor]] = {"mm": lambda: left @ right}
    if left.device.type == "cpu" and left.dtype == torch.float32 and torch.backends.mkldnn.is_available():
        transposed = right.t().contiguous()
        kernels["onednn"] = lambda: torch.ops.mkldnn._linear_pointwise(left, transposed, None, "none", [], "")
    return kernels


def _median_seconds(multiply: Callable[[], Tensor], device: torch.device) -> float:
    samples: list[float] = []
    for _ in range(REPEATS + 1):
        started = time.perf_counter()
        multiply()
        settle(device)
        samples.append(time.perf_counter() - started)
        if sum(samples) > LONGEST and len(samples) > 1:
            break
    return statistics.median(samples[1:])


def settle(device: torch.device) -> None:
    """Waits until a GPU has done what it was told; a CPU has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
