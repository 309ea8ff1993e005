"""The same page and the same run elsewhere: its link, and its command line."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.config import RunConfig, differences, format_value, to_toml
from pages.components.discreet import shareable

ENGINE = ".venv/bin/python -m engine"
"""The engine's command line, from the repository's folder."""


def share_buttons(place: DeltaGenerator, query: Mapping[str, str], config: RunConfig | None = None, name: str = "") -> None:
    """Buttons that show the page's link and, for a configuration, the command that trains it; with a name, also its file to download."""
    with place.popover("Copy link", icon=":material/link:"):
        st.caption("Opens this page as it is now, for everybody who can reach this server; runs stay in its store.")
        st.code(link(query), language=None, wrap_lines=True)
    if config is not None:
        with place.popover("Copy command", icon=":material/terminal:"):
            st.caption("Trains the same configuration in a terminal.")
            st.code(command(config), language="bash", wrap_lines=True)
    if config is not None and name:
        about = "The whole configuration as TOML; `train --config FILE` trains it."
        file: Any = {"file_name": f"{name}.toml", "mime": "application/toml", "icon": ":material/download:"}
        place.download_button("Download config", to_toml(shareable(config)), key="share-config", on_click="ignore", help=about, **file)


def link(query: Mapping[str, str]) -> str:
    """The page's address with these parameters."""
    return (st.context.url or "") + (f"?{urlencode(query, safe=',:')}" if query else "")


def command(config: RunConfig) -> str:
    """The command line that trains a configuration."""
    settings = [f"--set {shlex.quote(f'{path}={format_value(value)}')}" for path, value in differences(shareable(config)).items()]
    return " ".join([f"{ENGINE} train", *settings])
