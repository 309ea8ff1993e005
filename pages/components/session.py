"""What all pages share with the engine: the run store and the daemon."""

from __future__ import annotations

import threading
from importlib import import_module
from pathlib import Path

import streamlit as st

from engine import background
from engine.config import RunConfig
from engine.errors import InputError
from engine.settings import settings
from engine.store import GOES_ON, Run, RunStore
from pages.components.frame import say_later

ACTIVE = ("queued", "running")
"""States in which a run's rows may still change without anybody's doing."""


def store() -> RunStore:
    """The run store of the settings now in force; one per server, shared by all tabs."""
    where = settings()
    return _store(where.store_url, str(where.artifacts))


@st.cache_resource(max_entries=4, show_spinner=False)
def _store(url: str, artifacts: str) -> RunStore:
    return RunStore(url, Path(artifacts))


def warm_engine() -> None:
    """Start the daemon if there is none, at most once a minute, so that the first click on Start finds it ready."""
    _warm(settings().store_url)


@st.cache_resource(ttl=60, max_entries=4, show_spinner=False)
def _warm(_url: str) -> bool:
    background.ensure_daemon()
    # The Train page needs it, and importing it takes a while: not between a person's click and the first curve point.
    threading.Thread(target=import_module, args=("engine.experiment",), daemon=True).start()
    return True


def submit(config: RunConfig, watch_user: str | None = None, want: str = "run") -> Run:
    """Queue a run and see to it that somebody takes it; one that is to `step` pauses after its first epoch."""
    run = store().create(config.model_dump(mode="json"), watch_user=watch_user, want=want)
    background.ensure_daemon()
    return run


def ask(ids: list[str], want: str) -> None:
    """Tell runs to run, step, pause or stop, as a button's callback; what the engine refuses is kept to be said."""
    for run_id in ids:
        try:
            store().ask(run_id, want)
        except InputError as error:
            say_later(str(error))
    if want in GOES_ON:
        background.ensure_daemon()


def look_at(run_id: str) -> Run:
    """The run as it truly is: a process that is gone is noticed, and a queue that nobody serves gets a daemon again.

    Raises:
        InputError: there is no such run.
    """
    run = store().get(run_id)
    if run.state in ACTIVE:
        alive = background.daemon_alive()
        if not alive and run.queue == "daemon" and run.state == "queued":
            background.ensure_daemon()
        elif any(changed.id == run.id for changed in background.reconcile(store(), daemon=alive)):
            return store().get(run_id)
    return run
