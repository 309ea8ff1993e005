"""What a worker of a Dask cluster does for us. Of Encore, only workers import it."""

from __future__ import annotations

import logging
import multiprocessing
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import OperationalError

from engine import processes
from engine.babysitter import Job, babysit, warm
from engine.cluster.room import RUN
from engine.cluster.setting import MARK
from engine.errors import InputError
from engine.store import ACTIVE, Run, RunStore
from engine.store.migrations import VERSION

if TYPE_CHECKING:
    from distributed import Worker

PULSE_SECONDS = 2.0
"""So often a worker says that its runs live; they themselves may be busy with one long computation."""
STORE_SECONDS = 60.0
"""So long a worker waits for a database that does not answer before it gives a run back."""

_log = logging.getLogger("encore.cluster")


def attend(parcel: dict[str, Any], run_id: str) -> None:
    """What `babysit` does, on a worker.

    Dask repeats the task elsewhere when a worker is lost, and so finds runs that have begun: of one whose process is on this host we
    know whether it lives; of any other the daemon finds out by its heartbeat.

    Raises:
        InputError: the worker's code is another one's, or it does not see the artifacts, or it cannot reach the store.
    """
    from distributed import get_worker
    from distributed.core import Status

    worker, job = get_worker(), _job(parcel)
    _require_shared(job)
    store = _store(job.url, job.artifacts)
    run = _found(store, run_id)
    if run is None or run.state not in ACTIVE:
        return
    adopted = run.process if run.state == "running" else None
    if adopted is not None and not (alive := processes.alive(adopted)):
        if alive is False:
            store.lose(run, "The worker that trained the run is gone.")
        return
    _allow_children()
    job = replace(job, threads=max(1, processes.cores() // _at_once(worker)))
    with _pulse(store, run_id):
        babysit(run_id, job, adopted, leaving=lambda: worker.status in (Status.closing, Status.closed, Status.failed))


def warm_up(parcel: dict[str, Any]) -> None:
    """Have runs begin at once on this worker."""
    _allow_children()
    warm(_job(parcel))


def _job(parcel: dict[str, Any]) -> Job:
    """Raises InputError where a worker has lived on with code that the daemon has no more."""
    try:
        if parcel["schema"] != VERSION:
            raise TypeError
        return Job(**parcel["job"])
    except TypeError:
        raise InputError(f"The worker on {platform.node()} runs another version of Encore than the daemon: start it anew.") from None


def _found(store: RunStore, run_id: str) -> Run | None:
    try:
        return store.find(run_id)
    except OperationalError as error:
        reason = " ".join(str(error.orig).split()).rstrip(".?")
        raise InputError(f"The worker on {platform.node()} cannot reach the run store: {reason}.") from error


def _allow_children() -> None:
    """Runs are processes of their own, which Dask's nannies do not allow their workers' processes unless one says so."""
    multiprocessing.current_process().daemon = False


def _at_once(worker: Worker) -> int:
    """How many runs a worker takes at a time."""
    threads = int(worker.state.nthreads)
    return max(1, min(threads, int(worker.state.total_resources.get(RUN, threads))))


def _require_shared(job: Job) -> None:
    """Raises InputError where the artifacts' folder is not the daemon's: a run would be trained, and its model not be found."""
    file = Path(job.artifacts) / MARK
    try:
        same = file.read_text() == job.mark
    except OSError:
        same = False
    if not same:
        raise InputError(
            f"The worker on {platform.node()} does not see the daemon's folder {job.artifacts}: mount it there under the same "
            "path, or let ENCORE_HOME name a folder that all machines share."
        )


@contextmanager
def _pulse(store: RunStore, run_id: str) -> Iterator[None]:
    """Say from time to time that a run lives, while this process looks after it."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(PULSE_SECONDS):
            try:
                store.vouch(run_id)
            except OperationalError as error:
                _log.warning("the database does not hear that run %s lives: %s", run_id, error.orig)

    thread = threading.Thread(target=beat, name=f"pulse-{run_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@cache
def _store(url: str, artifacts: str) -> RunStore:
    return RunStore(url, Path(artifacts), patience=STORE_SECONDS, create=False)
