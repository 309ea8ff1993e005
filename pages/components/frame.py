"""The frame of every page: its title row, and mistakes told in one sentence instead of a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.errors import InputError
from pages import ROOT, navigation

ASSETS = ROOT / "assets"
SIDEBAR = 200
"""Width in pixels; what it saves goes to the charts."""

_FRAMED = "framed"


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


@contextmanager
def mistakes_as_sentences() -> Iterator[None]:
    """Shows an InputError of its block as one sentence; what stands after the block still runs."""
    try:
        yield
    except InputError as error:
        st.error(str(error), icon=":material/error:")


def header(title: str, caption: str = "") -> DeltaGenerator:
    """Title and caption of a page.

    Returns:
        A horizontal container on the right of the title row, for the page's buttons.
    """
    left, right = st.columns([1.6, 1], vertical_alignment="bottom")
    left.title(title, anchor=False)
    left.caption(caption or "\u00a0")
    return right.container(horizontal=True, horizontal_alignment="right")
