"""Processes of their own for whoever is measured: the peak memory of each is its own, and between two calls it sleeps."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

from engine.errors import InputError

_SPAWN = multiprocessing.get_context("spawn")


class ChildError(RuntimeError):
    """A measured process failed or was killed."""


class Child:
    """An object that lives in a fresh process; it is made there, and its methods are called there.

    Args:
        name: what messages call it.
        make: gives the object, from `args`; both are pickled, so `make` stands at the top of a module.

    Raises:
        InputError, ChildError: see `ask`.
    """

    def __init__(self, name: str, make: Callable[..., Any], *args: Any) -> None:
        self.name = name
        self._pipe, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_serve, args=(theirs, make, args), daemon=True)
        self._process.start()
        theirs.close()
        try:
            self._answer()
        except BaseException:
            self.end()
            raise

    def ask(self, method: str, *args: Any) -> Any:
        """Calls a method there and waits for its result.

        Raises:
            InputError: raised there, with the same sentence.
            ChildError: anything else was raised there, or the process is gone.
        """
        try:
            self._pipe.send((method, args))
        except OSError:
            raise self._gone() from None
        return self._answer()

    def end(self) -> None:
        """Ends the process, whatever it is doing."""
        self._pipe.close()
        self._process.kill()
        self._process.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _answer(self) -> Any:
        try:
            kind, value = self._pipe.recv()
        except (EOFError, OSError):
            raise self._gone() from None
        if kind == "mistake":
            raise InputError(value)
        if kind == "failure":
            raise ChildError(f"{self.name} failed:\n{value}")
        return value

    def _gone(self) -> ChildError:
        self._process.join(5)
        code = self._process.exitcode
        reason = f"was killed by signal {-code}, perhaps for want of memory" if code and code < 0 else f"ended with exit code {code}"
        return ChildError(f"The process of {self.name} {reason}.")


class Caller:
    """For a `Child` that calls functions."""

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """What the function returns."""
        return function(*args)


def alone(name: str, function: Callable[..., Any], *args: Any) -> Any:
    """What a function returns that is called in a fresh process. Raises as `Child.ask`."""
    with Child(name, Caller) as child:
        return child.ask("call", function, *args)


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes.

    Not `ru_maxrss`, where there is better: on Linux that one begins at what the parent held when it started this process.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next((line for line in status.read_text().splitlines() if line.startswith("VmHWM:")), None)
        if line:
            return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _serve(pipe: Connection, make: Callable[..., Any], args: tuple[Any, ...]) -> None:
    # A Ctrl-C in the terminal reaches the whole group: it is the parent's to act on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    made: list[Any] = []
    _reply(pipe, lambda: made.append(make(*args)))
    while made:
        try:
            method, given = pipe.recv()
        except (EOFError, OSError):
            return
        _reply(pipe, getattr(made[0], method), *given)


def _reply(pipe: Connection, function: Callable[..., Any], *args: Any) -> None:
    try:
        answer = ("result", function(*args))
    except InputError as error:
        answer = ("mistake", str(error))
    except BaseException:
        answer = ("failure", traceback.format_exc())
    pipe.send(answer)


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
