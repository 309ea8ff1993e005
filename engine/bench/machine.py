"""What the figures were taken on, and the highest rate at which it multiplies matrices: what every share is a share of."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import scipy
import torch
from torch import Tensor
from torch.utils.benchmark import Timer

from engine.devices import cpu_threads, pick_device

SQUARES = (1024, 2048, 4096, 8192)
"""Sides of the matrices that are multiplied."""
MEASURED = 0.3
"""Seconds for which one product is repeated, at least."""
LONGEST = 2.0
"""Seconds; a product that would take longer is not tried: the machine is too small for it, or has no fast kernel."""


def describe() -> dict[str, Any]:
    """CPU, cores, threads, memory in GB (10⁹ bytes), GPU name (None without) and versions."""
    return {
        "cpu": _cpu(),
        "cores": psutil.cpu_count(logical=False) or psutil.cpu_count(),
        "threads": cpu_threads(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.system(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__, "scipy": scipy.__version__},
    }


def gemm_peaks(sides: Sequence[int]) -> dict[str, dict[str, Any]]:
    """`gemm_peak` of bfloat16 and float32 on the device that training would choose, under "bf16" and "fp32"."""
    torch.set_num_threads(cpu_threads())
    device = pick_device("auto")
    return {name: gemm_peak(dtype, sides, device) for name, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32))}


def gemm_peak(dtype: torch.dtype, sides: Sequence[int], device: torch.device) -> dict[str, Any]:
    """The best rate over square products: `gflops` (10⁹ floating point operations per second), `shape` (m, k, n) and `kernel`.

    Float32 on a CPU is tried by both of PyTorch's libraries, for its default one is not the faster on every chip.
    """
    best: dict[str, Any] = {"gflops": 0.0, "shape": None, "kernel": None}
    for side in sides:
        operations = 2 * side**3
        if best["gflops"] and operations / (best["gflops"] * 1e9) > LONGEST:
            continue
        left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        for name, multiply in _kernels(left, right).items():
            rate = operations / _seconds(multiply) / 1e9
            if rate > best["gflops"]:
                best = {"gflops": round(rate, 1), "shape": [side] * 3, "kernel": name}
    return best


def _kernels(left: Tensor, right: Tensor) -> dict[str, Callable[[], Tensor]]:
    kernels: dict[str, Callable[[], Tensor]] = {"mm": lambda: left @ right}
    if left.device.type == "cpu" and left.dtype == torch.float32 and torch.backends.mkldnn.is_available():
        transposed = right.t().contiguous()
        kernels["onednn"] = lambda: torch.ops.mkldnn._linear_pointwise(left, transposed, None, "none", [], "")
    return kernels


def _seconds(multiply: Callable[[], Tensor]) -> float:
    """Of one product: the median over blocks of so many that to wait for a GPU at the end of a block does not count."""
    timer = Timer("multiply()", globals={"multiply": multiply}, num_threads=torch.get_num_threads())
    return timer.blocked_autorange(min_run_time=MEASURED).median


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        if names:
            return names[0]
    return platform.processor() or platform.machine()
