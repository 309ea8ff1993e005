"""The same page and the same run elsewhere: its link, and its command line."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from urllib.parse import urlencode

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.config import RunConfig, differences, format_value

ENGINE = ".venv/bin/python -m engine"
"""The engine's command line, from the repository's folder."""


def share_buttons(place: DeltaGenerator, query: Mapping[str, str], config: RunConfig | None = None) -> None:
    """Buttons that show the page's link and, for a configuration, the command that trains it."""
    with place.popover("Copy link", icon=":material/link:"):
        st.caption("Opens this page as it is now.")
        st.code(link(query), language=None, wrap_lines=True)
    if config is not None:
        with place.popover("Copy command", icon=":material/terminal:"):
            st.caption("Trains the same configuration in a terminal.")
            st.code(command(config), language="bash", wrap_lines=True)


def link(query: Mapping[str, str]) -> str:
    """The page's address with these parameters."""
    return (st.context.url or "") + (f"?{urlencode(query, safe=',:')}" if query else "")


def command(config: RunConfig) -> str:
    """The command line that trains a configuration."""
    settings = [f"--set {shlex.quote(f'{path}={format_value(value)}')}" for path, value in differences(config).items()]
    return " ".join([f"{ENGINE} train", *settings])
