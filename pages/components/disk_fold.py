"""What Encore has taken of the disk, and what can go: a fold below the table of all runs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import streamlit as st

from engine import disk, upkeep
from engine.settings import settings
from pages.components.frame import announce
from pages.components.session import store

WORDS = {
    "drafts": "Drafts",
    "damaged": "Damaged artifacts",
    "cache": "Dataset cache",
    "former": "Former databases",
    "weights": "Weights of old runs",
}
"""What people can remove here, by kind; artifacts of no run may be another store's, and go by the command line alone."""
DAYS = 30
_OPEN, _CHOSEN, _DAYS = "disk.open", "disk.kinds", "disk.days"


def fold() -> None:
    """The fold; it looks at the disk once somebody opens it."""
    with st.expander("Disk", icon=":material/hard_drive:", key=_OPEN, on_change="rerun") as box:
        if box.open:
            _inside()


def _inside() -> None:
    where = settings()
    quota = f" of at most {disk.size(where.quota)} (ENCORE_QUOTA)" if where.quota else ""
    st.markdown(f"Encore's folder holds **{disk.size(disk.taken(where.home))}**{quota}; {disk.size(disk.free(where.home))} are free.")
    left, right = st.columns([3, 1], gap="medium")
    with left:
        kinds = st.multiselect("What can go", [*WORDS], [*upkeep.USUAL], key=_CHOSEN, format_func=WORDS.__getitem__)
    with right:
        about = "Runs with a star keep their weights; curves and figures of all runs stay."
        days = st.number_input("Weights of runs that ended days ago", 0, 3650, DAYS, key=_DAYS, disabled="weights" not in kinds, help=about)
    st.caption(". ".join(f"{WORDS[kind]}: {upkeep.KINDS[kind]}" for kind in kinds) + "." if kinds else "Choose what can go.")
    found = upkeep.scraps(store(), where, kinds, days)
    if not found:
        st.caption("Of these there is nothing.")
        return
    listed = pd.DataFrame([(WORDS[one.kind], one.about, one.bytes / 1e6) for one in found], columns=["what", "which", "MB"])
    st.dataframe(
        listed,
        hide_index=True,
        height=220 if len(listed) > 5 else "content",
        alt="What would be removed, the largest first",
        column_config={"which": st.column_config.TextColumn(width="large"), "MB": st.column_config.NumberColumn(format="%.1f")},
    )
    total = sum(one.bytes for one in found)
    with st.popover(f"Remove these, {disk.size(total)}", icon=":material/delete_sweep:"):
        st.markdown("They are gone for good then.")
        st.button("Remove them", type="primary", key="disk-remove", on_click=_remove, args=({one.path for one in found}, kinds, days))


def _remove(shown: set[Path], kinds: list[str], days: float) -> None:
    """Removes what was shown and still can go: since the page was drawn, a run may have gone on or got a star."""
    still = [one for one in upkeep.scraps(store(), settings(), kinds, days) if one.path in shown]
    announce(f"{disk.size(upkeep.remove(still))} became free.", "delete_sweep")
