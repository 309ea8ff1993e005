"""The map of items, whose points can be clicked, and the list of the neighbours of the one that is looked at."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from engine.item_map import MOST, Flat, ItemMap, distances, neighbours
from pages.components import charts, item_points, words
from pages.components.cards import card_title
from pages.components.item_points import COLOURS
from pages.components.plots import plane

NEIGHBOURS = 12
HEIGHT = 600
ITEM = "items_item"
"""The id of the item that is looked at, in the session and in the address."""
CHART, DRAWN, CLICKED = "items-map", "items.drawn", "items.clicked"


def draw(shown: ItemMap, names: list[str], colour: str, row: int | None, near: list[tuple[int, float]]) -> None:
    """The map; its points can be clicked."""
    chosen = None if row is None else int(shown.table.index[row])
    layers = [
        *item_points.points(shown.table, names, colour, faint=chosen is not None),
        *item_points.marked(shown.table, names, chosen, near),
    ]
    option = plane([layer.dots for layer in layers], x_name=names[0], y_name=names[1], scale=item_points.scale(shown.table, colour))
    option["legend"] |= {"data": [layer.dots.name for layer in layers if layer.dots.name != "outermost"]}
    option["grid"]["top"] += 14
    for series in option["series"]:
        # What is chosen is marked by a series of its own.
        series |= {"selectedMode": "single", "select": {"itemStyle": {"borderWidth": 0}}, "cursor": "pointer"}
    st.session_state[DRAWN] = [[shown.table["item"].loc[position] for position in layer.items] for layer in layers]
    alt = f"{len(shown.table)} items by {names[0]} and {names[1]}, coloured by {COLOURS[colour]}"
    charts.draw(option, key=CHART, alt=alt, height=HEIGHT, on_select=click)


def click() -> None:
    """Look at the item whose point was clicked; a second click on it looks at none."""
    groups = st.session_state[CHART]["selection"]["selected"]
    now = {(group["series_index"], place) for group in groups for place in group["data_indices"]}
    before = st.session_state.get(CLICKED, set())
    st.session_state[CLICKED] = now
    drawn, current = st.session_state.get(DRAWN, []), st.session_state.get(ITEM, "")
    # A click adds a point, and takes away another of the same series; one on a selected point takes it away alone.
    touched = [
        drawn[series][place] for series, place in (now - before or before - now) if series < len(drawn) and place < len(drawn[series])
    ]
    if touched:
        st.session_state[ITEM] = "" if len(touched) > 1 or (touched[0] == current and not now - before) else str(touched[0])


def nearest(shown: ItemMap, row: int) -> list[tuple[int, float]]:
    """Position and cosine of an item's neighbours, by all factors."""
    found, cosines = neighbours(shown.factors, row, NEIGHBOURS)
    return list(zip(shown.table.index[found].tolist(), cosines.tolist(), strict=True))


def beside(shown: ItemMap, row: int | None, near: list[tuple[int, float]]) -> None:
    """The list right of the map."""
    if row is None:
        st.markdown("**Click a point**, or find an item above")
        st.caption(
            "It is marked, and the items nearest to it by all factors are listed here with their distances. The wheel zooms the map."
        )
        return
    title = words.plain(str(shown.table["title"].iloc[row]))
    rows = shown.table.loc[[position for position, _ in near]]
    places = shown.table.index.get_indexer(rows.index)
    listed = rows[["title", *(["genres"] if "genres" in rows else []), "ratings"]].assign(
        cosine=[cosine for _, cosine in near], distance=distances(shown.factors, row, places)
    )
    card_title(f"Nearest to {title}", listed, key="items-neighbours")
    if rows.empty:
        st.caption("The model has learned nothing of it, so it has no direction and no neighbours.")
        return
    names = [words.plain(str(name)) for name in listed["title"]]
    if "genres" in listed:
        names = [f"{name}  \n:small[:gray[{words.plain(str(kinds))}]]" for name, kinds in zip(names, listed["genres"], strict=True)]
    table = pd.DataFrame(
        {
            "title": names,
            "cosine": [f"{cosine:.3f}" for cosine in listed["cosine"]],
            "distance": [f"{distance:.3g}" for distance in listed["distance"]],
            "ratings": [f"{number:,}" for number in listed["ratings"]],
        }
    )
    st.table(table, hide_index=True, border="horizontal", height=HEIGHT, alt=f"Items nearest to {title}")
    st.caption("Cosine: 1 is the same direction among all factors, 0 none in common. Distance: the straight one among all factors.")
    st.caption(f"By cosine over all {shown.factors.shape[1]:,} factors, among the items drawn; on the flat map they may lie apart.")


def reading(whole: ItemMap, shown: ItemMap, flat: Flat, least: int) -> str:
    """What is drawn, and how far it can be trusted."""
    fewer = whole.there - len(shown.table)
    drawn = f"{len(shown.table):,} of {whole.there:,} items, "
    drawn += (
        f"the {MOST:,} most rated. " if len(shown.table) == MOST and fewer else f"those with {words.number_of(least, 'rating')} or more. "
    )
    return (
        f"{drawn}Both axes together hold {words.percent(sum(flat.shares))} of the variance of these items' "
        f"{shown.factors.shape[1]:,} factors; the rest is not on the map. The list of neighbours uses all of them and is the better guide. "
        "Which way an axis points means nothing."
    )
