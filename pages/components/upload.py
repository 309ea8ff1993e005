"""A person's own ratings file: what was understood of it, which column means what, and its way into the list of datasets."""

from __future__ import annotations

import streamlit as st

from engine.datasets import Columns, Preview, preview, save_upload
from engine.errors import InputError
from pages.components import words
from pages.components.frame import mistakes_as_sentences, say, say_later, say_what_was_kept

TYPES = ["csv", "tsv", "txt", "dat", "gz", "parquet"]
ROLES = {
    "user": ("User column", "Who rated: any text or number."),
    "item": ("Item column", "What was rated: any text or number."),
    "rating": ("Rating column", "Numbers; a higher one is better."),
    "timestamp": ("Time column", "When: seconds since 1970 or ISO dates. Without it, splits by time are not possible."),
}
NONE = "– none –"
SAVED = "data_saved"


def upload_form(chosen_key: str, tab_key: str, first_tab: str) -> None:
    """Takes a file, shows how it is read, and saves it.

    Args:
        chosen_key: session-state key of the dataset menu, which then shows the saved file.
        tab_key, first_tab: session-state key of the tabs, and the one that is opened then.
    """
    st.markdown(
        "One line per rating, with a user, an item and a rating, and a time if there is one: CSV, TSV, MovieLens `.dat`, each also "
        "gzipped, or Parquet. The file stays on this machine."
    )
    file = st.file_uploader("Ratings file", type=TYPES, key="data_file")
    if file is None:
        return
    # The first look guesses every column; the menus below then correct it.
    with mistakes_as_sentences():
        content = file.getvalue()
        guessed = _look(content, file.name, file.file_id, Columns())
        left, right = st.columns([1, 2.2], gap="large")
        with left:
            columns = _mapping(guessed, file.file_id)
        with right:
            seen = _look(content, file.name, file.file_id, columns)
            _understood(seen, columns)
            st.button(
                "Save as a dataset",
                type="primary",
                icon=":material/save:",
                disabled=seen.problem is not None,
                on_click=_save,
                args=(file.name, content, columns, chosen_key, tab_key, first_tab),
            )
        say_what_was_kept()


def _mapping(guessed: Preview, file_id: str) -> Columns:
    st.markdown("**Which column is what**")
    implicit = st.toggle(
        "Pairs without ratings",
        key=f"data_implicit_{file_id}",
        help="Take each row as a rating of 1 (seen, bought, liked); no rating column is read.",
    )
    chosen: dict[str, str | None] = {}
    for role, (label, meaning) in ROLES.items():
        if role == "rating" and implicit:
            continue
        guess = guessed.mapping[role]
        options = [NONE, *guessed.columns] if role == "timestamp" or guess is None else guessed.columns
        index = options.index(guess) if guess in options else 0
        picked = st.selectbox(label, options, index=index, key=f"data_{role}_{file_id}", help=meaning)
        chosen[role] = picked if picked != NONE else "" if role == "timestamp" else None
    return Columns(**chosen, implicit=implicit)


def _understood(seen: Preview, columns: Columns) -> None:
    st.markdown(f"**Read as {words.plain(seen.layout)}**")
    parts = [f"{seen.rows:,} rows"]
    if seen.users is not None and seen.items is not None:
        parts += [f"{seen.users:,} users", f"{seen.items:,} items"]
    if seen.scale is not None:
        parts.append(f"ratings from {seen.scale[0]:g} to {seen.scale[1]:g}")
    st.caption(" · ".join(parts))
    st.dataframe(seen.head, hide_index=True, height="content", alt="The first rows of the file")
    needed = ("user", "item") if columns.implicit else ("user", "item", "rating")
    missing = [role for role in needed if getattr(columns, role) is None]
    if missing:
        say("warning", f"Choose the column of the {' and the '.join(missing)} on the left.", icon="arrow_back")
    elif seen.problem:
        say("error", seen.problem)


@st.cache_data(max_entries=4, show_spinner="Reading the file …")
def _look(_content: bytes, filename: str, file_id: str, columns: Columns) -> Preview:
    return preview(_content, filename, columns)


def _save(filename: str, content: bytes, columns: Columns, chosen_key: str, tab_key: str, first_tab: str) -> None:
    try:
        st.session_state[chosen_key] = save_upload(filename, content, columns)
        st.session_state[tab_key] = first_tab
        st.session_state[SAVED] = filename
    except InputError as error:
        say_later(str(error))
