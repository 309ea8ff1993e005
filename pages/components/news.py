"""Tells of runs and sweeps that ended since this tab looked last, on whatever page the person is."""

from __future__ import annotations

import time

import streamlit as st

from engine.store import Run
from pages.components import crowd, monitored, titles
from pages.components.frame import announce, mistakes_as_sentences
from pages.components.session import ACTIVE, store

ENDED = ("finished", "failed", "crashed")
ICONS = {"finished": "check_circle", "failed": "error", "crashed": "heart_broken"}
EVERY = 3.0
"""Seconds between two looks while a run can end."""
NEWEST = 20
"""At most so many are told at once."""
_SEEN = "news.seen"


def toasts() -> None:
    """A toast for each run that ended since the last look, and for each sweep instead of its runs; a tab's first look tells nothing."""
    st.fragment(_tell, run_every=crowd.every(EVERY) if store().list(states=ACTIVE, limit=1) else None, key="news")()


def _tell() -> None:
    now = time.time()
    since = st.session_state.get(_SEEN, now)
    with mistakes_as_sentences():
        lately = store().list(states=ENDED, limit=NEWEST, ended_after=since)
        ended = [run for run in lately if run.sweep is None and since < (run.finished or 0) <= now]
        lately_swept = store().sweeps(("finished", "failed"), limit=NEWEST, ended_after=since)
        sweeps = [sweep for sweep in lately_swept if since < (sweep.finished or 0) <= now]
        st.session_state[_SEEN] = now
        for run in reversed(ended):
            announce(in_words(run), ICONS[run.state])
        for sweep in reversed(sweeps):
            announce(f"The sweep {sweep.name} has {sweep.state} after {sweep.asked} settings", ICONS[sweep.state])


def in_words(run: Run) -> str:
    """What became of a run, in one line."""
    metric = monitored.metric(run)
    test = (run.summary or {}).get("metrics", {}).get("test", {})
    told = f": test {monitored.title(metric)} {test[metric]:.4f}" if run.state == "finished" and metric in test else ""
    return f"{run.name} ({titles.model_title(run.config)}) {run.state}{told}"
