"""Which comparison is shown."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from engine.store import Run
from pages.components import charts, linked
from pages.components.compare import curves, importance, parallel, scatter, settings, users
from pages.components.compare.looks import MOST
from pages.components.frame import mistakes_as_sentences

VIEWS = {
    "curves": "how the chosen runs learned",
    "settings": "where the chosen runs' settings differ, with what they reached",
    "users": "of two chosen runs, who gains and who loses",
    "scatter": "a setting against a metric, of all runs that fit the filters",
    "parallel": "several settings and a metric, of all runs that fit the filters",
    "importance": "which settings tell in a metric, of all runs that fit the filters",
}


def panel(chosen: Sequence[Run], shown: Sequence[Run]) -> None:
    """The comparison below the table.

    Args:
        chosen: the ticked runs, in the order of ticking.
        shown: all runs that fit the filters, as sorted.
    """
    st.subheader("Compare", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute", gap="medium"):
        with st.container(width=620):
            about = "\n".join(f"- **{name}**: {said}" for name, said in VIEWS.items())
            view = linked.segments("Look at", [*VIEWS], "compare", meaning=about)
        with st.container(width="content"):
            charts.pictures_as()
    if len(chosen) > MOST and view in ("curves", "settings", "users"):
        st.caption(f"The first {MOST} of {len(chosen):,} chosen runs are drawn, in the order of choosing.")
    drawn = list(chosen[:MOST])
    with mistakes_as_sentences():
        if view == "curves":
            curves.curves(drawn)
        elif view == "settings":
            settings.settings(drawn)
        elif view == "users":
            users.users(drawn)
        elif view == "scatter":
            scatter.scatter(drawn, shown)
        elif view == "parallel":
            parallel.parallel(drawn, shown)
        else:
            importance.importances(shown)
