"""One widget for one field of the configuration: kind, title and help come from the field itself.

A widget is filled from the draft when it has no state of its own, and writes a person's change into the draft before the
page is drawn again, so that everything on the page follows from one and the same draft.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import streamlit as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from engine.config import KIND_FIELDS, RunConfig
from pages.components import draft

WHOLE = 2**53 - 1
"""The largest whole number that a browser's own numbers hold exactly."""

FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2099, 12, 31)
"""Between which days a person may choose; people rate since computers count seconds."""

MORE = "more"
MORE_SHOWN = ":material/more_horiz:"


def about(path: str) -> FieldInfo:
    """Title, help and type of a field, as the draft's kind of split or model has it."""
    section, _, name = path.partition(".")
    annotation = RunConfig.model_fields[section].annotation
    kinds: Sequence[type[BaseModel]] = get_args(annotation) or (annotation,)
    kind = KIND_FIELDS.get(section)
    now = draft.values().get(f"{section}.{kind}")
    return next(one for one in kinds if kind is None or one.model_fields[kind].default == now).model_fields[name]


def field(path: str, label: str | None = None, naming: Callable[[str], str] = str) -> None:
    """A widget for any field; `naming` is how a menu shows its options."""
    info = about(path)
    kind, optional = _kind(info)
    if get_origin(kind) is tuple:
        widths(path)
        return
    label = label or info.title or path
    common: dict[str, Any] = {"key": _fill(path), "help": info.description, "on_change": _take, "args": (path,)}
    if get_origin(kind) is Literal:
        st.selectbox(label, options(path), format_func=naming, **common)
    elif kind is bool:
        st.toggle(label, **common)
    elif kind is date:
        st.date_input(label, value=None, min_value=FIRST_DAY, max_value=LAST_DAY, format="YYYY-MM-DD", **common)
    elif kind in (int, float):
        if kind is int and abs(draft.values()[path] or 0) > WHOLE:
            st.text_input(label, value=str(draft.values()[path]), disabled=True, help="Too large a number for a browser to count with.")
            return
        numbers: dict[str, Any] = {"step": 1} if kind is int else {"step": _step(info), "format": "%g"}
        # Without bounds: a browser keeps what lies outside them to itself, and the configuration has a sentence for it.
        st.number_input(label, placeholder="none" if optional else None, **numbers, **common)
    else:
        st.text_input(label, placeholder="not given" if optional else None, **common)


def fraction(path: str, label: str | None = None) -> None:
    """A slider for a share below 1."""
    info = about(path)
    st.slider(label or info.title or path, 0.0, 0.99, step=0.01, key=_fill(path), help=info.description, on_change=_take, args=(path,))


def segments(path: str, usual: Sequence[str], *, label: str | None = None, naming: Callable[[str], str] = str) -> None:
    """The usual options side by side; behind "more", a menu of all options takes their place until a usual one is chosen again."""
    info = about(path)
    rest = [option for option in options(path) if option not in usual]
    chosen, key, menu = draft.values()[path], draft.widget_key(path), draft.widget_key(f"{path}.{MORE}")
    label = label or info.title or path
    if chosen in rest:
        st.session_state.pop(key, None)
        st.session_state[menu] = chosen
        common: dict[str, Any] = {"key": menu, "help": info.description, "on_change": _take, "args": (path, MORE)}
        st.selectbox(label, [*usual, *rest], format_func=naming, **common)
        return
    if key not in st.session_state:
        st.session_state[key] = chosen
    st.segmented_control(
        label,
        [*usual, *([MORE] if rest else [])],
        format_func=lambda option: MORE_SHOWN if option == MORE else naming(option),
        required=True,
        width="stretch",
        wrap=False,
        key=key,
        help=info.description,
        on_change=_take_segment,
        args=(path, rest),
    )


def widths(path: str) -> None:
    """Layer widths, and other lists of whole numbers, as people write them: "512, 512, 1024"."""
    info = about(path)
    key = draft.widget_key(path)
    if key not in st.session_state:
        value = draft.values()[path]
        st.session_state[key] = value if isinstance(value, str) else ", ".join(str(width) for width in value)
    empty = "none" if _may_be_empty(info) else None
    st.text_input(info.title or path, key=key, help=info.description, placeholder=empty, on_change=_take_widths, args=(path,))


def with_titles(sentence: str) -> str:
    """A sentence about the draft that names fields as their controls do: "training.lr: …" → "Learning rate (training.lr): …"."""
    # What stands before a value ("split.kind=users") is what people are to write.
    return re.sub(r"\b[a-z]+\.\w+\b(?!=)", lambda found: _with_title(found[0]), sentence)


def is_share(path: str) -> bool:
    """Whether a field is a number from 0 to below 1."""
    info = about(path)
    return info.annotation is float and any(getattr(rule, "lt", None) == 1 for rule in info.metadata)


def is_number(path: str) -> bool:
    """Whether a field is a number of any size."""
    return about(path).annotation in (int, float) and not is_share(path)


def options(path: str) -> list[str]:
    """The values that a field can have; a kind's are spread over the classes of its section."""
    section, _, name = path.partition(".")
    if KIND_FIELDS.get(section) == name:
        return [str(kind.model_fields[name].default) for kind in get_args(RunConfig.model_fields[section].annotation)]
    return list(get_args(_kind(about(path))[0]))


def _with_title(path: str) -> str:
    title = about(path).title if path in draft.values() else None
    return f"{title} ({path})" if title else path


def _fill(path: str) -> str:
    """The key of a field's widget, whose state now is the draft's value or a person's newer one."""
    key = draft.widget_key(path)
    if key not in st.session_state:
        value, kind = draft.values()[path], _kind(about(path))[0]
        if value is not None and kind in (float, date):
            value = float(value) if kind is float else date.fromisoformat(value)
        st.session_state[key] = value
    return key


def _take(path: str, part: str = "") -> None:
    control = f"{path}.{part}" if part else path
    if draft.is_gone(control):
        return
    kind, optional = _kind(about(path))
    value = st.session_state[draft.widget_key(control)]
    if kind is str and optional:
        value = value or None
    draft.put(path, value.isoformat() if isinstance(value, date) else value)


def _take_segment(path: str, rest: list[str]) -> None:
    if draft.is_gone(path):
        return
    picked = st.session_state[draft.widget_key(path)]
    draft.put(path, rest[0] if picked == MORE else picked)


def _take_widths(path: str) -> None:
    if draft.is_gone(path):
        return
    text = st.session_state[draft.widget_key(path)]
    parts = [part.strip() for part in text.replace(";", ",").split(",") if part.strip()]
    whole = (bool(parts) or _may_be_empty(about(path))) and all(part.removeprefix("-").isdigit() for part in parts)
    draft.put(path, [int(part) for part in parts] if whole else text)


def _may_be_empty(info: FieldInfo) -> bool:
    return not any(getattr(rule, "min_length", None) for rule in info.metadata)


def _kind(info: FieldInfo) -> tuple[Any, bool]:
    """The field's plain type, and whether it may be None."""
    kinds = get_args(info.annotation) if get_origin(info.annotation) is not Literal else ()
    if NoneType in kinds:
        return next(kind for kind in kinds if kind is not NoneType), True
    return info.annotation, False


def _step(info: FieldInfo) -> float:
    """A tenth of the default. The same at all times, for a new step makes a new widget."""
    return float(f"{info.default / 10:.0e}") if info.default else 0.01
