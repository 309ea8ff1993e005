"""The one choice of runs: ticked in the table, drawn below it, and held in the address as `runs=`, so that links can make it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from engine.store import Run
from pages.components import query
from pages.components.frame import say
from pages.components.session import store

NAME = "runs"
PICKED = "runs.picked"
"""Ids of the chosen runs, in the order in which they were chosen."""


def follow() -> None:
    """Take over the runs, by id or name, of an address that came from elsewhere; what there is none of is said."""
    asked = st.query_params.get(NAME, "")
    if not query.from_elsewhere(NAME, asked):
        return
    names = [name.strip() for name in asked.split(",") if name.strip()]
    found = {name: store().find(name) for name in names}
    missing = [name for name, run in found.items() if run is None]
    if missing:
        say("warning", f"There is no run {', '.join(f'“{name}”' for name in missing)}; perhaps it was deleted.")
    keep([run.id for run in found.values() if run is not None])


def chosen(runs: Sequence[Run]) -> list[Run]:
    """The chosen runs, of which some may not be among `runs`; those that are gone are forgotten."""
    known = {run.id: run for run in runs}
    found = [known.get(run_id) or store().find(run_id) for run_id in st.session_state.get(PICKED, ())]
    there = [run for run in found if run is not None]
    keep([run.id for run in there])
    return there


def tick(ticked: Sequence[str], visible: Sequence[str]) -> None:
    """Choose these of the visible runs; runs that filters hide stay as they are."""
    before = st.session_state.get(PICKED, [])
    stay = [run_id for run_id in before if run_id in ticked or run_id not in visible]
    keep([*stay, *(run_id for run_id in ticked if run_id not in stay)])


def keep(ids: Sequence[str]) -> None:
    """Make this the choice."""
    st.session_state[PICKED] = list(dict.fromkeys(ids))


def write() -> None:
    """Put the choice into the address."""
    value = ",".join(st.session_state.get(PICKED, ()))
    if not value:
        st.query_params.pop(NAME, None)
    elif st.query_params.get(NAME) != value:
        st.query_params[NAME] = value
    query.remember(NAME, value)
