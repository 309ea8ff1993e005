"""What the workers of a Dask cluster have room for, by the resources that they declare."""

from __future__ import annotations

from typing import Any, NamedTuple

RUN, GPU = "run", "GPU"
"""Names of Dask resources: a worker that offers run=2 takes two runs at a time; with GPU=1, one of them on its GPU."""


class Room(NamedTuple):
    """What the workers of a cluster have room for.

    Attributes:
        slots: named as those of one machine, "cpu/1" or "cuda:0/1"; a worker with GPUs sees them by numbers from 0.
        declared: whether workers say how many runs they take; otherwise it is one for each of their threads.
        without_gpu: addresses of workers that take more runs than they have GPUs for; only there a run may take no GPU.
    """

    slots: tuple[str, ...] = ()
    declared: bool = False
    without_gpu: tuple[str, ...] = ()


def room(workers: dict[str, dict[str, Any]]) -> Room:
    """That of workers as a scheduler describes them: address → resources and nthreads among others."""
    declared = any(RUN in (worker.get("resources") or {}) for worker in workers.values())
    cpus, gpus, without = 0, 0, []
    for address, worker in workers.items():
        offer, threads = worker.get("resources") or {}, int(worker["nthreads"])
        runs = min(threads, int(offer.get(RUN, 0 if declared else threads)))
        mine = min(runs, int(offer.get(GPU, 0)))
        cpus, gpus = cpus + runs - mine, gpus + mine
        without += [address] if runs > mine else []
    names = [*(f"cuda:0/{number}" for number in range(1, gpus + 1)), *(f"cpu/{number}" for number in range(1, cpus + 1))]
    return Room(tuple(names), declared, tuple(without))
