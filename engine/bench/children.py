"""Processes of their own for whoever is measured: the peak memory of each is its own, and between two calls it sleeps."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from typing import Any, Self

import psutil

from engine.errors import InputError

_here: Any = None
"""In a child: the object that lives in it."""


class ChildError(RuntimeError):
    """A measured process failed or was killed."""


class Child:
    """An object that lives in a fresh process; it is made there, and its methods are called there.

    Args:
        name: what messages call it.
        make: gives the object, from `args`; both are pickled, so `make` stands at the top of a module.

    Raises:
        InputError, ChildError: see `call`.
    """

    def __init__(self, name: str, make: Callable[..., Any] = object, *args: Any) -> None:
        self.name = name
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _move_in)
        self._process: psutil.Process | None = None
        try:
            self._process = psutil.Process(self.call(os.getpid))
            self.call(_make, make, *args)
        except BaseException:
            self.end()
            raise

    def ask(self, method: str, *args: Any) -> Any:
        """Calls a method of the object there and waits for its result. Raises as `call`."""
        return self.call(_ask, method, *args)

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Calls a function there and waits for its result.

        Raises:
            InputError: raised there, with the same sentence.
            ChildError: anything else was raised there, or the process is gone.
        """
        try:
            return self._pool.submit(_told, function, *args).result()
        except BrokenProcessPool:
            raise ChildError(f"The process of {self.name} was killed, perhaps for want of memory.") from None
        except ChildError as error:
            raise ChildError(f"{self.name} failed:\n{error}") from None

    def end(self) -> None:
        """Ends the process, whatever it is doing."""
        with suppress(psutil.NoSuchProcess):
            if self._process:
                self._process.kill()
        self._pool.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


def alone(name: str, function: Callable[..., Any], *args: Any) -> Any:
    """What a function returns that is called in a fresh process. Raises as `Child.call`."""
    with Child(name) as child:
        return child.call(function, *args)


def _move_in() -> None:
    # A Ctrl-C in the terminal reaches the whole group: it is the parent's to act on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _make(make: Callable[..., Any], *args: Any) -> None:
    global _here
    _here = make(*args)


def _ask(method: str, *args: Any) -> Any:
    return getattr(_here, method)(*args)


def _told(function: Callable[..., Any], *args: Any) -> Any:
    """What the function returns. What it raises becomes text: an exception that cannot be unpickled would pass for a killed process."""
    try:
        return function(*args)
    except InputError:
        raise
    except BaseException:
        raise ChildError(traceback.format_exc()) from None
