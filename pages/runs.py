"""Runs: every run in one table; with `?run=` one run in full."""

from __future__ import annotations

import streamlit as st

from engine.config import parse
from engine.errors import InputError
from engine.store import ACTIVE, Run
from pages.components import charts, disk_fold, query, run_filters, run_marks, run_page, run_table, words
from pages.components.form import describe
from pages.components.frame import header, mistakes_as_sentences, say, through_dashboard
from pages.components.session import look_at
from pages.components.share import share_buttons

_COMPARED = ("a", "axes", "b", "log", "metric", "seeds", "setting", "smooth", "train", "x")
KNOWN = ("run", "runs", *run_filters.NAMES, "compare", *(f"compare_{name}" for name in _COMPARED), charts.PICTURES)
"""The page's parameters in a link."""


def asked_for() -> Run | None:
    """The run that the address names; where there is none of that name, a sentence says so and all runs are shown."""
    name = st.query_params.get("run")
    if not name:
        return None
    try:
        return look_at(name)
    except InputError as error:
        say("warning", f"{error} Perhaps it was deleted; here are all runs.")
        return None


def one(run: Run) -> None:
    """One run's page."""
    config = None
    try:
        config = parse(run.config)
        said = describe(config, None, (run.facts or {}).get("sizes"))
    except InputError as error:  # of an older version
        said = words.plain(str(error))
    place = header(words.plain(run.name), said)
    share_buttons(place, {"run": run.id}, config, run.name)
    run_page.buttons(run, config)
    run_page.say_damage(run)
    run_marks.marks(run)
    run_page.panel(run)


def everyone() -> None:
    """The table of all runs."""
    runs = run_table.runs_now()
    if not runs:
        header("Runs", "Everything that was trained, stopped or failed.")
        with st.container(border=True):
            st.markdown("#### Nothing has run yet")
            st.markdown("Run the demo from the Start page, or configure a network on the Train page; each run then stands here.")
            with st.container(horizontal=True):
                st.page_link("pages/start.py", label="Start", icon=":material/home:")
                st.page_link("pages/train.py", label="Train", icon=":material/model_training:")
        return
    run_table.table(any(run.state in ACTIVE for run in runs))
    disk_fold.fold()


through_dashboard()
with mistakes_as_sentences():
    query.refuse_unknown(KNOWN)
    run_table.confirm_deletion()
    chosen = asked_for()
    if chosen is not None:
        one(chosen)
    else:
        everyone()
