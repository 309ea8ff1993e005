"""One process per run: started from a server that has torch imported, watched, and killed when it does not obey."""

from __future__ import annotations

import contextlib
import importlib
import logging
import multiprocessing
import os
import signal
import threading
import time
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import cast

from engine import processes
from engine.store import GOES_ON, Run, RunStore

_log = logging.getLogger("encore.daemon")
# Two threads that ask for one process's exit code at once can both lose it, and to start a process asks for all.
_asking = threading.Lock()


@dataclass(frozen=True)
class Job:
    """How runs are started; plain values, so that a babysitter can work anywhere.

    Attributes:
        url: the store's.
        artifacts: the store's.
        target: module:function, called as function(run_id, store) in the run's process.
        preload: modules that the server imports before it forks runs. torch._dynamo is what the first optimizer
            would import otherwise, for more than a second.
        threads: ENCORE_THREADS of each run, unless the environment has it.
        patience: seconds that a run has to obey a pause or a stop before it is killed.
    """

    url: str
    artifacts: str
    target: str = "engine.runs:execute"
    preload: tuple[str, ...] = ("torch", "torch._dynamo", "engine.runs")
    threads: int = 1
    patience: float = 15.0


def warm(job: Job) -> None:
    """Start the server that runs are forked from, and return when it is ready."""
    process = _start(job, _nothing)
    process.join()
    if process.exitcode:
        raise RuntimeError(f"its first process ended with exit code {process.exitcode}")


def babysit(run_id: str, job: Job, adopted: processes.Identity | None = None) -> None:
    """Give a queued run a process, or take over the living process of a run, and see that the row is true at its end.

    Returns when the process is gone, by itself or because it did not obey within `job.patience`.
    """
    store = _open(job.url, job.artifacts)
    process = None if adopted else _start(job, _execute, run_id, job)
    identity = adopted or processes.identify(cast(BaseProcess, process).pid or 0)
    unwelcome: float | None = None
    killed = False
    while _living(process, identity, 0.5 if unwelcome is None else 0.1):
        run = store.find(run_id)
        if run is not None and _welcome(run, identity):
            unwelcome = None
        elif unwelcome is None:
            unwelcome = time.monotonic()
        elif time.monotonic() - unwelcome > job.patience and identity is not None:
            _log.info("killing the process of run %s", run_id)
            processes.kill_group(identity)
            killed = True
    run = store.find(run_id)
    if run is not None and _unsettled(run, process, identity):
        store.lose(run, f"The run did not obey within {job.patience:.0f} seconds and was killed." if killed else _reason(process))
    if identity is not None:
        processes.kill_group(identity)  # children that the run left behind
    if process is not None:
        with _asking:
            process.close()


def _welcome(run: Run, identity: processes.Identity | None) -> bool:
    """Whether the process has reason to live: its row waits for it, or runs in it and is to go on."""
    if run.state == "running":
        return run.want in GOES_ON and run.process == identity
    return run.state == "queued" and run.process != identity


def _living(process: BaseProcess | None, identity: processes.Identity | None, seconds: float) -> bool:
    """Wait for the end of the process, for some seconds at most, and tell whether it still lives."""
    if process is None or wait([process.sentinel], seconds):
        # The sentinel fires also when the server dies that forked the process, which itself may live on.
        if identity is None or not processes.alive(identity):
            return False
        if process is None or not _ending(identity):
            time.sleep(min(seconds, 0.25))
            return processes.alive(identity) is True
        return False
    return True


def _ending(identity: processes.Identity) -> bool:
    """Give a process whose end was announced a moment to be gone."""
    for _ in range(20):
        if not processes.alive(identity):
            return True
        time.sleep(0.01)
    return False


def _unsettled(run: Run, process: BaseProcess | None, identity: processes.Identity | None) -> bool:
    """Whether the row still waits for something from a process that is gone."""
    mine = run.process is not None and (run.process == identity or (identity is None and process is not None and run.pid == process.pid))
    # A queued run that this process never claimed was not even begun: that counts as a loss, or it would be tried for ever.
    return (run.state == "running" and mine) or (run.state == "queued" and not mine)


def _reason(process: BaseProcess | None) -> str:
    if process is None:
        return "The run's process ended without a word."
    with _asking:
        code = process.exitcode
    if code == -signal.SIGKILL:
        return "The run's process was killed, perhaps for lack of memory."
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"The run's process was ended by {signal.Signals(-code).name}."
    return f"The run's process ended with exit code {code}; the daemon's log may tell why."


def _start(job: Job, target: object, *arguments: object) -> BaseProcess:
    context = _context(job.preload)
    with _asking:
        process = context.Process(target=target, args=arguments)  # type: ignore[attr-defined]
        process.start()
    return process


@cache
def _context(preload: tuple[str, ...]) -> BaseContext:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*preload])
    return context


@cache
def _open(url: str, artifacts: str) -> RunStore:
    return RunStore(url, Path(artifacts))


def _nothing() -> None:
    """What the first process does: it is there to have the server started."""


def _execute(run_id: str, job: Job) -> None:
    """The run's own process: leader of a group of its own, so that it can be killed with all it started."""
    if hasattr(os, "setsid"):
        os.setsid()
    with contextlib.suppress(OSError):  # when memory ends, the kernel is to take the run, not the daemon or the app
        Path("/proc/self/oom_score_adj").write_text("500")
    os.environ.setdefault("ENCORE_THREADS", str(job.threads))
    module, _, function = job.target.partition(":")
    execute = getattr(importlib.import_module(module), function)
    execute(run_id, RunStore(job.url, Path(job.artifacts)))
