"""Star, tags and note of one run: shown, and written."""

from __future__ import annotations

import streamlit as st

from engine import mirror
from engine.store import Run
from engine.store.marks import MOST_TAGS, REMARK_LENGTH, TAG_LENGTH
from pages.components import words
from pages.components.cards import badge
from pages.components.frame import mistakes_said_later
from pages.components.session import store


def marks(run: Run) -> None:
    """One line with the star, the tags and the note, and the form that changes them."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        label = ("Starred", "Take the star away.") if run.starred else ("Star", "Mark the run, to find it again among all runs.")
        icon = "★" if run.starred else "☆"
        st.button(f"{icon} {label[0]}", key="run-star", on_click=_write, args=(run.id,), kwargs={"starred": not run.starred}, help=label[1])
        with st.popover("Tags and note", icon=":material/sell:", key="run-marks"):
            _form(run)
        for tag in run.tags:
            badge(tag)
        if run.remark:
            st.markdown("  \n".join(words.plain(line) for line in run.remark.splitlines()), width="stretch")


def _form(run: Run) -> None:
    tags, note = f"run-tags-{run.id}", f"run-note-{run.id}"
    st.multiselect(
        "Tags",
        list(store().tags()),
        run.tags,
        key=tags,
        accept_new_options=True,
        max_selections=MOST_TAGS,
        placeholder="type a word, then Enter",
        help=f"A few short words, at most {MOST_TAGS} of {TAG_LENGTH} letters; all runs can be filtered by them.",
    )
    st.text_area("Note", run.remark, key=note, max_chars=REMARK_LENGTH, height=120, placeholder="what to remember of this run")
    st.button("Keep", type="primary", key="run-marks-keep", on_click=_keep, args=(run.id, tags, note))


def _keep(run_id: str, tags: str, note: str) -> None:
    _write(run_id, tags=st.session_state[tags], remark=st.session_state[note])


def _write(run_id: str, *, starred: bool | None = None, tags: list[str] | None = None, remark: str | None = None) -> None:
    with mistakes_said_later():
        store().edit(run_id, starred=starred, tags=tags, remark=remark)
        if tags is not None or remark is not None:
            mirror.marked(run_id, store())
