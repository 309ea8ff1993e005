"""What a worker is sent: a few lines of code that find Encore there and let it work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import FunctionType
from typing import Any

from engine.babysitter import Job
from engine.store.migrations import VERSION

CODE = Path(__file__).resolve().parents[2]
"""The folder that Encore is imported from."""


def parcel(job: Job) -> dict[str, Any]:
    """All that a worker is told of a job, in plain values."""
    return {"code": str(CODE), "schema": VERSION, "job": asdict(job)}


def portable() -> Callable[..., None]:
    """The task itself, called with the name of a function of `engine.cluster.worker`, a parcel, and the function's other arguments.

    It seems to be of __main__, so that cloudpickle sends it with its code: scheduler and workers can open it without Encore, and a
    worker that finds none can say so, where Dask would let it leave the cluster.
    """
    function = FunctionType(_begin.__code__, {"__builtins__": __builtins__, "__name__": "__main__"}, "encore")
    function.__module__, function.__qualname__ = "__main__", "encore"
    return function


def _begin(what: str, parcel: dict[str, Any], *arguments: Any) -> None:
    # Its names are all its own: nothing else of this module goes with it.
    import platform
    import sys
    from importlib import import_module

    try:
        try:
            worker = import_module("engine.cluster.worker")
        except ModuleNotFoundError:
            sys.path.append(parcel["code"])
            worker = import_module("engine.cluster.worker")
    except ImportError as error:
        remedy = "start it in Encore's folder, with Encore's Python, by `python -m dask worker`"
        raise RuntimeError(f"the worker on {platform.node()} cannot import Encore, for {error}: {remedy}") from None
    getattr(worker, what)(parcel, *arguments)
