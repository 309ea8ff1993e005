"""Keeps the Train page's address in step with the session: opened run, draft, and how the curves are drawn."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from engine.config import RunConfig, fields, parse
from engine.errors import InputError, shortened
from pages.components import draft, hidden, query, series
from pages.components.session import store

RUN = "opened"
VIEW = {"x": "epoch", "log": "false", "smooth": "0"}
"""Settings of the curves and their defaults; as session-state keys they bear the prefix `view.`."""
POSSIBLE = {"x": (*series.AXES,), "log": ("true", "false")}
PAGE = "train"
KNOWN = ("run", "preset", "hide", *VIEW)
"""Parameters of a link beside the fields of a configuration."""


def opened() -> str | None:
    """Id of the run that the page shows."""
    return st.session_state.get(RUN)


def open_run(run_id: str | None) -> None:
    """Show a run, or none; the draft stays as it is."""
    st.session_state[RUN] = run_id


def view(name: str) -> str:
    """One setting of the curves."""
    # A segmented control may for a moment hold nothing.
    return st.session_state.get(f"view.{name}") or VIEW[name]


def read() -> list[str]:
    """Take over an address that came from elsewhere: a link, a bookmark, the browser's way back.

    Returns:
        One sentence for each part that could not be used.
    """
    parameters = query.arrived(PAGE)
    if parameters is None:
        return []
    refused = _take_view(parameters)
    plain = {name: value for name, value in parameters.items() if "." not in name}
    refused += [*query.strangers(plain, [*KNOWN, *(path for path, _ in fields())], dataset="dataset.name", split="split.kind").values()]
    refused += hidden.take_over(parameters.get("hide", ""))
    run = None
    if "run" in parameters:
        try:
            run = store().get(parameters["run"])
        except InputError as error:
            refused.append(str(error))
    open_run(run.id if run else None)
    if run and not any("." in path or path == "preset" for path in parameters):
        try:
            draft.replace(parse(run.config))
        except InputError as error:  # of an older version, or damaged
            refused.append(str(error))
    else:
        chosen, problems = draft.from_query(parameters)
        draft.replace(chosen)
        refused += problems
    return refused


def _take_view(parameters: Mapping[str, str]) -> list[str]:
    """Takes over how the curves are drawn. Returns one sentence for each part that is none."""
    refused = []
    for name, default in VIEW.items():
        given = parameters.get(name, default)
        if not (_share(given) if name == "smooth" else given in POSSIBLE[name]):
            about = "a number from 0 to 0.95" if name == "smooth" else " or ".join(POSSIBLE[name])
            refused.append(f"{name}: of the curves it is {about}, not “{shortened(given)}”.")
            given = default
        st.session_state[f"view.{name}"] = given
    return refused


def _share(text: str) -> bool:
    try:
        return 0 <= float(text) <= 0.95
    except ValueError:
        return False


def write(chosen: RunConfig | None) -> dict[str, str]:
    """Put the session into the address; `chosen` is the draft, None while it is not valid.

    Returns:
        What the address now holds after its question mark.
    """
    parameters = {name: view(name) for name, default in VIEW.items() if view(name) != default}
    if hidden.now():
        parameters["hide"] = ",".join(hidden.now())
    if run_id := opened():
        parameters["run"] = run_id
    if chosen is None:
        parameters |= {path: value for path, value in (query.written(PAGE) or {}).items() if "." in path}
    elif not (run_id and _same_as_run(run_id, chosen)):
        # The defaults too have to stand there when a run is open, for a run alone means the run's own configuration.
        parameters |= draft.to_query(chosen) or ({"dataset.name": chosen.dataset.name} if run_id else {})
    query.write(PAGE, parameters)
    return parameters


def _same_as_run(run_id: str, chosen: RunConfig) -> bool:
    try:
        return parse(store().get(run_id).config) == chosen
    except InputError:
        return False
