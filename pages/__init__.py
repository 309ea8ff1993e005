"""The pages of the app. To add one, write its file and enter it here; navigation and the page tests pick it up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import Page

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class PageEntry:
    """One page.

    Attributes:
        file: its script, relative to the repository.
        title: as the navigation shows it.
        icon: a Material symbol.
        group: heading in the navigation: what one does there is DO, SEE or KNOW.
    """

    file: str
    title: str
    icon: str
    group: str

    @property
    def url_path(self) -> str:
        """The page's part of a link, such as "train"; of the first page it is empty."""
        return "" if self is PAGES[0] else self.file.removeprefix("pages/").removesuffix(".py")


PAGES = (
    PageEntry("pages/start.py", "Start", ":material/home:", "DO"),
    PageEntry("pages/data.py", "Data", ":material/database:", "DO"),
    PageEntry("pages/train.py", "Train", ":material/model_training:", "DO"),
    PageEntry("pages/sweep.py", "Sweep", ":material/travel_explore:", "DO"),
    PageEntry("pages/runs.py", "Runs", ":material/list_alt:", "SEE"),
    PageEntry("pages/recommend.py", "Recommend", ":material/recommend:", "SEE"),
    PageEntry("pages/items.py", "Items", ":material/bubble_chart:", "SEE"),
    PageEntry("pages/svd.py", "SVD", ":material/grid_on:", "SEE"),
    PageEntry("pages/pairwise.py", "Pairwise", ":material/balance:", "SEE"),
    PageEntry("pages/reproduce.py", "Reproduce", ":material/fact_check:", "KNOW"),
    PageEntry("pages/learn.py", "Learn", ":material/school:", "KNOW"),
    PageEntry("pages/speed.py", "Speed", ":material/speed:", "KNOW"),
)


def navigation() -> Page:
    """Draws the navigation and returns the page that the person is on, to be run."""
    groups: dict[str, list[Page]] = {}
    for entry in PAGES:
        page = st.Page(ROOT / entry.file, title=entry.title, icon=entry.icon, url_path=entry.url_path or None, default=not entry.url_path)
        groups.setdefault(entry.group, []).append(page)
    return st.navigation(groups)
