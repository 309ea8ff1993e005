"""A person's own ratings file: what was understood of it, which column means what, and its way into the list of datasets."""

from __future__ import annotations

import re
import time
from typing import Any, get_args

import pandas as pd
import streamlit as st
from pydantic import ValidationError

from engine.datasets import Account, Preview, Reading, glance, preview, save_upload
from engine.errors import InputError
from pages.components import words
from pages.components.frame import mistakes_as_sentences, say

ROLES = {
    "user": ("User column", "Who rated: any text or number."),
    "item": ("Item column", "What was rated: any text or number."),
    "rating": ("Rating column", "Numbers; a higher one is better."),
    "timestamp": (
        "Time column",
        "When: seconds or milliseconds since 1970, or dates; without a time zone, UTC. Without times, splits by time are not possible.",
    ),
}
SHOWN = {
    "auto": "found out",
    "utf-8": "UTF-8",
    "utf-16-le": "UTF-16 LE",
    "utf-16-be": "UTF-16 BE",
    "windows-1252": "Windows-1252 (Latin-1)",
    "comma": "comma",
    "semicolon": "semicolon",
    "tab": "tab",
    "bar": "bar |",
    "blank": "blank",
    "colons": "::",
    "point": "point 3.5",
    "yes": "in the first line",
    "no": "none",
    "last": "latest",
    "mean": "mean",
    "error": "refuse",
}
"""Options of `Reading` as the menus show them."""
WRITTEN = ("encoding", "separator", "header", "decimal")
NONE = "– none –"
SAVED = "data_saved"
LEAVE_OUT = "Leave out rows that cannot be read"
FAULTS_HEIGHT = 240
"""Pixels, of more than five of them."""


def upload_form() -> None:
    """Takes a file, shows how it is read, and saves it: `SAVED` in the session's state is then its dataset's name and its own."""
    st.markdown(
        "One line per rating, with a user, an item and a rating, and a time if there is one: CSV, TSV, MovieLens `.dat`, each also "
        "gzipped, or Parquet. The file stays on this machine, and nothing of it is kept before you save it."
    )
    file = st.file_uploader("Ratings file", key="data_file")
    if file is None:
        return
    content = file.getvalue()
    left, right = st.columns([1, 2.2], gap="large")
    written = {name: st.session_state.get(_key(name, file.file_id), "auto") for name in WRITTEN}
    guessed, problem = None, ""
    try:
        guessed = _glance(content, file.name, file.file_id, Reading.model_validate(written).model_dump_json())
    except InputError as error:
        problem = str(error)
    with left:
        chosen = written | (_columns(guessed, file.file_id) | _rows(file.file_id) if guessed else {})
    with right, mistakes_as_sentences():
        if problem:
            raise InputError(_for_people(problem))
        reading = _reading(chosen)
        seen = _look(content, file.name, file.file_id, reading.model_dump_json())
        problem = seen.problem or ""
        _understood(seen, reading)
        if st.button("Save as a dataset", type="primary", icon=":material/save:", disabled=bool(problem)):
            with st.spinner("Saving the ratings …"):
                name = save_upload(file.name, content, reading)
            st.session_state[SAVED] = (name, file.name)
            st.rerun()
    with left, st.expander("How the file is written", expanded=any(f"dataset.{name}" in problem for name in WRITTEN)):
        for name in WRITTEN:
            _menu(name, file.file_id)


def account_card(account: Account) -> None:
    """What became of each row of an upload's file."""
    st.caption(f"From its file: {words.plain(str(account))}.")
    if account.examples:
        with st.expander("Rows that were left out"):
            _faults(account)


def _key(name: str, file_id: str) -> str:
    return f"data_{name}_{file_id}"


def _columns(guessed: Preview, file_id: str) -> dict[str, Any]:
    st.markdown("**Which column is what**")
    implicit = st.toggle(
        "Pairs without ratings",
        key=_key("implicit", file_id),
        help="Take each row as a rating of 1 (seen, bought, liked); no rating column is read.",
    )
    chosen: dict[str, Any] = {"implicit": implicit}
    for role, (label, meaning) in ROLES.items():
        if role == "rating" and implicit:
            continue
        guess = guessed.mapping[role]
        options = [NONE, *guessed.columns] if role == "timestamp" or guess is None else guessed.columns
        # Other columns are other menus: what was chosen among the former ones is gone.
        key = _key(f"{role}_{abs(hash(tuple(options)))}", file_id)
        picked = st.selectbox(label, options, index=options.index(guess) if guess in options else 0, key=key, help=meaning)
        chosen[role] = picked if picked != NONE else "" if role == "timestamp" else None
    return chosen


