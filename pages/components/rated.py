"""What a person has rated: each rating can be changed and taken away in its place, and any title of the catalogue added by a search.

The rows are widgets, a page of them at a time: a cell of a data editor tells a change only after 150 ms, which is more than half of what
a person is to wait for the new lists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from pages.components import asked, words
from pages.components.asked import ANSWER, CHANGED, LINK, RATED, TASTE, WHY
from pages.components.cards import download
from pages.components.reclists import stars
from pages.components.scorer import Opened, opened
from pages.components.session import store

if TYPE_CHECKING:
    from engine.recommendations import Person

PAGE_ROWS = 7
ROWS, ADDED, SEARCH = (f"{asked.PAGE}.{part}" for part in ("rows", "added", "search"))
REST = (ANSWER, CHANGED, WHY, TASTE, LINK)
"""What another rating changes beside the card itself."""


@st.fragment(key=RATED)
def rated_card(here: Opened, who: str) -> None:
    """The ratings that models see, with a search over all titles.

    Args:
        who: what the person is called.
    """
    from engine.recommendations import history

    data, person = here.trained.split.interactions, asked.person(here)
    rated = history(data, person.ratings)
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            title = f"{words.plain(who)} has rated"
            st.markdown(f"**{title}**", width="stretch")
            st.caption(f"{len(person.ratings):,}" + (f" · mean {rated['mean']:.2f}" if person.ratings else ""), width="content")
            download(lambda: pd.DataFrame(rated["history"]), key=f"{here.trained.run.name}-rated", title=title)
        text = st.text_input(
            "Find or add a title",
            key=f"{SEARCH}.{who}",
            placeholder="search a title to add or change …",
            label_visibility="collapsed",
            icon=":material/search:",
            type="search",
            live="200ms",
        )
        wanted = (text or "").casefold().split()
        in_order = _in_order(rated["history"], {str(data.items.index[item]) for item in person.changes})
        shown = [one for one in in_order if all(word in f"{one['title']} {one['genres']}".casefold() for word in wanted)]
        if wanted:
            _offered(here, person, text or "", len(shown))
        if shown:
            _rows(here, shown)
        elif not wanted:
            st.caption("Nothing is rated: search a title and add it.")
        st.caption("Change a rating, or take it away with ✕: the lists answer at once.")


def _in_order(rated: list[dict[str, Any]], changed: set[str]) -> list[dict[str, Any]]:
    """Best first as the person is met, after what a link has changed; then rows stay in their places, so that none jumps as it is
    changed, and added ones come on top."""
    turn, order = st.session_state.get(f"{ROWS}.order", ("", []))
    now = {one["item"]: one for one in rated}
    if turn != _key():
        order = sorted(now, key=lambda item: item not in changed)
    known = set(order)
    order = [item for item in now if item not in known] + [item for item in order if item in now]
    st.session_state[f"{ROWS}.order"] = _key(), order
    return [now[item] for item in order]


def _key() -> str:
    """Of the rows: another one for another person, and after each reset."""
    return f"{ROWS}.{asked.kept()['ratings'] or asked.kept()['user']}.{asked.kept().get('turn', 0)}"


def _rows(here: Opened, shown: list[dict[str, Any]]) -> None:
    """A page of the ratings, and what turns pages."""
    rows, pages = st.container(gap="xsmall"), -(-len(shown) // PAGE_ROWS)
    at = 1
    if pages > 1:
        at = st.pagination(pages, max_visible_pages=5, key=f"{_key()}.{pages}")
    with rows:
        for one in shown[(at - 1) * PAGE_ROWS : at * PAGE_ROWS]:
            _row(here, one)


def _row(here: Opened, one: dict[str, Any]) -> None:
    """A title, its rating to be changed, and a button that takes it away."""
    scale, title, key = here.trained.split.interactions.scale, words.plain(one["title"]), f"{_key()}.{one['item']}"
    own = st.session_state[key] = float(one["rating"])
    with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="xsmall"):
        genres = f"  \n:small[:gray[{words.plain(one['genres'].replace('|', ', '))}]]" if one["genres"] else ""
        st.markdown(f":small[{title}]{genres}", width="stretch")
        settings: dict[str, Any] = {"key": key, "on_change": _changed, "args": (one["item"], key), "label_visibility": "collapsed"}
        if here.values:
            values = sorted({*here.values, own})
            st.selectbox(f"Rating of {one['title']}", values, format_func=lambda value: stars(value, scale), width=112, **settings)
        else:
            low, high = map(float, scale)
            st.number_input(f"Rating of {one['title']}", low, high, width=112, **settings)
        st.button("✕", key=f"{key}.away", type="tertiary", on_click=_removed, args=(one["item"],), help=f"Take {title} away")


def _offered(here: Opened, person: Person, text: str, found: int) -> None:
    """Titles that are not rated yet, to be added by a click."""
    data = here.trained.split.interactions
    matches = here.search.find(text, without=person.ratings)
    rating = _liked(here)
    added = f"; add with {stars(rating, data.scale)}:" if matches else "; no other title holds this."
    st.caption(f"“{words.plain(text)}”: {f'{found:,} rated' if found else 'none rated'}{added}")
    if matches:
        with st.container(height=min(150, 12 + 33 * len(matches)), border=False, gap=None):
            for item in matches:
                title = words.plain(str(data.titles[item]))
                st.button(title, key=f"{ADDED}.{item}", type="tertiary", icon=":material/add:", on_click=_added, args=(item, rating))


def _liked(here: Opened) -> float:
    """The rating that a title is added with: from which on it counts as liked."""
    from engine.recommendations.lists import liked_from

    low, high = here.trained.split.interactions.scale
    return min(max(liked_from(here.trained), low), high)


def _shown() -> Opened:
    """The model on the page. A callback is not given it: Streamlit keeps what that is given for as long as the tab is open."""
    return opened(store().get(asked.kept()["run"]))


def _changed(item: str, key: str) -> None:
    here = _shown()
    asked.change(here, here.trained.split.interactions.item_position(item), float(st.session_state[key]))
    asked.redraw(*REST)


def _removed(item: str) -> None:
    here = _shown()
    asked.change(here, here.trained.split.interactions.item_position(item), None)
    asked.redraw(*REST, RATED)


def _added(item: int, rating: float) -> None:
    asked.change(_shown(), item, rating)
    asked.redraw(*REST, RATED)


def reset() -> None:
    """As a callback: all ratings as they were."""
    asked.kept().update(set="", turn=asked.kept().get("turn", 0) + 1)
    asked.redraw(*REST, RATED)
