"""The daemon: one detached process per store that gives every queued run a process of its own.

Pages and CLI only insert rows and call `ensure_daemon`. The daemon holds a file lock that the kernel frees when it dies;
its runs live on without it and are adopted by the next one. Runs are forked from a server that has torch imported, so
that they start in hundredths of a second, and one that dies takes nobody with it. With ENCORE_EXECUTOR they are trained on
a Dask cluster instead, see `engine.cluster`.
"""

from __future__ import annotations

from engine.background.daemon import serve
from engine.background.launch import daemon_alive, daemon_process, daemon_state, ensure_daemon, slots_now, trouble
from engine.background.truth import reconcile
from engine.errors import InputError
from engine.store import ACTIVE, Run, RunStore

__all__ = ["attend", "daemon_alive", "daemon_process", "daemon_state", "ensure_daemon", "reconcile", "serve", "slots_now", "trouble"]


def attend(store: RunStore) -> list[Run]:
    """For whoever looks at runs: see that somebody serves those that wait or run, and that their states are true.

    Returns:
        The runs whose state has changed.
    """
    alive = daemon_alive()
    if not alive and (store.sweeps(("running",)) or any(run.queue == "daemon" for run in store.list(states=ACTIVE))):
        try:
            # It goes on with what its predecessor lost.
            alive = ensure_daemon() != "down"
        except InputError:
            alive = False  # told where a run is started; here the states are to be true without it
    return reconcile(store, daemon=alive)
