"""Controls of a lesson, drawn from the fields of its options, and what it computes from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import streamlit as st
from pydantic.fields import FieldInfo

from engine.errors import InputError
from engine.lessons import Lesson, Options
from engine.lessons import lesson as find


def take_over(lesson: Lesson, wanted: Mapping[str, str]) -> list[str]:
    """Sets the controls from a link; what it leaves out has its default. Returns one sentence for each part that could not be used."""
    values: dict[str, Any] = {}
    refused = []
    for name, text in wanted.items():
        try:
            values[name] = getattr(lesson.options({name: text}), name)
        except InputError as error:
            refused.append(str(error))
    st.session_state[_kept(lesson)] = values
    return refused


def controls(lesson: Lesson) -> Options:
    """Draws the controls. Returns what they hold."""
    for name, field in lesson.module.Options.model_fields.items():
        _control(lesson, name, field)
    return lesson.options(_values(lesson))


def computed(lesson: Lesson, options: Options) -> Any:
    """What the lesson computes, from memory where it has been computed before."""
    with st.spinner("Computing …", show_time=True):
        return _computed(lesson.name, options.model_dump_json())


def to_query(lesson: Lesson) -> dict[str, str]:
    """The controls that are not at their defaults, as they stand in a link."""
    usual = lesson.options({})
    return {
        name: str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
        for name, value in _values(lesson).items()
        if value != getattr(usual, name)
    }


# One computation serves all tabs: what lessons compute is frozen.
@st.cache_resource(max_entries=200, show_spinner=False)
def _computed(name: str, options: str) -> Any:
    lesson = find(name)
    return lesson.compute(lesson.module.Options.model_validate_json(options))


def _control(lesson: Lesson, name: str, field: FieldInfo) -> None:
    values = _values(lesson)
    key = f"lesson.{lesson.name}.{name}"
    st.session_state[key] = values.get(name, field.default)
    label, about = field.title or name, field.description
    shown: dict[str, Any] = {"key": key, "help": about, "on_change": _take, "args": (lesson, name, key)}
    if field.annotation is bool:
        st.toggle(label, **shown)
    elif choices := get_args(field.annotation):
        st.segmented_control(label, choices, required=True, width="stretch", **shown)
    else:
        low, high = (next(getattr(bound, end) for bound in field.metadata if hasattr(bound, end)) for end in ("ge", "le"))
        kind = float if field.annotation is float else int
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        step: Any = extra.get("step", 1)
        st.slider(label, kind(low), kind(high), step=kind(step), **shown)


def _take(lesson: Lesson, name: str, key: str) -> None:
    _values(lesson)[name] = st.session_state[key]


def _values(lesson: Lesson) -> dict[str, Any]:
    return st.session_state.setdefault(_kept(lesson), {})


def _kept(lesson: Lesson) -> str:
    return f"learn.values.{lesson.name}"
