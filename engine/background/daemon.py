"""The daemon's loop: adopt what lives, settle what is lost, start what waits, and leave after idling."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import psutil
from filelock import FileLock, Timeout
from sqlalchemy.exc import OperationalError

from engine import cluster, processes
from engine.babysitter import Job, babysit, warm
from engine.background import slots
from engine.background.bell import Bell
from engine.background.place import Place, Standing, announce, bound, code_version, place, retract, standing, tidy
from engine.background.truth import FOREIGN_SECONDS, SILENT_SECONDS, Pulses
from engine.cluster import Cluster
from engine.errors import InputError
from engine.settings import Settings
from engine.store import RunStore
from engine.store.urls import absolute

LOCK_SECONDS = 5.0
"""A new daemon waits so long for its predecessor, which may be leaving, before it concludes that it is one too many."""
TICK = 0.1
"""Seconds between two looks at the queue, unless somebody wakes the daemon."""
LOOK = 1.0
"""Seconds between two looks at everything else."""
REST = 1.0
"""Seconds of rest after something went wrong."""

_log = logging.getLogger("encore.daemon")


class Held(NamedTuple):
    """A run that is looked after, and the slot that it takes."""

    end: Future[None]
    slot: str


def serve(
    where: Settings, *, job: Job | None = None, at_once: int | None = None, idle: float | None = None, patience: float = LOCK_SECONDS
) -> None:
    """Be the daemon of a store until told to leave (SIGTERM, SIGINT) or idle for long; return at once if there is one.

    Args:
        where: home folder, store and artifacts.
        job: how runs are started; made from `where` by default.
        at_once: runs at a time, on the CPU; by default as ENCORE_SLOTS says.
        idle: leave after so many seconds without a run; default ENCORE_IDLE, else 1800.
        patience: seconds to wait for a predecessor that may be leaving.

    Raises:
        InputError: ENCORE_SLOTS, ENCORE_EXECUTOR or ENCORE_IDLE is wrong, or the store cannot be opened.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)
    chosen = tuple(f"cpu/{number}" for number in range(1, at_once + 1)) if at_once else None
    distant = cluster.check(where)
    if chosen is None:
        slots.check_setting(distant)
    idle = _number("ENCORE_IDLE", 1800) if idle is None else idle
    files = place(where)
    # No soft lock where the file system knows no other: it would outlive a kill.
    lock = FileLock(files.lock, fallback_to_soft=False)
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        _log.info("another daemon serves this store")
        return
    try:
        tidy(files)
        job = job or Job(absolute(where.store_url), str(where.artifacts.absolute()))
        workers = Cluster(where.executor, cluster.abroad(job, where), slots.given_to_cluster()) if distant else None
        Daemon(files, RunStore(where.store_url, where.artifacts), job, chosen, idle, workers).serve()
    finally:
        retract(files)
        lock.release()


