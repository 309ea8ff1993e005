"""The configuration a person is editing: kept in the session, written into the page's address, read back from it.

Widgets come and go with pages and choices, so the truth is a plain dictionary, field path → value; widgets are
filled from it and write into it. The address holds the fields that differ from the defaults, under their field paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from engine.config import KIND_FIELDS, RunConfig, differences, flatten, format_value, merge, parse, parse_value
from engine.datasets import is_path
from engine.errors import InputError
from engine.presets import preset

PREFIX = "train."
LISTS = {"model.layers": ("Encoder layers", "512, 512, 1024"), "evaluation.more_k": ("Further list lengths", "20, 50, 100")}
"""Fields whose widget takes text: what they are called, and an example."""
MOST_FIELDS = 200
"""Fields of a link that are looked at; a configuration has some eighty."""
_DRAFT = "draft"


def values() -> dict[str, Any]:
    """Every field of the draft by its path."""
    if _DRAFT not in st.session_state:
        replace(RunConfig())
    return st.session_state[_DRAFT]


def put(path: str, value: Any) -> None:
    """Change one field; where it is a kind (split.kind, model.name), the new kind's other fields get their defaults."""
    draft = values()
    section, _, field = path.partition(".")
    if KIND_FIELDS.get(section) == field and draft.get(path) != value:
        fresh = flatten(parse({section: {field: value}}))
        st.session_state[_DRAFT] = {name: kept for name, kept in draft.items() if not name.startswith(f"{section}.")} | {
            name: default for name, default in fresh.items() if name.startswith(f"{section}.")
        }
        _forget_widgets(f"{PREFIX}{section}.", keep=widget_key(path))
    else:
        draft[path] = value


def reset(section: str) -> None:
    """Give a section's fields their defaults."""
    defaults = flatten(RunConfig())
    values().update({path: default for path, default in defaults.items() if path.startswith(f"{section}.")})
    _forget_widgets(f"{PREFIX}{section}.")


def replace(config: RunConfig) -> None:
    """Make this configuration the draft; widgets show it at their next turn."""
    st.session_state[_DRAFT] = flatten(config)
    _forget_widgets(PREFIX)


def config() -> RunConfig:
    """The draft as a configuration. Raises InputError with what is wrong in it."""
    for name, example in LISTS.items():
        written = values().get(name)
        if isinstance(written, str):
            raise InputError(f"{example[0]} are whole numbers with commas between them, like {example[1]}, not '{written}'.")
    return parse(merge({}, values()))


def is_gone(path: str) -> bool:
    """Whether the control of a field was forgotten since it was moved: by another's change, sent together with its own, that came first."""
    return widget_key(path) not in st.session_state


def widget_key(path: str) -> str:
    """Session-state key of a field's widget."""
    return f"{PREFIX}{path}"


def to_query(chosen: RunConfig) -> dict[str, str]:
    """The part of an address that stands for a configuration: what differs from the defaults."""
    return {path: format_value(value) for path, value in differences(chosen).items()}


def from_query(query: Mapping[str, str]) -> tuple[RunConfig, list[str]]:
    """A configuration from the fields in an address, over a preset where `preset` names one.

    Returns:
        The configuration, and one sentence for each field that could not be used; such a field keeps its default.
    """
    refused: list[str] = []
    values: dict[str, Any] = {}
    if "preset" in query:
        try:
            chosen = preset(query["preset"]).values
            parse(chosen)  # one that a person saved may be of an older version
            values = chosen
        except InputError as error:
            refused.append(str(error))
    kinds = [f"{section}.{field}" for section, field in KIND_FIELDS.items()]
    paths = sorted((path for path in query if "." in path), key=lambda path: path not in kinds)
    if len(paths) > MOST_FIELDS:
        refused.append(f"A link sets at most {MOST_FIELDS} fields, not {len(paths):,}: only the first are looked at.")
    for path in paths[:MOST_FIELDS]:
        try:
            value = parse_value(query[path])
            if path == "dataset.name" and is_path(str(value)):
                raise InputError(f"A link cannot name a file of this machine ('{value}'): upload it on the Data page.")
            changed = merge(values, {path: value})
            parse(changed)
            values = changed
        except InputError as error:
            refused.append(str(error))
    return parse(values), refused


def _forget_widgets(prefix: str, keep: str | None = None) -> None:
    for key in [key for key in st.session_state if str(key).startswith(prefix) and key != keep]:
        del st.session_state[key]