def _rows(file_id: str) -> dict[str, Any]:
    st.markdown("**What becomes of the rows**")
    duplicates = st.segmented_control(
        _title("duplicates"),
        get_args(Reading.model_fields["duplicates"].annotation),
        default="last",
        required=True,
        format_func=SHOWN.__getitem__,
        key=_key("duplicates", file_id),
        help=_meaning("duplicates"),
        width="stretch",
    )
    lowest, highest = (
        place.number_input(_title(name), value=None, placeholder="as found", format="%g", key=_key(name, file_id), help=_meaning(name))
        for name, place in zip(("lowest", "highest"), st.columns(2), strict=True)
    )
    leave_out = st.toggle(LEAVE_OUT, key=_key("faulty", file_id), help="They are counted, and stay on record with the dataset.")
    return {"duplicates": duplicates, "lowest": lowest, "highest": highest, "faulty": "leave-out" if leave_out else "refuse"}


def _menu(name: str, file_id: str) -> None:
    options = get_args(Reading.model_fields[name].annotation)
    st.selectbox(_title(name), options, format_func=SHOWN.__getitem__, key=_key(name, file_id), help=_meaning(name))


def _title(name: str) -> str:
    return Reading.model_fields[name].title or name


def _meaning(name: str) -> str | None:
    return Reading.model_fields[name].description


def _reading(chosen: dict[str, Any]) -> Reading:
    """Raises InputError where the scale is none."""
    try:
        return Reading.model_validate(chosen)
    except ValidationError as error:
        raise InputError(error.errors()[0]["msg"].removeprefix("Value error, ").capitalize() + ".") from None


def _understood(seen: Preview, reading: Reading) -> None:
    account = seen.account
    parts = [words.number_of(account.rows, "row")] if account else []
    if seen.users is not None and seen.items is not None:
        parts += [words.number_of(seen.users, "user"), words.number_of(seen.items, "item")]
    if seen.scale is not None:
        parts.append(f"ratings from {seen.scale[0]:g} to {seen.scale[1]:g}")
    if seen.span is not None:
        first, last = (time.strftime("%Y-%m-%d", time.gmtime(moment)) for moment in seen.span)
        parts.append(f"rated {first} to {last}" if first != last else f"rated on {first}")
    st.markdown("**What was understood**")
    if parts:
        st.caption(" · ".join(parts))
    _judge(seen, reading)
    told = pd.DataFrame({"what": list(seen.understood), "how": [words.plain(value) for value in seen.understood.values()]})
    st.table(told, hide_index=True, hide_header=True, border="horizontal", alt="What was found out about the file")
    st.caption("The first rows, as they stand in the file")
    st.dataframe(seen.head, hide_index=True, height="content", alt="The first rows of the file")


def _judge(seen: Preview, reading: Reading) -> None:
    """What stands in the way of saving, and what becomes of rows that are no ratings of their own."""
    account = seen.account
    needed = ("user", "item") if reading.implicit else ("user", "item", "rating")
    missing = [role for role in needed if getattr(reading, role) is None]
    if missing:
        say("warning", f"Choose the column of the {' and the '.join(missing)}.", icon="arrow_back")
        return
    if seen.faulty and account and account.kept:
        rows = f"{account.unusable:,} of {words.number_of(account.rows, 'row')} cannot be used"
        say("error", f"{rows}: correct the file, or switch on “{LEAVE_OUT}”.")
    elif seen.problem:
        say("error", _for_people(seen.problem))
    for remark in seen.remarks:
        say("warning", remark, icon="lightbulb")
    if account and (account.left_out or account.merged):
        st.caption(f"{words.plain(str(account))}.")
    if account and account.left_out:
        _faults(account)


def _faults(account: Account) -> None:
    shown = pd.DataFrame({"line": list(account.examples), "what is wrong": list(account.examples.values())})
    if account.unusable > len(shown):
        st.caption(f"The first {len(shown)} of {account.unusable:,} rows that cannot be used")
    st.dataframe(
        shown,
        hide_index=True,
        height=FAULTS_HEIGHT if len(shown) > 5 else "content",
        alt="Rows of the file that cannot be used",
        column_config={"line": st.column_config.TextColumn(width="small"), "what is wrong": st.column_config.TextColumn(width="large")},
    )


def _for_people(sentence: str) -> str:
    """A sentence that names settings as the controls here do, not as a configuration does."""
    return re.sub(r"dataset\.(\w+)( ?= ?[\w'-]*( or \w+)?)?", lambda found: f"“{_title(found[1])}”", sentence)


@st.cache_data(max_entries=4, show_spinner="Reading the file …")
def _glance(_content: bytes, filename: str, file_id: str, reading: str) -> Preview:
    return glance(_content, filename, Reading.model_validate_json(reading))


@st.cache_data(max_entries=4, show_spinner="Reading the file …")
def _look(_content: bytes, filename: str, file_id: str, reading: str) -> Preview:
    return preview(_content, filename, Reading.model_validate_json(reading))
