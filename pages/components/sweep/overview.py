"""The sweeps that there are, each a link."""

from __future__ import annotations

import streamlit as st

from engine.errors import InputError
from engine.store import Sweep
from engine.sweeps import best_of, config_of, trials_of
from engine.sweeps.trials import OPEN
from pages.components import monitored, words
from pages.components.controls import ago
from pages.components.session import store
from pages.components.status import BADGES

PAGE = "pages/sweep.py"
SHOWN = 8


def sweep_badge(sweep: Sweep) -> None:
    """A sweep's state as a coloured badge with a symbol."""
    color, icon = BADGES[sweep.state]
    st.badge(sweep.state, color=color, icon=icon)


def latest(limit: int = SHOWN) -> None:
    """The newest sweeps, one line each; a sentence where there are none."""
    found = store().sweeps(limit=limit)
    if not found:
        st.caption("No sweep yet: choose what varies, and start one.")
    for sweep in found:
        _line(sweep)


def in_words(sweep: Sweep) -> str:
    """How far a sweep is, and its best value."""
    try:
        config = config_of(sweep)
    except InputError as error:  # of an older version
        return str(error)
    trials = trials_of(sweep, config, store())
    done = sum(trial.state not in OPEN for trial in trials)
    of = "" if config.budget is None else f" of {config.budget:,}"
    best = best_of(trials, sweep.metric) if sweep.metric else None
    value = "" if best is None or best.mean is None else f" · best {monitored.title(str(sweep.metric))} {best.mean:.4f}"
    return f"{done:,}{of} settings{value} · {', '.join(path.partition('.')[2].replace('_', ' ') for path in config.axes)}"


def _line(sweep: Sweep) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.page_link(PAGE, label=sweep.name, icon=":material/travel_explore:", query_params={"sweep": sweep.id})
        sweep_badge(sweep)
        st.caption(words.plain(f"{in_words(sweep)} · {ago(sweep.created)}"), width="content")
