"""One process per run: started from a server that has torch imported, watched, and killed when it does not obey."""

from __future__ import annotations

import contextlib
import importlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Literal, cast

from sqlalchemy.exc import OperationalError

from engine import endings, processes
from engine.files import no_room
from engine.store import GOES_ON, Run, RunStore

START_SECONDS = 120.0
"""A process that has not claimed its run after so long hangs, and is killed."""
AWAY_SECONDS = 600.0
"""So long a run waits for a database that does not answer."""
AWAY_PAUSE = 1.0
"""Seconds between two questions to such a database, by whoever looks after a run."""
NO_ROOM = 73
"""Exit code of a run that a full disk has ended, and that could not even write so."""
SERVER_GONE = 255
"""What multiprocessing tells of a process whose server died before it."""

Then = Literal["queued", "crashed", "failed"]
NICENESS = 10
"""Of a run's process: on a busy machine the pages of those who look come first, by about nine to one."""
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
        preload: modules that the server imports before it forks runs.
        threads: ENCORE_THREADS of each run, unless the environment has fewer.
        patience: seconds that a run has to obey a pause or a stop before it is killed.
        bound: a run dies when the process does that looks after it; otherwise it lives on, to be adopted.
        environment: variables that each run gets.
        mark: see `engine.cluster.mark`.
    """

    url: str
    artifacts: str
    target: str = "engine.runs:execute"
    preload: tuple[str, ...] = ("torch", "engine.ready")
    threads: int = 1
    patience: float = 15.0
    bound: bool = False
    environment: tuple[tuple[str, str], ...] = ()
    mark: str = ""


def warm(job: Job) -> int:
    """Start the server that runs are forked from, and return when it is ready: the number of GPUs that PyTorch finds."""
    told, tell = _context(job.preload).Pipe(duplex=False)
    with told, tell:
        process = _start(job, _count_gpus, tell)
        process.join()
        if process.exitcode:
            raise RuntimeError(f"its first process ended with exit code {process.exitcode}")
        return int(told.recv()) if told.poll() else 0


def babysit(run_id: str, job: Job, adopted: processes.Identity | None = None, leaving: Callable[[], bool] = lambda: False) -> None:
    """Give a queued run a process, or take over the living process of a run, and see that the row is true at its end.

    Returns when the process is gone, by itself, because it did not obey within `job.patience`, or because `leaving` told that
    this process is about to end: then the run is killed, to be queued again. While the database does not answer, it is waited for.
    """
    store = _open(job.url, job.artifacts)
    process = None if adopted else _start(job, _execute, run_id, job)
    identity = adopted or processes.identify(cast(BaseProcess, process).pid or 0)
    began = time.monotonic()
    unwelcome: float | None = None
    killed = ""
    counts = [processes.oom_kills()] * 2
    while _living(process, identity, 0.5 if unwelcome is None else 0.1):
        counts = [counts[1], processes.oom_kills()]
        if identity is not None and leaving():
            processes.kill_group(identity)
            killed = "The worker that trained the run was told to end."
            continue
        run = _row(store, run_id)
        late = process is not None and run is not None and run.state == "queued" and time.monotonic() - began > START_SECONDS
        if run is not None and _welcome(run, identity) and not late:
            unwelcome = None
        elif unwelcome is None and not late:
            unwelcome = time.monotonic()
        elif identity is not None and (late or time.monotonic() - cast(float, unwelcome) > job.patience):
            _log.info("killing the process of run %s", run_id)
            processes.kill_group(identity)
            told = f"did not begin within {START_SECONDS:.0f}" if late else f"did not obey within {job.patience:.0f}"
            killed = f"The run {told} seconds and was killed."
    run = _row(store, run_id)
    if run is not None and _unsettled(run, process, identity):
        _settle(store, run, *((killed, "queued") if killed else _reason(run, process, counts[0], store)))
    if identity is not None:
        processes.kill_group(identity)  # children that the run left behind
    if process is not None:
        with _asking:
            process.close()


def _row(store: RunStore, run_id: str) -> Run | None:
    """The run, as soon as the database answers; None if it was deleted."""
    while True:
        try:
            return store.find(run_id)
        except OperationalError as error:
            _log.warning("run %s waits for the database: %s", run_id, error.orig)
            time.sleep(AWAY_PAUSE)


def _settle(store: RunStore, run: Run, reason: str, then: Then) -> None:
    """Write down how the run's process ended, as soon as the database takes it."""
    while True:
        try:
            store.lose(run, reason, then=then)
            return
        except OperationalError as error:
            _log.warning("the end of run %s waits for the database: %s", run.id, error.orig)
            time.sleep(AWAY_PAUSE)


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


