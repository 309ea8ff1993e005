"""What changed ratings change: which titles enter a list, leave it and move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from pages.components import asked, words
from pages.components.asked import CHANGED
from pages.components.rated import reset
from pages.components.reclists import letters, stars
from pages.components.scorer import Opened

if TYPE_CHECKING:
    from engine.interactions import Interactions
    from engine.recommendations import Listed, Person

MOVES = 6
"""Moves within a list that are told; all are marked in it."""
CHANGES = 8


@st.fragment(key=CHANGED)
def changes_card(here: Opened, others: Sequence[Opened]) -> None:
    """The changed ratings, and in words what they do to each list."""
    advisors, (person, found) = asked.advisors(here, others), asked.compared(here, others)
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(
                "**What changed**", width="content", help="Beside the lists of the same person before. In the lists: ▲ ▼ places moved."
            )
            if person.changes:
                st.button("Reset", on_click=reset, type="tertiary", icon=":material/undo:")
        if not person.changes:
            st.caption("Nothing yet. What you change says here who enters the lists, and who leaves.")
            return
        st.markdown(f":small[{_ratings(person, advisors[0].data)}]")
        called = letters(advisors)
        for advisor in advisors:
            if advisor.key in found.lists:
                st.markdown(f":small[**{called[advisor.key]}**: {_told(found.lists[advisor.key])}]")


def _ratings(person: Person, data: Interactions) -> str:
    """The changes, such as "Amélie (2001) ★★★ → ★★★★½"."""
    told = []
    for item, rating in list(person.changes.items())[:CHANGES]:
        former = person.former.get(item)
        before = "not rated" if former is None else stars(former, data.scale)
        now = "taken away" if rating is None else stars(rating, data.scale)
        told.append(f"{words.plain(str(data.titles[item]))} :orange[{before} → {now}]")
    others = len(person.changes) - len(told)
    return " · ".join(told) + (f" · and {others:,} more" if others else "")


def _told(listed: Listed) -> str:
    """A list's changes in words."""
    size = len(listed.entries)
    entered, moved = [], []
    for rank, one in enumerate(listed.entries, 1):
        title = f"**{words.plain(one['title'])}**"
        if one["before"] is None or one["before"] > size:
            entered.append(f"{title} enters at {rank}" + (f" (was {one['before']:,})" if one["before"] else ""))
        elif one["before"] != rank:
            moved.append(f"{words.plain(one['title'])} {one['before']} → {rank}")
    left = [
        f"{words.plain(one['title'])} leaves" + (f" ({one['before']} → {one['place']:,})" if one["place"] else ", being rated now")
        for one in listed.left
    ]
    if not entered + left + moved:
        return ":gray[the list stays as it was]"
    more = [f":gray[and {len(moved) - MOVES} more move]"] if len(moved) > MOVES else []
    return ", ".join([*entered, *left, *moved[:MOVES], *more])
