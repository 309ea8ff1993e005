"""To find the daemon of a store, and to start one where there is none or an older one is idle."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from functools import cache

from filelock import FileLock, Timeout

from engine import cluster, processes
from engine.background import slots
from engine.background.place import CODE, Place, Standing, announce, bound, code_version, place, standing
from engine.errors import InputError
from engine.settings import Settings, settings
from engine.store.urls import absolute

LAUNCH_SECONDS = 10.0
"""Who starts a daemon waits so long for somebody else who is just doing so, and a daemon that failed is not started again before."""
_version = cache(code_version)
_failed: dict[Place, tuple[float, int]] = {}
"""When, by the monotonic clock, a daemon that this process started failed to start, and its exit code."""


def daemon_state(where: Settings | None = None) -> str:
    """ "ready" (torch is loaded), "starting" (torch is being loaded), or "down". Takes well under a millisecond."""
    said = standing(place(where or settings()))
    if said is None:
        return "down"
    return "ready" if said.ready else "starting"


def daemon_alive(where: Settings | None = None) -> bool:
    """Whether a daemon serves the store or is about to."""
    return daemon_state(where) != "down"


def daemon_process(where: Settings | None = None) -> int | None:
    """The process id of the daemon that serves the store, None where there is none."""
    said = standing(place(where or settings()))
    return None if said is None else said.process.pid


def trouble(where: Settings | None = None) -> str:
    """Why the daemon can start no runs, as one sentence; empty where it can, or where there is no daemon."""
    said = standing(place(where or settings()))
    return "" if said is None else said.trouble


def slots_now(where: Settings | None = None) -> tuple[str, ...]:
    """What runs can run on: as the daemon says, and where none lives as far as it is set."""
    where = where or settings()
    said = standing(place(where))
    if said is not None and (said.slots or said.trouble):
        return said.slots
    try:
        return () if cluster.check(where) else slots.slots(os.environ.get(slots.SETTING, ""), 0)
    except InputError:
        return ()


def ensure_daemon(where: Settings | None = None, command: Sequence[str] | None = None) -> str:
    """Start a daemon unless one lives, and wake the one that does; an idle one of older code is replaced.

    Returns at once; call it when the app opens and after each insertion.

    Args:
        where: the settings to serve; those in force by default.
        command: what to start instead of `python -m engine daemon`.

    Returns:
        The daemon's state, "starting" if this call started it.

    Raises:
        InputError: ENCORE_SLOTS or ENCORE_EXECUTOR is wrong; the last daemon failed to start just now; or the one that lives has
            other artifacts, or trains runs elsewhere.
    """
    where = where or settings()
    files = place(where)
    if state := _served(files, where):
        return state
    slots.check_setting(cluster.check(where))
    try:
        with FileLock(files.launch, timeout=LAUNCH_SECONDS):
            if state := _served(files, where):
                return state
            return _launch(files, where, command)
    except Timeout:
        return "starting"  # somebody else has been at it for long
    except OSError as error:
        raise InputError(
            f"The background engine cannot be started: {error.strerror or error} ({error.filename or files.folder})."
        ) from error


def _served(files: Place, where: Settings) -> str | None:
    """The state of the daemon that serves the store; None where one is to be started."""
    said = standing(files)
    if said is None:
        _raise_if_failed(files)
        return None
    if said.artifacts and said.artifacts != str(where.artifacts.absolute()):
        raise InputError(
            f"The run store {files.folder} is served by an engine that keeps its artifacts in {said.artifacts}, not in "
            f"{where.artifacts.absolute()}: give both the same ENCORE_HOME, or let ENCORE_STORE name another store."
        )
    other = said.executor != where.executor
    if other and said.busy:
        raise InputError(
            f"Runs of this store wait or are trained by an engine whose executor is {said.executor}, but ENCORE_EXECUTOR is "
            f"{where.executor}: let them end, or stop them, and it is replaced."
        )
    if other or (said.code is not None and said.ready and not said.busy and said.code < _version()):
        with contextlib.suppress(OSError):
            os.kill(said.process.pid, signal.SIGTERM)  # the new one waits until it has left
        return None
    if said.wakes and said.ready:
        with contextlib.suppress(OSError):
            os.kill(said.process.pid, signal.SIGUSR1)
    return "ready" if said.ready else "starting"


def _launch(files: Place, where: Settings, command: Sequence[str] | None) -> str:
    bound(files.log)
    environment = {**os.environ, "ENCORE_HOME": str(files.home), "ENCORE_STORE": absolute(where.store_url)}
    if where.data is not None:
        environment["ENCORE_DATA"] = str(where.data.absolute())
    with files.log.open("ab") as log:
        process = subprocess.Popen(
            command or [sys.executable, "-m", "engine", "daemon"],
            cwd=CODE.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    # Somebody has to take the exit status, or a dead daemon stays as a zombie while this process lives.
    threading.Thread(target=_reap, args=(process, files), name="daemon-reaper", daemon=True).start()
    identity = processes.identify(process.pid)
    if identity is not None:
        announce(files, Standing(identity, executor=where.executor))
    return "starting"


def _reap(process: subprocess.Popen[bytes], files: Place) -> None:
    code = process.wait()
    if code > 0:
        _failed[files] = (time.monotonic(), code)
    else:
        _failed.pop(files, None)


def _raise_if_failed(files: Place) -> None:
    """Raises InputError where a daemon failed a moment ago: to start one at every look would only take the machine's time."""
    since, code = _failed.get(files, (0.0, 0))
    if code and time.monotonic() - since < LAUNCH_SECONDS:
        told: list[str] = []
        with contextlib.suppress(OSError):
            told = files.log.read_text(errors="replace").split("\n")[-20:]
        last = next((line.strip()[:300] for line in reversed(told) if line.strip()), "it does not say why")
        raise InputError(f"The background engine does not start (exit code {code}); the end of {files.log} is: {last}")
