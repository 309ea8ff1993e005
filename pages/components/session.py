"""What all pages share with the engine: the run store and the daemon."""

from __future__ import annotations

import hashlib
import threading
from functools import lru_cache
from importlib import import_module
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from engine import background
from engine.config import RunConfig
from engine.errors import Damaged, InputError
from engine.settings import session_limit, settings
from engine.store import ACTIVE, GOES_ON, Away, Run, RunStore, opened, why_away
from engine.store.line import Move
from pages.components.frame import mistakes_said_later, say

RESTORE = ".venv/bin/python -m engine store restore BACKUP.zip"


def store() -> RunStore:
    """The run store of the settings now in force; one per server, shared by all tabs."""
    where = settings()
    return _store(where.store_url, str(where.artifacts))


@lru_cache(4)  # not Streamlit's cache, which takes a third of a look's time for its key
def _store(url: str, artifacts: str) -> RunStore:
    return opened(url, Path(artifacts))


def stands() -> bool:
    """Whether the run store can be opened and is whole; where it is not, says so, and what puts it right."""
    try:
        store()
    except Damaged as error:
        say("error", str(error))
        st.code(RESTORE, language="bash")
    except InputError as error:
        say("error", str(error))
    except Away as error:
        say("error", why_away(error))
    else:
        return True
    return False


def warm_engine() -> None:
    """Start the daemon if there is none, at most once a minute, so that the first click on Start finds it ready."""
    _warm(settings().store_url)


@st.cache_resource(ttl=60, max_entries=4, show_spinner=False)
def _warm(url: str) -> bool:
    background.ensure_daemon()
    # The Train page needs it, and importing it takes a while: not between a person's click and the first curve point.
    threading.Thread(target=import_module, args=("engine.experiment",), daemon=True).start()
    return True


def owner() -> str:
    """Who this is in the queue, where sessions take turns: the same for all tabs of a browser, and as long as it keeps its cookies."""
    # The token of Streamlit's cookie is the browser's; the text around it changes with every answer (2|mask|masked|time).
    parts = str(st.context.cookies.get("_streamlit_xsrf", "")).strip('"').split("|")
    try:
        mask, masked = (bytes.fromhex(part) for part in parts[1:3])
        token = bytes(byte ^ mask[place % len(mask)] for place, byte in enumerate(masked)).hex()
    except (ValueError, ZeroDivisionError):
        context = get_script_run_ctx(suppress_warning=True)
        token = context.session_id if context is not None else ""
    return f"browser-{hashlib.sha256(token.encode()).hexdigest()[:12]}"


def submit(config: RunConfig, watch_user: str | None = None, want: str = "run") -> Run:
    """Queue a run and see to it that somebody takes it; one that is to `step` pauses after its first epoch.

    Raises:
        InputError: this browser has as many runs waiting or running as are let, or the engine does not start.
    """
    run = store().create(config.model_dump(mode="json"), watch_user=watch_user, want=want, owner=owner(), limit=session_limit())
    background.ensure_daemon()
    return run


def ask(ids: list[str], want: str) -> None:
    """Tell runs to run, step, pause or stop, as a button's callback; what the engine refuses is kept to be said."""
    for run_id in ids:
        with mistakes_said_later():
            store().ask(run_id, want, limit=session_limit())
            if want in GOES_ON:
                background.ensure_daemon()


def move(run_id: str, where: Move) -> None:
    """Move a run that waits among those of its session, as a button's callback."""
    with mistakes_said_later():
        store().move(run_id, where)


def look_at(run_id: str) -> Run:
    """The run as it truly is: a process that is gone is noticed, and a queue that nobody serves gets a daemon again.

    Raises:
        InputError: there is no such run.
    """
    run = store().get(run_id)
    if run.state in ACTIVE and any(changed.id == run.id for changed in background.attend(store())):
        return store().get(run_id)
    return run