def _reason(run: Run, process: BaseProcess | None, kills: int | None, store: RunStore) -> tuple[str, Then]:
    """Why the process ended by itself, and what is to become of the run.

    Args:
        kills: how many processes the kernel had killed for lack of memory, a moment before the end.
    """
    code = None
    if process is not None:
        with _asking:
            code = process.exitcode
    now = processes.oom_kills()
    if code in (None, SERVER_GONE, -signal.SIGKILL) and kills is not None and now is not None and now > kills:
        return endings.out_of_memory(run.facts, "killed by the system"), "failed"
    if code is None or code == SERVER_GONE:
        return "The run's process ended without a word.", "queued"
    if code == NO_ROOM:
        return endings.disk_full(store.artifacts), "failed"
    if code == -signal.SIGKILL:
        return "The run's process was killed" + (", perhaps for lack of memory." if now is None else "."), "queued"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"The run's process was ended by {signal.Signals(-code).name}.", "queued"
    return f"The run's process ended with exit code {code}; the daemon's log may tell why.", "queued"


def _start(job: Job, target: object, *arguments: object) -> BaseProcess:
    context = _context(job.preload)
    # A bound process is a daemonic one, so that it is ended when its parent ends in peace.
    for last in (False, False, True):
        with _asking:
            process = context.Process(target=target, args=arguments, daemon=job.bound)  # type: ignore[attr-defined]
            try:
                process.start()
                return process
            except (OSError, EOFError):  # the server has just died: the next try starts another
                if last:
                    raise
        time.sleep(0.2)
    raise AssertionError("the last try returns or raises")


@cache
def _context(preload: tuple[str, ...]) -> BaseContext:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*preload])
    return context


@cache
def _open(url: str, artifacts: str) -> RunStore:
    return RunStore(url, Path(artifacts), create=False)


def _count_gpus(tell: Connection) -> None:
    """What the first process does, which is there to have the server started."""
    torch = sys.modules.get("torch")
    tell.send(torch.cuda.device_count() if torch is not None else 0)


def _execute(run_id: str, job: Job) -> None:
    """The run's own process: leader of a group of its own, so that it can be killed with all it started."""
    if hasattr(os, "setsid"):
        os.setsid()
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    with contextlib.suppress(OSError):  # when memory ends, the kernel is to take the run, not the daemon or the app
        Path("/proc/self/oom_score_adj").write_text("500")
    if job.bound:
        _die_with_parent()
    os.environ.update(job.environment)
    asked = os.environ.get("ENCORE_THREADS", "")
    os.environ["ENCORE_THREADS"] = str(max(1, min(int(asked), job.threads)) if asked.isdigit() else job.threads)
    module, _, function = job.target.partition(":")
    execute = getattr(importlib.import_module(module), function)
    try:
        execute(run_id, RunStore(job.url, Path(job.artifacts), patience=AWAY_SECONDS, create=False))
    except Exception as error:
        if no_room(error):  # not even the run's end could be written: its exit code says it
            os._exit(NO_ROOM)
        raise


def _die_with_parent() -> None:
    """Let the process, and all that it starts, end with the one that looks after it, however that ends."""
    multiprocessing.current_process().daemon = False  # it may start processes all the same
    parent = multiprocessing.parent_process()

    def wait_and_die() -> None:
        if parent is not None:
            parent.join()
            os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait_and_die, name="parent", daemon=True).start()
