"""Items: what a model has learned of them, as a map; who is near to whom."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.item_map import Flat, ItemMap, two_factors
from pages.components import charts, item_factors, item_view, linked, query, words
from pages.components.cards import card_title
from pages.components.frame import header, mistakes_as_sentences, say, through_dashboard
from pages.components.session import store
from pages.components.share import share_buttons

ABOUT = "What a model has learned of each item, laid flat. Items that the same people rated alike tend to lie near each other."
FEWEST = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)
USUAL = 20
AXES = {
    "principal": "the two directions in which the items differ most (principal component analysis)",
    "two factors": "two of the model's own factors, as they are",
}
SOURCE = "items_of"
KNOWN = (
    *("run", SOURCE, "items_axes", "items_colour", "items_fewest", "items_x", "items_y"),
    *(item_view.ITEM, charts.PICTURES),
)
"""The page's parameters in a link."""


def take_run() -> None:
    """A link of other pages names a run as `run=`, by id or name."""
    run = st.query_params.get("run")
    if run is None:
        return
    st.query_params.pop("run")
    found = store().find(run)
    if found is None:
        say("warning", f"There is no run “{run}”; perhaps it was deleted.")
    else:
        st.query_params[SOURCE] = found.id


def source_menu() -> str:
    """Whose factors are shown. The address always says it: which run is the newest changes from day to day."""
    known = item_factors.sources()
    asked = st.query_params.get(SOURCE)
    if asked is not None and (SOURCE not in st.session_state or query.from_elsewhere(SOURCE, asked)):
        if asked in known:
            st.session_state[SOURCE] = asked
        else:
            say("warning", f"These factors cannot be shown: {_why_not(asked)}. Choose another below.")
    if st.session_state.get(SOURCE) not in known:
        st.session_state[SOURCE] = next(iter(known))
    about = (
        "The last thing a model multiplies with a user's own numbers: a network's output matrix, EASE's weights, the factors of MF and SVD."
    )
    chosen = st.selectbox("Factors of", [*known], key=SOURCE, format_func=known.__getitem__, help=about, filter_mode="fuzzy")
    if asked != chosen:
        st.query_params[SOURCE] = chosen
    query.remember(SOURCE, chosen)
    return chosen


def _why_not(name: str) -> str:
    run = store().find(name)
    return f"the model of {run.name} has no factors of items, or is not trained yet" if run else f"there is no “{name}” here"


def looks(whole: ItemMap) -> tuple[str, str, int]:
    """What the axes are, what colours the points, and the fewest ratings of an item that is shown."""
    axes, colour, fewest = st.columns([1, 1.3, 1.4], gap="medium")
    with axes:
        about = "\n".join(f"- **{name}**: {said}" for name, said in AXES.items())
        kind = linked.segments("Axes", [*AXES], "items_axes", meaning=about)
    with colour:
        known = [name for name in ("genre", "ratings", "mean") if name != "genre" or "first_genre" in whole.table]
        paint = linked.segments("Colour", known, "items_colour", meaning="genre: the first one; ratings: how many; mean: mean rating.")
    with fewest:
        highest = int(whole.table["ratings"].iloc[min(len(whole.table), 10) - 1])
        steps = [number for number in FEWEST if number <= max(1, highest)]
        usual = max(number for number in steps if number <= USUAL)
        if st.session_state.get("items_fewest", 1) not in steps:
            del st.session_state["items_fewest"]
        about = "Items with fewer ratings are left out: a model has learned little of them, and they would drown the others."
        least: Any = linked.bound(st.select_slider, "Fewest ratings", steps, usual, key="items_fewest", help=about)
    return kind, paint, least


def laid(source: str, shown: ItemMap, kind: str, least: int) -> tuple[Flat, list[str]]:
    """Where the items lie, and the names of both axes with their shares of the variance."""
    if kind == "principal":
        flat, names = item_factors.principal_of(source, least), ["direction 1", "direction 2"]
    else:
        numbers = [str(number) for number in range(1, shown.factors.shape[1] + 1)]
        across, up = st.columns(2, gap="medium")
        with across:
            x = linked.select("Across", numbers, "items_x", naming=lambda one: f"factor {one}", search=True)
        with up:
            others = [number for number in numbers if number != x]
            y = linked.select("Up", others, "items_y", naming=lambda one: f"factor {one}", search=True)
        flat, names = two_factors(shown.factors, int(x), int(y)), [f"factor {x}", f"factor {y}"]
    return flat, [f"{name} ({words.percent(share, 1)} of the variance)" for name, share in zip(names, flat.shares, strict=True)]


def item_menu(shown: ItemMap) -> int | None:
    """The row of the item that is looked at."""
    titles = {"": "none", **dict(zip(shown.table["item"], shown.table["title"], strict=True))}

    def unknown(item: str) -> None:
        say("info", f"The item “{item}” is not on this map: it is not in the data, or has fewer ratings than are asked for.")

    about = "Or click a point of the map: it is marked, and the items nearest to it are listed."
    item = linked.select(
        "Find an item",
        ["", *titles],
        item_view.ITEM,
        naming=lambda one: titles.get(one, "none"),
        unknown=unknown,
        meaning=about,
        search=True,
    )
    return None if item == "" else list(titles).index(item) - 1


def main() -> None:
    """The page from top to bottom."""
    place = header("Items", ABOUT)
    query.refuse_unknown(KNOWN)
    take_run()
    left, right = st.columns([3, 1], gap="medium")
    with left:
        source = source_menu()
    with right:
        charts.pictures_as()
    with mistakes_as_sentences():
        whole = item_factors.map_of(source)
        kind, colour, least = looks(whole)
        shown = whole.at_least(least)
        flat, names = laid(source, shown, kind, least)
        row = item_menu(shown)
        table = shown.table.assign(**dict(zip(names, flat.places.T, strict=True)))
        shown = ItemMap(table, shown.factors, shown.there, shown.name)
        near = [] if row is None else item_view.nearest(shown, row)
        with st.container(border=True, gap="small"):
            card_title("Map of items", table, key="items-map-data")
            left, right = st.columns([2.4, 1], gap="medium")
            with left:
                item_view.draw(shown, names, colour, row, near)
            with right:
                item_view.beside(shown, row, near)
                st.page_link("pages/svd.py", label="SVD by rank, with its matrices A and B", icon=":material/grid_on:")
            st.caption(item_view.reading(whole, shown, flat, least))
    share_buttons(place, st.query_params.to_dict())


through_dashboard()
with mistakes_as_sentences():
    main()
