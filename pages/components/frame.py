"""The frame of every page: its title row, and mistakes told in one sentence instead of a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.errors import InputError, shortened
from pages import ROOT, navigation
from pages.components import words

ASSETS = ROOT / "assets"
SIDEBAR = 200
"""Width in pixels; what it saves goes to the charts."""

ICONS = {"error": "error", "warning": "link_off", "info": "info", "success": "check_circle"}
Kind = Literal["error", "warning", "info", "success"]

LONGEST = 1_000
"""Letters of a message; what a link or a file has put into it may be of any length."""
_FRAMED, _LATER = "framed", "said later"


def through_dashboard() -> None:
    """First line of every page. The first link that a fresh server is asked for runs the page's script alone, for Streamlit
    takes any folder called pages for its own until the dashboard has run once; this sends such a visit through the dashboard."""
    if _FRAMED not in st.session_state:
        enter_dashboard()
        navigation()
        st.rerun()


def enter_dashboard() -> None:
    """First line of the dashboard: what the browser has to know before anything is drawn."""
    st.set_page_config(page_title="Encore", page_icon=str(ASSETS / "icon.svg"), layout="wide", initial_sidebar_state=SIDEBAR)
    st.logo(str(ASSETS / "logo.svg"), icon_image=str(ASSETS / "icon.svg"), size="large")
    st.session_state[_FRAMED] = True


def let_in() -> bool:
    """Whether this person may see any page: everybody may, unless the server's secrets ask for a login (SECURITY.md). Else offers one."""
    secrets = [file for file in st.get_option("secrets.files") if Path(file).exists()]
    if secrets and not st.secrets.load_if_toml_exists():
        say("error", "The server's secrets cannot be read, so that nobody is let in: its log says why.")
        return False
    if st.user.get("is_logged_in", True):
        return True
    header("Encore", "This lab is open to people who have logged in.")
    st.button("Log in", type="primary", icon=":material/login:", on_click=st.login)
    return False


@contextmanager
def mistakes_as_sentences() -> Iterator[None]:
    """Shows an InputError of its block, or that the run store does not answer, as one sentence; what stands after the block still runs."""
    with _mistakes(lambda text: say("error", text)):
        yield


@contextmanager
def mistakes_said_later() -> Iterator[None]:
    """The same in a callback, which runs before anything is drawn: the sentence is kept for `say_what_was_kept`."""
    with _mistakes(say_later):
        yield


@contextmanager
def _mistakes(tell: Callable[[str], None]) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        tell(str(error))
    except Exception as error:
        # Looked up, for the store takes long to import, and the frame is drawn before it is needed.
        database = sys.modules.get("engine.store")
        if database is None or not isinstance(error, database.Away):
            raise
        tell(database.why_away(error))


def say(kind: Kind, text: str, *, icon: str | None = None, place: DeltaGenerator | None = None) -> None:
    """A message box. What stands in it may come from a link, a file or a run, so it is shown letter by letter, never as Markdown.

    Args:
        icon: name of a Material symbol, where the kind's own does not fit.
        place: a container; where the script is when None.
    """
    getattr(place or st, kind)(words.plain(shortened(text, LONGEST)), icon=f":material/{icon or ICONS[kind]}:")


def announce(text: str, icon: str) -> None:
    """A message that shows itself for a moment, letter by letter; `icon` is the name of a Material symbol."""
    st.toast(words.plain(text), icon=f":material/{icon}:")


def say_later(text: str) -> None:
    """Keeps a mistake of a callback, which runs before anything is drawn, for the place that calls `say_what_was_kept`."""
    st.session_state.setdefault(_LATER, []).append(text)


def say_what_was_kept() -> None:
    """Says the mistakes that callbacks made since the page was drawn last."""
    for text in st.session_state.pop(_LATER, []):
        say("error", text)


def header(title: str, caption: str = "") -> DeltaGenerator:
    """Title and caption of a page; both are Markdown.

    Returns:
        A horizontal container on the right of the title row, for the page's buttons.
    """
    left, right = st.columns([1.6, 1], vertical_alignment="bottom")
    left.title(title, anchor=False)
    left.caption(caption or "\u00a0")
    return right.container(horizontal=True, horizontal_alignment="right")
