"""The controls of one field that varies: options to tick, numbers to list, or a range."""

from __future__ import annotations

from typing import Any, get_origin

import streamlit as st

from engine.config import fields, format_value, parse_value
from engine.errors import InputError
from engine.sweeps import Range, read_axis, write_axis
from engine.sweeps.suggest import as_range, as_values, options, plain_type
from pages.components import words
from pages.components.sweep import plan

WAYS = {"values": "these values", "range": "a range"}


def title(path: str) -> str:
    """A field as menus show it: "Dropout (model.dropout)"."""
    return f"{dict(fields())[path].title or path} ({path})"


def axis(path: str) -> None:
    """The row of one field."""
    info = dict(fields())[path]
    with st.container(border=True, gap="xsmall"):
        st.markdown(f"**{words.plain(info.title or path)}** :gray[{words.plain(path)}]", help=info.description)
        if options(path):
            _options(path)
        elif plain_type(path) in (int, float):
            _numbers(path)
        else:
            _text(path, "Values", "64, 32; 128" if _is_list(path) else "one, other")


def _options(path: str) -> None:
    known = {format_value(value): value for value in options(path)}
    key = _key(path, "options")
    if key not in st.session_state:
        st.session_state[key] = [text for text in known if known[text] in _listed(path)]
    shown = {"true": "on", "false": "off"}
    st.pills(
        "Values",
        [*known],
        key=key,
        selection_mode="multi",
        format_func=lambda text: shown.get(text, text),
        on_change=_take_options,
        args=(path,),
        wrap=True,
    )


def _numbers(path: str) -> None:
    try:
        now: Any = read_axis(path, plan.axes()[path])
    except InputError:  # told beside the start button
        now = None
    key = _key(path, "way")
    st.session_state[key] = "range" if isinstance(now, Range) else "values"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        with st.container(width=190):
            st.segmented_control(
                "Try", [*WAYS], key=key, format_func=WAYS.__getitem__, required=True, wrap=False, on_change=_take_way, args=(path,)
            )
        if isinstance(now, Range):
            _range(path, now)
        else:
            with st.container(width="stretch"):
                _text(path, "Values", "0.1, 0.2, 0.5")


def _range(path: str, now: Range) -> None:
    whole = plain_type(path) is int
    said: dict[str, Any] = {"step": 1} if whole else {"step": 0.01, "format": "%g"}
    for part, value in (("low", now.low), ("high", now.high), ("step", now.step)):
        info, key = Range.model_fields[part], _key(path, part)
        if key not in st.session_state:
            st.session_state[key] = value if value is None else int(value) if whole else float(value)
        with st.container(width=118):
            st.number_input(
                info.title or part, key=key, placeholder="any", help=info.description, on_change=_take_range, args=(path,), **said
            )
    key, info = _key(path, "log"), Range.model_fields["log"]
    if key not in st.session_state:
        st.session_state[key] = now.log
    st.toggle("log", key=key, help=info.description, on_change=_take_range, args=(path,))


def _text(path: str, label: str, example: str) -> None:
    key = _key(path, "text")
    if key not in st.session_state:
        st.session_state[key] = plan.axes()[path]
    about = "Lists of widths, with a semicolon between them." if _is_list(path) else "With commas between them."
    st.text_input(label, key=key, placeholder=example, help=about, on_change=_take_text, args=(path,))


def _listed(path: str) -> list[Any]:
    try:
        found = read_axis(path, plan.axes()[path])
    except InputError:
        return [parse_value(part.strip()) for part in plan.axes()[path].split(",")]
    return list(found.choices or ())


def _take_options(path: str) -> None:
    if _there(path, "options"):
        chosen = [format_value(value) for value in options(path) if format_value(value) in st.session_state[_key(path, "options")]]
        plan.put_axis(path, ", ".join(chosen))


def _take_text(path: str) -> None:
    if _there(path, "text"):
        plan.put_axis(path, st.session_state[_key(path, "text")].strip())


def _take_range(path: str) -> None:
    if not all(_there(path, part) for part in ("low", "high", "step", "log")):
        return
    low, high, step, log = (st.session_state[_key(path, part)] for part in ("low", "high", "step", "log"))
    if low is None or high is None:
        return
    text = f"{low!r}..{high!r}{' log' if log else ''}{'' if step is None else f' step {step!r}'}"
    plan.put_axis(path, text)


def _take_way(path: str) -> None:
    if not _there(path, "way"):
        return
    try:
        now = read_axis(path, plan.axes()[path])
        wanted = as_range(now) if st.session_state[_key(path, "way")] == "range" else as_values(now)
        plan.put_axis(path, write_axis(wanted))
    except (InputError, ValueError):  # nothing there that could be turned: begin with something
        plan.put_axis(path, "0..1" if st.session_state[_key(path, "way")] == "range" else "")
    for part in ("low", "high", "step", "log", "text"):
        st.session_state.pop(_key(path, part), None)


def _there(path: str, part: str) -> bool:
    """Whether the field still varies: another change, sent together with this one, may have come first."""
    return path in plan.axes() and _key(path, part) in st.session_state


def _is_list(path: str) -> bool:
    return get_origin(plain_type(path)) is tuple


def _key(path: str, part: str) -> str:
    return f"{plan.PREFIX}{path}.{part}"
