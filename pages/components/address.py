"""Keeps the Train page's address in step with the session: opened run, draft, and how the curves are drawn."""

from __future__ import annotations

import time

import streamlit as st

from engine.config import RunConfig, parse
from engine.errors import InputError
from pages.components import draft
from pages.components.session import store

RUN = "opened"
VIEW = {"x": "epoch", "log": "false"}
"""Settings of the curves and their defaults; as session-state keys they bear the prefix `view.`."""

_WRITTEN = "address"
_SETTLING = 2.0
"""Seconds after a change of the address in which the browser may still send the former one."""


def opened() -> str | None:
    """Id of the run that the page shows."""
    return st.session_state.get(RUN)


def open_run(run_id: str | None) -> None:
    """Show a run, or none; the draft stays as it is."""
    st.session_state[RUN] = run_id


def view(name: str) -> str:
    """One setting of the curves."""
    return st.session_state.setdefault(f"view.{name}", VIEW[name])


def read() -> list[str]:
    """Take over an address that came from elsewhere: a link, a bookmark, the browser's way back.

    Returns:
        One sentence for each part that could not be used.
    """
    query = st.query_params.to_dict()
    written, former, moment = st.session_state.get(_WRITTEN, ({}, None, 0.0))
    if query == written or (query == former and time.monotonic() - moment < _SETTLING):
        return []
    if not query and _WRITTEN in st.session_state:  # the navigation leads here without the address that was left
        return []
    for name, default in VIEW.items():
        st.session_state[f"view.{name}"] = query.get(name, default)
    refused: list[str] = []
    run = None
    if "run" in query:
        try:
            run = store().get(query["run"])
        except InputError as error:
            refused.append(str(error))
    open_run(run.id if run else None)
    if run and not any("." in path or path == "preset" for path in query):
        draft.replace(parse(run.config))
    else:
        chosen, problems = draft.from_query(query)
        draft.replace(chosen)
        refused += problems
    return refused


def write(chosen: RunConfig | None) -> dict[str, str]:
    """Put the session into the address; `chosen` is the draft, None while it is not valid.

    Returns:
        What the address now holds after its question mark.
    """
    written, former, moment = st.session_state.get(_WRITTEN, ({}, None, 0.0))
    query = {name: view(name) for name, default in VIEW.items() if view(name) != default}
    if run_id := opened():
        query["run"] = run_id
    if chosen is None:
        query |= {path: value for path, value in written.items() if "." in path}
    elif not (run_id and _same_as_run(run_id, chosen)):
        # The defaults too have to stand there when a run is open, for a run alone means the run's own configuration.
        query |= draft.to_query(chosen) or ({"dataset.name": chosen.dataset.name} if run_id else {})
    if query != st.query_params.to_dict():
        st.query_params.from_dict(query)
    if query != written:
        former, moment = written, time.monotonic()
    st.session_state[_WRITTEN] = (query, former, moment)
    return query


def _same_as_run(run_id: str, chosen: RunConfig) -> bool:
    try:
        return parse(store().get(run_id).config) == chosen
    except InputError:
        return False
