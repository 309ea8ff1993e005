"""One widget for one field of the configuration: kind, bounds, title and help come from the field itself.

A widget is filled from the draft when it has no state of its own, and writes a person's change into the draft before the
page is drawn again, so that everything on the page follows from one and the same draft.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import streamlit as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from engine.config import KIND_FIELDS, RunConfig
from pages.components import draft

WHOLE = 2**53 - 1
"""The largest whole number that a browser's own numbers hold exactly."""

MORE = "more"
MORE_SHOWN = ":material/more_horiz:"


def about(path: str) -> FieldInfo:
    """Title, help, type and bounds of a field, as the draft's kind of split or model has it."""
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
    label = label or info.title or path
    common: dict[str, Any] = {"key": _fill(path), "help": info.description, "on_change": _take, "args": (path,)}
    if get_origin(kind) is Literal:
        st.selectbox(label, options(path), format_func=naming, **common)
    elif kind is bool:
        st.toggle(label, **common)
    elif kind in (int, float):
        if kind is int and abs(draft.values()[path] or 0) > WHOLE:
            st.text_input(label, value=str(draft.values()[path]), disabled=True, help="Too large a number for a browser to count with.")
            return
        low, high = _bounds(info, kind)
        numbers: dict[str, Any] = {"step": 1} if kind is int else {"step": _step(info), "format": "%g"}
        st.number_input(label, min_value=low, max_value=high, placeholder="none" if optional else None, **numbers, **common)
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
    """Layer widths as people write them: "512, 512, 1024"."""
    info = about(path)
    key = draft.widget_key(path)
    if key not in st.session_state:
        value = draft.values()[path]
        st.session_state[key] = value if isinstance(value, str) else ", ".join(str(width) for width in value)
    st.text_input(info.title or path, key=key, help=info.description, on_change=_take_widths, args=(path,))


def options(path: str) -> list[str]:
    """The values that a field can have; a kind's are spread over the classes of its section."""
    section, _, name = path.partition(".")
    if KIND_FIELDS.get(section) == name:
        return [str(kind.model_fields[name].default) for kind in get_args(RunConfig.model_fields[section].annotation)]
    return list(get_args(_kind(about(path))[0]))


def _fill(path: str) -> str:
    """The key of a field's widget, whose state now is the draft's value or a person's newer one."""
    key = draft.widget_key(path)
    if key not in st.session_state:
        value = draft.values()[path]
        st.session_state[key] = float(value) if value is not None and _kind(about(path))[0] is float else value
    return key


def _take(path: str, part: str = "") -> None:
    kind, optional = _kind(about(path))
    value = st.session_state[draft.widget_key(f"{path}.{part}" if part else path)]
    draft.put(path, (value or None) if kind is str and optional else value)


def _take_segment(path: str, rest: list[str]) -> None:
    picked = st.session_state[draft.widget_key(path)]
    draft.put(path, rest[0] if picked == MORE else picked)


def _take_widths(path: str) -> None:
    text = st.session_state[draft.widget_key(path)]
    parts = [part.strip() for part in text.replace(";", ",").split(",") if part.strip()]
    whole = bool(parts) and all(part.removeprefix("-").isdigit() for part in parts)
    draft.put(path, [int(part) for part in parts] if whole else text)


def _kind(info: FieldInfo) -> tuple[Any, bool]:
    """The field's plain type, and whether it may be None."""
    kinds = get_args(info.annotation) if get_origin(info.annotation) is not Literal else ()
    if NoneType in kinds:
        return next(kind for kind in kinds if kind is not NoneType), True
    return info.annotation, False


def _bounds(info: FieldInfo, kind: type) -> tuple[Any, Any]:
    """Inclusive bounds; an open one becomes the closed one, and the engine refuses the end point with its own sentence."""
    low = next((getattr(rule, name) for rule in info.metadata for name in ("ge", "gt") if hasattr(rule, name)), None)
    high = next((getattr(rule, name) for rule in info.metadata for name in ("le", "lt") if hasattr(rule, name)), None)
    return (None if low is None else kind(low)), (None if high is None else min(kind(high), WHOLE))


def _step(info: FieldInfo) -> float:
    """A tenth of the default. The same at all times, for a new step makes a new widget."""
    return float(f"{info.default / 10:.0e}") if info.default else 0.01
