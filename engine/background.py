"""The daemon: one detached process per store that gives every queued run a process of its own.

Pages and CLI only insert rows and call `ensure_daemon`. The daemon holds a file lock that the kernel frees when it dies;
its runs live on without it and are adopted by the next one. Runs are forked from a server that has torch imported, so
that they start in hundredths of a second, and one that dies takes nobody with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy.exc import OperationalError

from engine import processes
from engine.babysitter import Job, babysit, warm
from engine.errors import InputError
from engine.settings import Settings, settings
from engine.store import Run, RunStore
from engine.store.database import absolute

LOG_BYTES = 2_000_000
LOCK_SECONDS = 5.0
"""A new daemon waits so long for its predecessor, which may be leaving, before it concludes that it is one too many."""

FOREIGN_SECONDS = 60.0
"""A run on another host counts as lost when its heartbeat has stood still so long; on this host we look at its process."""

_log = logging.getLogger("encore.daemon")
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Place:
    """The daemon's files for one store: they lie in the home folder and bear a digest of the store's URL."""

    home: Path
    key: str

    @property
    def lock(self) -> Path:
        """Held by the daemon that serves the store."""
        return self.home / f"daemon-{self.key}.lock"

    @property
    def launch(self) -> Path:
        """Held for a moment by who starts a daemon."""
        return self.home / f"daemon-{self.key}.launch"

    @property
    def status(self) -> Path:
        """Who serves the store, and whether torch is loaded."""
        return self.home / f"daemon-{self.key}.json"

    @property
    def log(self) -> Path:
        """What the daemon and its runs print."""
        return self.home / "daemon.log"


def place(where: Settings) -> Place:
    """The files of the daemon that serves these settings' store; the home folder is made."""
    home = where.home.absolute()
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {home} cannot be made: {error.strerror}. Let ENCORE_HOME name another.") from error
    return Place(home, hashlib.sha256(absolute(where.store_url).encode()).hexdigest()[:8])


def daemon_state(where: Settings | None = None) -> str:
    """ "ready" (a run starts at once), "starting" (torch is being loaded), or "down". Takes well under a millisecond."""
    status = _status(place(where or settings()))
    if status is None:
        return "down"
    return "ready" if status["ready"] else "starting"


def daemon_alive(where: Settings | None = None) -> bool:
    """Whether a daemon serves the store or is about to."""
    return daemon_state(where) != "down"


