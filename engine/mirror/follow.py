"""The run's side: it notes down that it is to be followed, and starts the process that does so where there is none."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from filelock import FileLock, Timeout

from engine.settings import settings
from engine.store import RunStore
from engine.store.urls import absolute

VARIABLE = "MLFLOW_TRACKING_URI"
LOG_BYTES = 1_000_000
NICE = 10
"""Training goes first, also while MLflow's library is imported, which takes seconds."""
MISSING = f"{VARIABLE} is set, but MLflow's library is not installed, so the run is not mirrored: pip install mlflow-skinny."

_log = logging.getLogger("encore.mirror")
_ROOT = Path(__file__).resolve().parents[2]
_Rest = ParamSpec("_Rest")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Place:
    """The files of the process that mirrors one store to one server: an empty one for each run that it follows, by the run's id."""

    folder: Path

    @property
    def lock(self) -> Path:
        """Held by the process."""
        return self.folder / "lock"

    @property
    def log(self) -> Path:
        """What the process prints."""
        return self.folder / "mirror.log"

    def note(self, run_id: str) -> Path:
        """Is there while the run is to be followed; not empty once the run was told of a failure."""
        return self.folder / f"{run_id}.run"

    def notes(self) -> list[str]:
        """Ids of the runs that are to be followed."""
        return sorted(file.stem for file in self.folder.glob("*.run"))


def place(store_url: str, server: str) -> Place:
    """Where the notes about this store and this server lie, in the home folder."""
    key = hashlib.sha256(f"{absolute(store_url)} {server}".encode()).hexdigest()[:8]
    return Place(settings().home.absolute() / "mlflow" / key)


def mirrored(execute: Callable[Concatenate[str, RunStore, _Rest], _Answer]) -> Callable[Concatenate[str, RunStore, _Rest], _Answer]:
    """Wraps a function that executes a run, so that the run is followed. Nothing that goes wrong here is the run's affair."""

    @functools.wraps(execute)
    def followed(run_id: str, store: RunStore, *rest: _Rest.args, **named: _Rest.kwargs) -> _Answer:
        server = os.environ.get(VARIABLE)
        if not server:
            return execute(run_id, store, *rest, **named)
        _follow(run_id, store, server)
        try:
            return execute(run_id, store, *rest, **named)
        finally:
            _follow(run_id, store, server, anew=False)

    return followed


def marked(run_id: str, store: RunStore) -> None:
    """Lets MLflow hear what people have just written on a run, also on one that has ended; nothing that goes wrong here is theirs."""
    if server := os.environ.get(VARIABLE):
        _follow(run_id, store, server)


def _follow(run_id: str, store: RunStore, server: str, anew: bool = True) -> None:
    try:
        if find_spec("mlflow") is None:
            if anew:
                store.log(run_id, MISSING)
            return
        files = place(store.url, server)
        files.folder.mkdir(parents=True, exist_ok=True)
        if anew:
            files.note(run_id).touch()
        if files.note(run_id).exists() and not _served(files):
            _start(files, store)
    except Exception:
        _log.exception("run %s cannot be followed to MLflow", run_id)


def _served(files: Place) -> bool:
    lock = FileLock(files.lock, fallback_to_soft=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def _start(files: Place, store: RunStore) -> None:
    """In a session of its own, for whoever ends the run's process group is not to end this; where a run is, relative paths of the
    server's address mean the same."""
    if files.log.exists() and files.log.stat().st_size > LOG_BYTES:
        files.log.unlink()
    environment = {**os.environ, "ENCORE_HOME": str(settings().home.absolute()), "ENCORE_STORE": store.url, "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    with files.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "engine", "mirror", "--artifacts", str(store.artifacts)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    if hasattr(os, "setpriority"):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
    # Somebody has to take the exit status, or it stays as a zombie while this process lives.
    threading.Thread(target=process.wait, name="mirror-reaper", daemon=True).start()
