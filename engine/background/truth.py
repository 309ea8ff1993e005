"""Whether runs that say so are running: by their processes, never by the clock on the wall, which jumps."""

from __future__ import annotations

import time
from dataclasses import replace

from engine import processes
from engine.background.launch import daemon_alive
from engine.settings import settings
from engine.store import Run, RunStore

FOREIGN_SECONDS = 60.0
"""A run on another host counts as lost when its heartbeat has stood still so long; on this host we look at its process."""


SILENT_SECONDS = 15.0
"""The same on a cluster, whose workers say every other second that a run lives: it does not outlive its worker."""
AWAY_SECONDS = 5.0
"""Who has not looked for so long, for the database was away or he himself was stopped, has seen no heartbeat stand still."""


class Pulses:
    """For how long heartbeats have stood still, by our own clock: the hosts' clocks may differ or jump."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[float | None, float]] = {}
        self.looked = 0.0

    def look(self) -> None:
        """For who looks all the time: now all runs have been read anew."""
        if time.monotonic() - self.looked > AWAY_SECONDS:
            self.seen.clear()
        self.looked = time.monotonic()

    def still(self, run: Run) -> float:
        """Seconds since this run's heartbeat was first seen as it is; 0 at the first look."""
        now = time.monotonic()
        heartbeat, since = self.seen.get(run.id, (None, now))
        if run.id not in self.seen or heartbeat != run.heartbeat:
            self.seen[run.id] = (run.heartbeat, now)
            return 0.0
        return now - since

    def forget(self, run_id: str) -> None:
        """This run is looked at no more."""
        self.seen.pop(run_id, None)

    def lost(self, run: Run, patience: float = FOREIGN_SECONDS) -> bool:
        """Whether the run's process is gone: we look, or, on another host, count the seconds since its last sign."""
        alive = None if run.process is None else processes.alive(run.process)
        return self.still(run) > patience if alive is None else not alive


_pulses = Pulses()


def reconcile(store: RunStore, *, daemon: bool | None = None) -> list[Run]:
    """Make the states true: settle the runs that say they are running while their process is gone.

    Args:
        store: the runs.
        daemon: whether a daemon lives; by default we look. If so, its own runs are left to it, who knows their end within
            a second; if not, a lost run becomes `crashed`, from where a person can resume it.

    Returns:
        The runs whose state has changed.
    """
    if daemon is None:
        daemon = daemon_alive(replace(settings(), store_url=store.url))
    lost = []
    for run in [*store.list(states=("running",)), *store.list(states=("queued",), queue="foreground")]:
        if not (daemon and run.queue == "daemon") and _pulses.lost(run):
            lost.append(store.lose(run, "The process that trained it is gone.", then="crashed"))
            _pulses.forget(run.id)
    return [run for run in lost if run is not None]
