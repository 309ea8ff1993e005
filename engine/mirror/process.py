"""The process that follows runs: it talks about each of them with the server, by one request a second and run at most."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from sqlalchemy.exc import OperationalError

from engine.mirror.follow import VARIABLE, Place, place
from engine.store import ACTIVE, RunStore

if TYPE_CHECKING:
    from mlflow import MlflowClient

SECOND, LOCAL = 1.0, 0.2
"""Seconds from one request about a run to the next: to a server, and to a database or folder of this machine."""
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0
"""Seconds until a conversation that failed is begun anew; each failure doubles them."""
IDLE = 120.0
"""The process leaves when no request has gone through for so long and no run is active; sooner under a shorter ENCORE_IDLE."""
# A request that hangs is given up soon, for it is repeated anyway; and nothing is reported to anybody but the server.
CALM = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20", "MLFLOW_DISABLE_TELEMETRY": "true"}
CALM |= {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}

_log = logging.getLogger("encore.mirror")


def serve(store: RunStore, idle: float | None = None) -> None:
    """Mirrors the noted runs of a store to the server of MLFLOW_TRACKING_URI until there is nothing more to tell; returns at once
    where another process does so."""
    server = os.environ[VARIABLE]
    files = place(store.url, server)
    files.folder.mkdir(parents=True, exist_ok=True)
    known: list[str] = []
    # Whoever notes a run while the lock is still held leaves it to us: hence a look after its release.
    while set(files.notes()) - set(known):
        lock = FileLock(files.lock, fallback_to_soft=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return
        try:
            pace = SECOND if server.startswith(("http", "databricks")) else LOCAL
            known = Mirror(files, store, connect(server), _idle() if idle is None else idle, pace).work()
        finally:
            lock.release()


def _idle() -> float:
    told = os.environ.get("ENCORE_IDLE", "")
    return min(IDLE, float(told)) if told.isdigit() else IDLE


def connect(server: str) -> MlflowClient:
    """A client of the server; no request is made yet."""
    for name, value in CALM.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=server)


@dataclass
class Talk:
    """One conversation, and when it goes on.

    Attributes:
        steps: each step makes one request; see `engine.mirror.conversation`.
        due: by the monotonic clock.
        failures: in a row.
    """

    steps: Iterator[None]
    due: float = 0.0
    failures: int = 0


@dataclass
class Mirror:
    """Follows every run that is noted in `files`."""

    files: Place
    store: RunStore
    client: MlflowClient
    idle: float = IDLE
    pace: float = SECOND
    talks: dict[str, Talk] = field(default_factory=dict)

    def work(self) -> list[str]:
        """Goes on until nothing has moved for `idle` seconds and no run is active.

        Returns:
            Ids of the runs that are still noted: the server could not be told all of them.
        """
        busy = time.monotonic()
        while time.monotonic() - busy < self.idle or self.active():
            for run_id in self.files.notes():
                if run_id not in self.talks:
                    self.talks[run_id] = Talk(self.begin(run_id))
            moved = [self.go_on(run_id, talk) for run_id, talk in [*self.talks.items()] if time.monotonic() >= talk.due]
            if any(moved):
                busy = time.monotonic()
            time.sleep(min(0.2, self.pace))
        return self.files.notes()

    def begin(self, run_id: str) -> Iterator[None]:
        from engine.mirror.conversation import converse

        return converse(run_id, self.store, self.client)

    def active(self) -> bool:
        """Whether a run that is followed may still have something to tell."""
        try:
            return any(run.id in self.talks for run in self.store.list(states=ACTIVE))
        except OperationalError:
            return False

    def go_on(self, run_id: str, talk: Talk) -> bool:
        """One step of a conversation; tells whether it went through."""
        talk.due = time.monotonic() + self.pace
        try:
            next(talk.steps)
        except StopIteration:
            del self.talks[run_id]
            self.files.note(run_id).unlink(missing_ok=True)
        except Exception as error:
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**talk.failures)
            self.talks[run_id] = Talk(self.begin(run_id), time.monotonic() + pause, talk.failures + 1)
            self.told(run_id, error)
            return False
        talk.failures = 0
        return True

    def told(self, run_id: str, error: Exception) -> None:
        """A failure stands in the run's log once, in one sentence, and in the mirror's own each time."""
        _log.warning("run %s: %s", run_id, sentence(error))
        note = self.files.note(run_id)
        try:
            if note.exists() and not note.stat().st_size:
                self.store.log(run_id, f"MLflow does not have all of this run yet ({sentence(error)}). It is tried again; the run goes on.")
                note.write_text("told")
        except (OSError, OperationalError) as other:
            _log.warning("run %s cannot be told: %s", run_id, other)


def sentence(error: Exception) -> str:
    """The first line of an error, without the password of an address, and not too long."""
    said = (str(error).strip().splitlines() or [""])[0]
    said = re.sub(r"//[^/@\s]+@", "//", said)[:200].rstrip(" .:")
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