class Daemon:
    """The loop of the one that holds the lock.

    Args:
        chosen: the slots; None to find them when the server of runs tells how many GPUs there are.
        idle: seconds without a run after which it leaves.
        workers: where runs are trained, if not here.
    """

    def __init__(
        self, files: Place, store: RunStore, job: Job, chosen: tuple[str, ...] | None, idle: float, workers: Cluster | None = None
    ) -> None:
        self.files, self.store, self.job, self.idle = files, store, job, idle
        self.workers, self.office, self.serving = workers, store.office(), False
        self.elsewhere: list[str] = []  # slots of runs on the cluster that no future tells of, for a former daemon has begun them
        self.slots, self.found = chosen or (), chosen is not None
        self.held: dict[str, Held] = {}
        # Threads only wait for processes; adopted runs may be more than there are slots.
        self.executor = ThreadPoolExecutor(max_workers=512, thread_name_prefix="babysit")
        self.bell, self.leave, self.ended = Bell(), threading.Event(), threading.Event()
        self.leaving = self.ready = self.waits = False
        self.pulses = Pulses()
        self.code = self.seen = code_version()
        self.looked = 0.0

    def serve(self) -> None:
        """Loop until told to leave or idle. Ends the process itself where runs live on, for Python would wait for them."""
        self._reap_predecessors()
        with contextlib.suppress(OSError):
            self._announce()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: self._leave())
            if hasattr(signal, "SIGUSR1"):
                signal.signal(signal.SIGUSR1, lambda *_: self.bell.ring())
        warming = self.executor.submit(self._warm if self.workers is None else self._ask_workers)
        threading.Thread(target=self._conduct, name="sweeps", daemon=True).start()
        _log.info("serving %s", self.files.folder)
        busy = time.monotonic()
        while not self.leaving:
            self.bell.wait(TICK)
            try:
                self._turn()
            except OperationalError as error:
                _log.warning("the database does not answer: %s", error.orig)
                time.sleep(REST)
            except Exception:
                # Whatever it was, runs must not be left alone for it.
                _log.exception("something went wrong; going on")
                time.sleep(REST)
            if self.held or self.elsewhere or self.waits:
                busy = time.monotonic()
            if (time.monotonic() - busy > self.idle or not self.files.lock.exists()) and self._may_leave():
                break
        self.leave.set()
        _log.info("leaving %d runs to the next daemon", len(self.held))
        if self.held or not warming.done():
            retract(self.files)
            logging.shutdown()
            os._exit(0)
        self.executor.shutdown()
        self.office.leave()
        if self.workers is not None:
            self.workers.close()

    def _leave(self) -> None:
        """Leave after the present look. Called by a signal: it must take no lock, so that it cannot set `leave`."""
        self.leaving = True
        self.bell.ring()

    def _turn(self) -> None:
        """One look at everything that may have changed."""
        looks = time.monotonic() - self.looked > LOOK
        if looks:
            self.looked = time.monotonic()
            self.serving = self.office.held()  # while it is another machine's daemon's, this one stands by
            if self.serving:
                self._adopt()
            self.waits = self.serving and (self.store.anybody_waits() or self.store.any_sweep_runs())
        self._ask_workers()
        self._settle()
        if self.serving:
            self._submit()
        if not looks:
            return
        # Announced again, for a launcher that was slow may have written over it.
        for chore in (self.store.keep_reserve, lambda: bound(self.files.log), self._announce, self._renew):
            try:
                chore()
            except OSError as error:  # a full disk, most often: runs can do without
                _log.warning("something is left undone: %s", error)

    def _may_leave(self) -> bool:
        """Whether to leave now; who inserts a run after this looks for a daemon, finds none and starts one."""
        retract(self.files)
        if not self.files.lock.exists():
            return True  # the home was removed, or another may already hold a lock of this name
        try:
            self.waits = self.serving and (self.store.anybody_waits() or self.store.any_sweep_runs())
        except OperationalError:
            return True
        return not self.waits

    def _ask_workers(self) -> None:
        """See what there is room for on the cluster."""
        if self.workers is not None:
            self.slots, self.ready = self.workers.room.slots, not self.workers.trouble

    def _warm(self) -> None:
        """Have the server started that runs are forked from, and find the slots; once it fails, runs are tried all the same."""
        while not self.leave.is_set():
            try:
                gpus = warm(self.job)
            except Exception as error:
                _log.error("the run server does not start: %s", error)
                self._find_slots(0)
                self.leave.wait(REST)
                continue
            self._find_slots(gpus)
            self.ready = True
            self.looked = 0.0
            self.bell.ring()
            _log.info("ready, with slots %s of %d threads", ", ".join(self.slots), self.job.threads)
            return

    def _conduct(self) -> None:
        """Lead the sweeps, beside the loop: a run that waits for a free slot shall not wait for Optuna."""
        from engine.sweeps.conductor import conduct  # pages import this module, and need no pandas for it

        conduct(self.store, lambda: len(self.slots), lambda: self.serving, wake=self.ended, leave=self.leave, told=self.bell.ring)

    def _find_slots(self, gpus: int) -> None:
        if not self.found:
            self.slots = slots.slots(os.environ.get(slots.SETTING, ""), gpus)
            self.job = replace(self.job, threads=slots.threads(self.slots))

    def _announce(self) -> None:
        wakes = hasattr(signal, "SIGUSR1") and threading.current_thread() is threading.main_thread()
        busy, artifacts = bool(self.held or self.elsewhere or self.waits), str(self.store.artifacts)
        where, trouble = (self.workers.address, self.workers.trouble) if self.workers else (cluster.LOCAL, "")
        said = Standing(processes.current(), self.ready, wakes, busy, self.code, self.slots, artifacts, where, trouble)
        if self.files.folder.exists() and standing(self.files) != said:
            announce(self.files, said)

    def _renew(self) -> None:
        """Begin anew when the code has changed and stands still; runs live on and are adopted. While nothing waits, they are waited for."""
        now, before = code_version(), self.seen
        self.seen = now
        if now in (self.code, 0) or now != before or not self.ready or (self.held and not self.waits):
            return
        _log.info("the code has changed: starting anew")
        # Who would wake it on the word of before must not end it while it has no handlers yet.
        if hasattr(signal, "SIGUSR1"):
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        self.ready = False
        with contextlib.suppress(OSError):
            self._announce()
        logging.shutdown()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])

    def _reap_predecessors(self) -> None:
        """Take the exit status of processes that this one started in its life before it began anew, when they end."""
        for child in psutil.Process().children():
            threading.Thread(target=_reap, args=(child.pid,), name="reaper", daemon=True).start()

    def _adopt(self) -> None:
        """Take over the runs of a dead predecessor that live, settle those that do not, and foreground ones likewise."""
        found = [*self.store.list(states=("running",)), *self.store.list(states=("queued",), queue="foreground")]
        self.pulses.look()
        for run in found:
            if run.id in self.held and (self.workers is None or self.pulses.still(run) < SILENT_SECONDS):
                continue  # whoever looks after it knows better
            if self.pulses.lost(run, FOREIGN_SECONDS if self.workers is None else SILENT_SECONDS):
                self.store.lose(run, "The run's process was lost.")
                self.pulses.forget(run.id)
                if run.id in self.held:
                    self.held.pop(run.id).end.cancel()
                if run.process is not None and run.queue == "daemon":
                    processes.kill_group(run.process)
            elif run.id not in self.held and run.queue == "daemon" and run.process is not None and processes.alive(run.process):
                _log.info("adopting %s", run.name)
                self._hold(run.id, run.slot or "cpu/0", run.process)
        if self.workers is not None:
            self.elsewhere = [run.slot or "cpu/0" for run in found if run.queue == "daemon" and run.id not in self.held]

    def _settle(self) -> None:
        """Let go of runs whose processes have ended."""
        for run_id, (end, _) in [*self.held.items()]:
            if not end.done():
                continue
            if not end.cancelled() and (error := end.exception()):  # it is cancelled when the connection to a cluster is lost
                _log.error("run %s could not be looked after: %r", run_id, error)
                run = self.store.find(run_id)
                if run is not None and run.state == "queued":
                    why = str(error) if isinstance(error, InputError) else f"The run's process could not be started ({error})."
                    self.store.lose(run, why)
            del self.held[run_id]
            self.pulses.forget(run_id)
            self.ended.set()

    def _submit(self) -> None:
        """Start waiting runs, in turn, while slots are free."""
        free = slots.free(self.slots, [*(held.slot for held in self.held.values()), *self.elsewhere])
        for one in self.store.waiting() if free else ():
            if one.id in self.held:
                continue
            slot = slots.fitting(one.device, free, self.slots)
            if slot is not None and self.store.assign(one.id, slot):
                free.remove(slot)
                self._hold(one.id, slot)
            if not free:
                break

    def _hold(self, run_id: str, slot: str, process: processes.Identity | None = None) -> None:
        if self.workers is None or process is not None:
            end = self.executor.submit(babysit, run_id, self.job, process)
        else:
            end = self.workers.submit(run_id, slot)
        self.held[run_id] = Held(end, slot)


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _number(variable: str, default: int) -> int:
    text = os.environ.get(variable)
    if not text:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"{variable} is '{text}': give a whole number from 1 up.")
    return int(text)
