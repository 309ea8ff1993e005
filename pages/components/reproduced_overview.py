"""All published tables at a glance, each with a link to itself."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine import reproduce
from pages.components import reproduced, titles, words

PAGE = "pages/reproduce.py"
OPEN = "reproduce_all"
PLURAL = {"holds": "hold", "does not hold": "do not hold"}


def all_tables(prefix: str) -> None:
    """An expander that is filled once it is opened.

    Args:
        prefix: of this page's parameters in the address.
    """
    label = "All tables: how far each is filled, and what became of the conclusions"
    with st.expander(label, key=OPEN, icon=":material/checklist:", on_change="rerun") as shown:
        if not shown.open:
            return
        st.caption("Figures that are kept with Encore. Runs of your own stand on the page of their table.")
        known = titles.dataset_titles()
        found = reproduce.overview()
        for system, name in reproduced.SYSTEMS.items():
            st.markdown(f"**{name}**")
            for one in found:
                if str(one["system"]) == system:
                    _line(one, titles.dataset_title(one["dataset"], known), prefix)


def _line(one: dict[str, Any], dataset: str, prefix: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        address = {f"{prefix}_table": one["table"], f"{prefix}_data": one["dataset"]}
        st.page_link(PAGE, label=words.plain(one["title"]), query_params=address)
        done = "sums, computed on their page" if one["exact"] else f"{one['measured']} of {one['rows']} rows on {words.plain(dataset)}"
        st.caption(done, width="content")
        for verdict, count in one["verdicts"].items():
            if count:
                color, icon = reproduced.BADGES[verdict]
                st.badge(f"{count} {PLURAL.get(verdict, verdict) if count > 1 else verdict}", color=color, icon=icon)
