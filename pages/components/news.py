"""Tells of runs and sweeps that ended since this tab looked last, on whatever page the person is."""

from __future__ import annotations

import time

import streamlit as st

from engine.store import ACTIVE, Run, Sweep
from pages.components import crowd, monitored, titles
from pages.components.frame import announce, mistakes_as_sentences
from pages.components.session import store

ICONS = {"finished": "check_circle", "failed": "error", "crashed": "heart_broken"}
EVERY = 3.0
"""Seconds between two looks while a run can end."""
LATE = 60.0
"""Seconds by which the row of what ended may come later than the moment in it: a database was busy, or another machine's clock is slow."""
NEWEST = 50
"""At most so many are told at once."""
_SEEN = "news.seen"


def toasts() -> None:
    """A toast for each run that ended since the last look, and for each sweep instead of its runs; a tab's first look tells nothing."""
    st.fragment(_tell, run_every=crowd.every(EVERY) if store().list(states=ACTIVE, limit=1) else None, key="news")()


def _tell() -> None:
    with mistakes_as_sentences(), crowd.look(EVERY, "news"):
        now = time.time()
        began, last, told = st.session_state.get(_SEEN, (now, now, frozenset()))
        since = max(began, last - LATE)
        runs: list[Run | Sweep] = [run for run in store().list(states=tuple(ICONS), limit=NEWEST, ended_after=since) if run.sweep is None]
        sweeps = store().sweeps(("finished", "failed"), limit=NEWEST, ended_after=since)
        ended = {(one.id, one.finished): one for one in [*sweeps, *runs] if (one.finished or 0) > began}
        st.session_state[_SEEN] = began, now, frozenset(ended)
        for one in reversed([one for key, one in ended.items() if key not in told]):
            if isinstance(one, Run):
                announce(in_words(one), ICONS[one.state])
            else:
                announce(f"The sweep {one.name} has {one.state} after {one.asked} settings", ICONS[one.state])


def in_words(run: Run) -> str:
    """What became of a run, in one line."""
    metric = monitored.metric(run)
    test = (run.summary or {}).get("metrics", {}).get("test", {})
    told = f": test {monitored.title(metric)} {test[metric]:.4f}" if run.state == "finished" and metric in test else ""
    return f"{run.name} ({titles.model_title(run.config)}) {run.state}{told}"
