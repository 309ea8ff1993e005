"""Which process is which: an identity that outlives pid reuse and clock jumps, and the killing of process groups."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""How much of how many microseconds the processes of a container may run, on Linux."""
GROUPS, GROUP_ROOT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
"""Which control groups this process is in, and where they are, on Linux."""
COUNTERS = Path("/proc/vmstat")
"""What Linux has counted since it started."""


class Identity(NamedTuple):
    """One process for all time.

    Attributes:
        host: the machine's network name.
        pid: process id; the kernel gives it to another process one day.
        started: when the process began, as the kernel counts it: boot id and ticks since boot on Linux, which stay
            the same when somebody sets the clock; seconds since 1970 elsewhere.
    """

    host: str
    pid: int
    started: str


def identify(pid: int) -> Identity | None:
    """The process that has this pid on this machine now; None if there is none, or only its exit status is left."""
    try:
        started = _started_linux(pid) if Path("/proc/self/stat").exists() else _started_elsewhere(pid)
    except (OSError, psutil.NoSuchProcess):
        return None
    return None if started is None else Identity(platform.node(), pid, started)


def current() -> Identity:
    """The identity of the calling process."""
    identity = identify(os.getpid())
    if identity is None:
        raise RuntimeError("the operating system does not tell when this process started")
    return identity


def alive(identity: Identity) -> bool | None:
    """Whether the process still runs; None if it is on another machine, where we cannot look."""
    if identity.host != platform.node():
        return None
    return identify(identity.pid) == identity


def cores() -> int:
    """Cores that this process may use: those it may run on, and no more than a container's share of their time."""
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = CPU_QUOTA.read_text().split()
        return mine if quota == "max" else max(1, min(mine, round(int(quota) / int(period))))
    except (OSError, ValueError):
        return mine


def oom_kills() -> int | None:
    """How many processes the kernel has killed for lack of memory since it started; None where it does not tell."""
    try:
        lines = COUNTERS.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    except (OSError, ValueError, StopIteration):
        return None


def memory_there() -> int:
    """Bytes of memory that this process and its children may use: the machine's, or a container's share of it."""
    limits = [int(psutil.virtual_memory().total)]
    for group in _control_groups():
        for name in ("memory.max", "memory.limit_in_bytes"):
            with contextlib.suppress(OSError, ValueError):
                limits.append(int((group / name).read_text()))
    return min(limits)


def _control_groups() -> Iterator[Path]:
    """Folders of the groups that this process is in, and of those that they are in, where Linux keeps what they may use."""
    try:
        lines = GROUPS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, kinds, place = line.split(":", 2)
        if kinds in ("", "memory"):
            inner = GROUP_ROOT / kinds / place.lstrip("/")
            yield from (folder for folder in (inner, *inner.parents) if folder.is_relative_to(GROUP_ROOT))


def kill_group(identity: Identity) -> None:
    """Kill the process and, where it leads a process group, all of the group; a process that is gone is no error.

    Members that outlive their leader are killed too: the kernel gives no pid away that still names a group.
    """
    now = identify(identity.pid)
    if identity.host != platform.node() or (now is not None and now != identity):
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if not hasattr(os, "killpg"):
            if now is not None:
                os.kill(identity.pid, signal.SIGTERM)
        elif now is None or os.getpgid(identity.pid) == identity.pid:
            if _boot(identity.started) == _boot(current().started):
                os.killpg(identity.pid, signal.SIGKILL)
        else:
            os.kill(identity.pid, signal.SIGKILL)


def _boot(started: str) -> str:
    return started.partition("-")[0] if "-" in started else ""


def _started_linux(pid: int) -> str | None:
    # The command's name may hold spaces and parentheses; the fields after its last parenthesis may not.
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    if fields[0] in (b"Z", b"X"):
        return None
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    except OSError:
        boot = ""
    return f"{boot}-{int(fields[19])}"


def _started_elsewhere(pid: int) -> str | None:
    process = psutil.Process(pid)
    return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