def ensure_daemon(where: Settings | None = None, command: Sequence[str] | None = None) -> str:
    """Start a daemon unless one lives. Returns at once; call it when the app opens and after each insertion.

    Args:
        where: the settings to serve; those in force by default.
        command: what to start instead of `python -m engine daemon`.

    Returns:
        The daemon's state, "starting" if this call started it.
    """
    where = where or settings()
    files = place(where)
    if (state := daemon_state(where)) != "down":
        return state
    with FileLock(files.launch, timeout=10):
        if (state := daemon_state(where)) != "down":
            return state
        _bound(files.log)
        environment = {**os.environ, "ENCORE_HOME": str(files.home), "ENCORE_STORE": absolute(where.store_url)}
        if where.data is not None:
            environment["ENCORE_DATA"] = str(where.data.absolute())
        with files.log.open("ab") as log:
            process = subprocess.Popen(
                command or [sys.executable, "-m", "engine", "daemon"],
                cwd=_ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        # Somebody has to take the exit status, or a dead daemon stays as a zombie while this process lives.
        threading.Thread(target=process.wait, name="daemon-reaper", daemon=True).start()
        identity = processes.identify(process.pid)
        if identity is not None:
            _announce(files, identity, ready=False)
    return "starting"


def reconcile(store: RunStore, *, daemon: bool | None = None) -> list[Run]:
    """Make the states true: settle the runs that say they are running while their process is gone.

    Args:
        store: the runs.
        daemon: whether a daemon lives; by default we look. If so, its own runs are left to it, who knows their end within
            a second; if not, a lost run becomes `crashed`, from where a person can resume it. So call `ensure_daemon`
            first where a daemon is to be started anyway: it goes on with what its predecessor lost.

    Returns:
        The runs whose state has changed.
    """
    if daemon is None:
        daemon = daemon_alive(replace(settings(), store_url=store.url))
    lost = []
    for run in store.list(states=("queued", "running")):
        foreground = run.queue == "foreground"
        if (daemon and not foreground) or (run.state == "queued" and not foreground):
            continue
        if _lost(run, abs(time.time() - (run.heartbeat or run.created))):
            lost.append(store.lose(run, "The process that trained it is gone.", requeue=False))
    return [run for run in lost if run is not None]


def serve(where: Settings, *, job: Job | None = None, slots: int | None = None, idle: float | None = None) -> None:
    """Be the daemon of a store until told to leave (SIGTERM, SIGINT) or idle for long; return at once if there is one.

    Args:
        where: home folder, store and artifacts.
        job: how runs are started; made from `where` by default.
        slots: runs at a time; default ENCORE_SLOTS, else half the cores.
        idle: leave after so many seconds without a run; default ENCORE_IDLE, else 1800.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    slots = slots or _number("ENCORE_SLOTS", max(1, cores // 2))
    idle = _number("ENCORE_IDLE", 1800) if idle is None else idle
    files = place(where)
    # No soft lock where the file system knows no other: it would outlive a kill.
    lock = FileLock(files.lock, fallback_to_soft=False)
    try:
        lock.acquire(timeout=LOCK_SECONDS)
    except Timeout:
        _log.info("another daemon serves this store")
        return
    try:
        job = job or Job(absolute(where.store_url), str(where.artifacts.absolute()), threads=max(1, cores // slots))
        Daemon(files, RunStore(where.store_url, where.artifacts), job, slots, idle).serve()
    finally:
        _retract(files)
        lock.release()


class Daemon:
    """The loop of the one that holds the lock."""

    def __init__(self, files: Place, store: RunStore, job: Job, slots: int, idle: float) -> None:
        self.files, self.store, self.job, self.slots, self.idle = files, store, job, slots, idle
        self.held: dict[str, Future[None]] = {}
        # Threads only wait for processes; adopted runs may be more than there are slots.
        self.executor = ThreadPoolExecutor(max_workers=512, thread_name_prefix="babysit")
        self.leave = threading.Event()
        self.ready = False
        self.pulses: dict[str, tuple[float | None, float]] = {}

    def serve(self) -> None:
        """Loop until told to leave or idle. Ends the process itself where runs live on, for Python would wait for them."""
        self._announce()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: self.leave.set())
        warming = self.executor.submit(warm, self.job)
        warming.add_done_callback(self._warmed)
        _log.info("serving %s with %d slots", self.files.home, self.slots)
        code = _code()
        busy = time.monotonic()
        looked = 0.0
        while not self.leave.wait(0.1):
            try:
                if time.monotonic() - looked > 1.0:
                    looked = time.monotonic()
                    self._adopt()
                    self._announce()  # again, for a launcher that was slow may have written over it
                    _bound(self.files.log)
                    if self.ready and not self.held and _code() != code:
                        _log.info("the code has changed: starting anew")
                        logging.shutdown()
                        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
                if self._submit() or self.held:
                    busy = time.monotonic()
            except OperationalError as error:
                _log.warning("the database does not answer: %s", error.orig)
                self.leave.wait(1.0)
            if time.monotonic() - busy > self.idle or not self.files.lock.exists():
                # Who inserts a run after this looks for a daemon, finds none and starts one.
                _retract(self.files)
                if not self.files.lock.exists() or not self.store.waiting(1):
                    break
                busy = time.monotonic()
        _log.info("leaving %d runs to the next daemon", len(self.held))
        if self.held or not warming.done():
            _retract(self.files)
            logging.shutdown()
            os._exit(0)
        self.executor.shutdown()

    def _warmed(self, done: Future[None]) -> None:
        if error := done.exception():
            _log.error("the run server does not start: %s", error)
            return
        self.ready = True
        _log.info("ready")
        if not self.leave.is_set():
            self._announce()

    def _announce(self) -> None:
        identity = processes.current()
        if self.files.home.exists() and _status(self.files) != {"process": [*identity], "ready": self.ready}:
            _announce(self.files, identity, ready=self.ready)

    def _adopt(self) -> None:
        """Take over the runs of a dead predecessor that live, settle those that do not, and foreground ones likewise."""
        for run in self.store.list(states=("running", "queued")):
            if run.id in self.held or (run.state == "queued" and run.queue == "daemon"):
                continue
            if _lost(run, self._still(run)):
                self.store.lose(run, "The run's process was lost.")
                if run.process is not None and run.queue == "daemon":
                    processes.kill_group(run.process)
            elif run.queue == "daemon" and run.process is not None and processes.alive(run.process):
                _log.info("adopting %s", run.name)
                self._hold(run.id, run.process)

    def _still(self, run: Run) -> float:
        """For how many seconds, by our own clock, the heartbeat has not changed: the hosts' clocks may differ or jump."""
        heartbeat, since = self.pulses.get(run.id, (None, 0.0))
        if run.id not in self.pulses or heartbeat != run.heartbeat:
            self.pulses[run.id] = (run.heartbeat, time.monotonic())
            return 0.0
        return time.monotonic() - since

    def _submit(self) -> bool:
        """Start waiting runs while slots are free, and tell whether any run waits."""
        for run_id, future in [*self.held.items()]:
            if future.done():
                del self.held[run_id]
                self.pulses.pop(run_id, None)
                if error := future.exception():
                    _log.error("run %s could not be looked after: %r", run_id, error)
                    run = self.store.find(run_id)
                    if run is not None and run.state == "queued":
                        self.store.lose(run, f"The run's process could not be started ({error}).")
        waiting = [run_id for run_id in self.store.waiting(self.slots + len(self.held)) if run_id not in self.held]
        for run_id in waiting[: max(0, self.slots - len(self.held))]:
            self._hold(run_id, None)
        return bool(waiting)

    def _hold(self, run_id: str, process: processes.Identity | None) -> None:
        self.held[run_id] = self.executor.submit(babysit, run_id, self.job, process)


def _lost(run: Run, still: float) -> bool:
    """Whether the run's process is gone: we look, or, on another host, count the seconds since its last sign."""
    alive = None if run.process is None else processes.alive(run.process)
    return still > FOREIGN_SECONDS if alive is None else not alive


def _status(files: Place) -> dict[str, object] | None:
    """What a living daemon wrote, or None."""
    try:
        status = json.loads(files.status.read_text())
        identity = processes.Identity(*status["process"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return status if processes.alive(identity) else None


def _announce(files: Place, identity: processes.Identity, *, ready: bool) -> None:
    temporary = files.status.with_suffix(f".{secrets.token_hex(4)}.tmp")
    temporary.write_text(json.dumps({"process": identity, "ready": ready}))
    temporary.replace(files.status)


def _retract(files: Place) -> None:
    """Say no longer that this process serves; another's word stays."""
    status = _status(files)
    if status is not None and status["process"] == [*processes.current()]:
        files.status.unlink(missing_ok=True)


def _code() -> int:
    """A number that changes when the engine's code does."""
    return max(file.stat().st_mtime_ns for file in Path(__file__).parent.rglob("*.py"))


def _bound(log: Path) -> None:
    """Keep a log from growing for ever: the old half goes to a second file. Writers append, so they go on at the new end."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LOG_BYTES:
            log.with_suffix(".old.log").write_bytes(log.read_bytes())
            os.truncate(log, 0)


def _number(variable: str, default: int) -> int:
    text = os.environ.get(variable)
    if not text:
        return default
    if not text.isdigit() or int(text) < 1:
        raise InputError(f"{variable} is '{text}': give a whole number from 1 up.")
    return int(text)
