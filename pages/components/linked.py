"""Menus whose choice stands in the page's address under its plain name.

Streamlit's own binding writes the text that a menu shows; a link should say `ml-100k`, as a configuration does. Widgets that
show what they hold (sliders, numbers, tabs) use Streamlit's binding, by `bound`. What a link asks for and cannot be is said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import streamlit as st

from engine.errors import shortened
from pages.components import query
from pages.components.frame import say

T = TypeVar("T")


def bound(widget: Callable[..., T], label: str, *arguments: Any, key: str, **options: Any) -> T:
    """A widget in Streamlit's own binding; says where it does not take what a link asks for."""
    asked = [] if key in st.session_state else st.query_params.get_all(key)
    given = widget(label, *arguments, key=key, bind="query-params", **options)
    if asked and not _is_meant(asked, st.session_state.get(key, given)):
        _refuse(label, ", ".join(asked), st.session_state.get(key, given))
    return given


def tabs(names: Sequence[str], key: str) -> Sequence[Any]:
    """Tabs, of which the open one stands in the address."""
    return bound(lambda _label, **options: st.tabs([*names], on_change="rerun", **options), "Tab", key=key)


def _is_meant(asked: Sequence[str], chosen: Any) -> bool:
    """Whether this choice is what stands in a link."""
    if isinstance(chosen, list | tuple):
        return sorted(map(str, chosen)) == sorted(asked)
    if isinstance(chosen, bool):
        return asked[-1].casefold() == str(chosen).casefold()
    if isinstance(chosen, int | float):
        try:
            return float(asked[-1]) == chosen
        except ValueError:
            return False
    return asked[-1] == str("" if chosen is None else chosen)


def _refuse(label: str, asked: str, chosen: Any) -> None:
    instead = f"“{chosen}”" if isinstance(chosen, str) and chosen else f"{chosen}" if chosen not in (None, [], "") else "none"
    say("warning", f"{label}: the link asks for “{shortened(asked)}”, which is not possible here; it is {instead} instead.")


def select(
    label: str,
    options: Sequence[str],
    key: str,
    *,
    default: str | None = None,
    naming: Callable[[str], str] = str,
    unknown: Callable[[str], None] | None = None,
    meaning: str | None = None,
    search: bool = False,
) -> str:
    """A menu that a link can set.

    Args:
        options: plain names, as in the address.
        key: of the session state and in the address.
        default: what the address leaves out; the first option when None.
        naming: name → what the menu shows.
        unknown: called with a name in the address that is no option; it says so to the person. Without it, a sentence is said.
        search: typing finds options, for long menus.
    """
    default = options[0] if default is None else default
    _follow_address(options, key, default, unknown or (lambda asked: _refuse(label, asked, naming(default))))
    chosen = st.selectbox(label, options, key=key, format_func=naming, help=meaning, filter_mode="fuzzy" if search else None)
    _write_address(key, chosen, default)
    return chosen


def segments(label: str, options: Sequence[str], key: str, *, default: str | None = None, meaning: str | None = None) -> str:
    """As `select`, with the options side by side."""
    default = options[0] if default is None else default
    _follow_address(options, key, default, lambda asked: _refuse(label, asked, default))
    chosen = st.segmented_control(label, options, key=key, required=True, help=meaning, width="stretch")
    _write_address(key, chosen or default, default)
    return chosen or default


def several(label: str, options: Sequence[str], key: str, *, naming: Callable[[str], str] = str, empty: str) -> list[str]:
    """A menu of which any number of options can be chosen; what is no option is left out.

    Args:
        empty: what it shows while none is chosen.
    """
    asked = st.query_params.get_all(key)
    fresh = key not in st.session_state
    if fresh or (query.from_elsewhere(key, asked) and st.session_state[key] == query.written(key)):
        st.session_state[key] = asked
        if missing := [name for name in asked if name not in options]:
            _refuse(label, ", ".join(missing), [naming(name) for name in asked if name in options])
    st.session_state[key] = [name for name in st.session_state[key] if name in options]
    chosen = st.multiselect(label, options, key=key, format_func=naming, placeholder=empty, filter_mode=None)
    if not chosen:
        st.query_params.pop(key, None)
    elif chosen != st.query_params.get_all(key):
        st.query_params[key] = chosen
    query.remember(key, chosen)
    return chosen


def _follow_address(options: Sequence[str], key: str, default: str, unknown: Callable[[str], None]) -> None:
    """Give the widget the address's value where that came from elsewhere: a link, the browser's way back."""
    asked = st.query_params.get(key, default)
    elsewhere, written = query.from_elsewhere(key, asked), query.written(key)
    usual = st.session_state.get(_usual(key), default)
    fresh = key not in st.session_state
    if asked not in options:
        if elsewhere and asked != default:
            unknown(asked)
        asked = default
    untouched = fresh or st.session_state[key] == written
    if usual != default and written == usual and untouched:
        # What is usual has changed, as with another dataset, and the person had chosen nothing else.
        st.session_state[key] = default
    elif fresh or (elsewhere and untouched):
        st.session_state[key] = asked
    if st.session_state[key] not in options:
        st.session_state[key] = default


def _write_address(key: str, chosen: str, default: str) -> None:
    if chosen == default:
        st.query_params.pop(key, None)
    elif st.query_params.get(key) != chosen:
        st.query_params[key] = chosen
    query.remember(key, chosen)
    st.session_state[_usual(key)] = default


def _usual(key: str) -> str:
    return f"{key}.usual"
