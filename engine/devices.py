"""What the machine can do, and how a run makes use of it."""

from __future__ import annotations

import ctypes
import os
import platform
import re
from functools import cache
from pathlib import Path
from typing import Literal

import psutil
import torch
from threadpoolctl import ThreadpoolController

from engine import processes
from engine.errors import InputError

Precision = Literal["float32", "bfloat16"]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 2**30


def pick_device(wanted: str, slot: str | None = None) -> torch.device:
    """The device to train on (MPS has no sparse products yet).

    Args:
        wanted: auto, cpu or cuda.
        slot: what the engine has given to the run, such as "cpu/1" or "cuda:0/1"; None where it chooses for itself, the best for `auto`.

    Raises:
        InputError: the device is not there, or the slot is another one's.
    """
    if slot is not None:
        device = slot.partition("/")[0]
        if wanted == "cuda" and device == "cpu":
            raise InputError(
                "training.device is 'cuda', but the engine has no slot for a GPU: PyTorch finds none, or ENCORE_SLOTS leaves it out."
            )
        return torch.device("cpu" if wanted == "cpu" else device)
    gpu = torch.cuda.is_available()
    if wanted == "cuda" and not gpu:
        raise InputError("training.device is 'cuda', but PyTorch finds no CUDA GPU on this machine: use 'auto' or 'cpu'.")
    return torch.device("cuda" if gpu and wanted != "cpu" else "cpu")


def cpu_threads() -> int:
    """CPU threads for PyTorch: ENCORE_THREADS, or one for each core that this process may run on."""
    return int(os.environ.get("ENCORE_THREADS") or processes.cores())


def use_threads(count: int) -> None:
    """Lets PyTorch and the libraries under numpy and scipy use so many CPU threads each, one after the other."""
    torch.set_num_threads(count)
    libraries().limit(limits=count)


@cache
def libraries() -> ThreadpoolController:
    """The libraries in this process that have threads of their own; to find them takes a while."""
    return ThreadpoolController()


def synchronize(device: torch.device) -> None:
    """Waits until a GPU has done what it was told; a CPU has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the chip has instructions for bfloat16 products; without them they are emulated and slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def keep_freed_memory() -> None:
    """Makes glibc keep large freed blocks for the next batch instead of giving them back to the system.

    Each batch frees and asks again for the same gradients; with fresh pages every time, clearing them costs up to a third of an
    epoch. For processes that do one run and end.
    """
    if platform.system() == "Linux" and platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            libc.mallopt(option, KEPT_BYTES)


def ran_out_of_memory(error: Exception) -> bool:
    """Whether this is what PyTorch or Python raises when memory ends."""
    # PyTorch's CPU allocator has no exception class of its own.
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def resident_memory() -> int:
    """Bytes of memory that this process has now, the libraries included that it shares with others."""
    return int(psutil.Process().memory_info().rss)


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, in MB (10⁶ bytes)."""
    # On Linux ru_maxrss begins at what the parent held when it started this process.
    status = Path("/proc/self/status")
    if status.exists() and (own := re.search(r"^VmHWM:\s*(\d+) kB", status.read_text(), re.MULTILINE)):
        return int(own[1]) * 1024 / 1e6
    try:
        import resource
    except ImportError:
        return psutil.Process().memory_info().peak_wset / 1e6
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
