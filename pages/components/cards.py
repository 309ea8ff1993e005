"""Cards that pages are laid out in: a number with its name, a chart with its data."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

import pandas as pd
import streamlit as st

from engine.spreadsheets import to_csv
from pages.components import charts, words

TILE = 144
"""Width in pixels of a tile that stands in a row of its like: a window of 1440 has room for seven, a phone for two."""


def tile(label: str, value: str, note: str = "", meaning: str | None = None, *, fills: bool = True) -> None:
    """A number with its name and a note below; unlike st.metric it breaks lines instead of cutting them.

    Args:
        fills: it takes the width of its place; otherwise as many stand in a row as fit. Not inside a column: Streamlit 1.67 draws
            the second row of such tiles there over what follows.
    """
    with st.container(border=True, height="stretch", width="stretch" if fills else TILE, gap=None):
        st.caption(label, help=meaning)
        st.header(value, anchor=False)
        (small if "[" in note else st.caption)(note or "\u00a0")


def small(text: str) -> None:
    """A small line with coloured words, which a caption would make too pale to be read."""
    st.markdown(f":small[{text}]")


def badge(text: str, color: Literal["gray", "blue"] = "gray", meaning: str | None = None) -> None:
    """Text from outside as a badge, letter by letter; st.badge escapes brackets that `plain` has escaped already, and shows backslashes."""
    st.markdown(f":{color}-badge[{words.plain(text)}]", width="content", help=meaning)


def chart_card(
    title: str,
    option: dict[str, Any],
    data: pd.DataFrame,
    *,
    key: str,
    alt: str,
    caption: str = "",
    meaning: str | None = None,
    height: int = 250,
) -> None:
    """A chart under its title, with what to see in it and its data as CSV.

    Args:
        option: for ECharts.
        data: what is drawn, one row per point; the download.
        key: unique on the page; names the file too.
        alt: the chart in one sentence.
        caption: a line below the chart.
        meaning: help beside the title.
    """
    with st.container(border=True, height="stretch", gap="xsmall"):
        card_title(title, data, key=key, meaning=meaning)
        charts.draw(option, key=key, alt=alt, height=height)
        if caption:
            st.caption(caption)


def card_title(title: str, data: pd.DataFrame, *, key: str, meaning: str | None = None) -> None:
    """The title row of a card, with its data as CSV; `title` is Markdown."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{title}**", width="content", help=meaning)
        download(lambda: data, key=key, title=title)


def download(data: Callable[[], pd.DataFrame], *, key: str, title: str) -> None:
    """A small button that gives the numbers behind a table or chart as CSV.

    Args:
        data: makes them, once somebody asks.
        key: unique on the page; names the file too.
        title: of the table or chart, as Markdown.
    """
    st.download_button(
        ":material/download:",
        lambda: to_csv(data()).encode(),
        file_name=f"{re.sub('[^a-z0-9]+', '-', key.lower())}.csv",
        mime="text/csv",
        key=f"{key}-csv",
        type="tertiary",
        on_click="ignore",
        help=f"Download the data of “{title}” as CSV",
    )
