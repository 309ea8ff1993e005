"""A dataset's items as points on two of its latent factors, one item's neighbours, and the two matrices that they come from."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from engine.interactions import Interactions
from pages.components import charts, linked, words
from pages.components.cards import card_title, download
from pages.components.item_points import COLOURS, marked, points, scale
from pages.components.plots import plane

if TYPE_CHECKING:
    from engine.decomposition import Factors

DRAWN = 1_500
"""Most items drawn: the most rated ones."""
NEIGHBOURS = 10
LISTED = 5
"""Items that are listed for each end."""
HEIGHT = 520
TITLE = 170
"""Width in pixels of a list's titles, so that its figures have room."""
SHOWN_WHOLE = 1_000
"""Most cells of a matrix whose factors are shown in full."""
LOOK_FOR = (
    "**What to look for:** items that lie in the same direction from 0 were rated alike by the same users, and the farther out, the more "
    "the factor says about them; read the titles at the two ends of an axis to give it a name. Signs are arbitrary: turning a factor round "
    "in A and in B changes no prediction. Here the item that lies farthest out on a factor has a positive value, the same each time."
)


def item_map(data: Interactions, table: pd.DataFrame, centring: str, rank: int) -> None:
    """The card with the map and the list of neighbours; `table` as `engine.decomposition.item_map` gives it."""
    axes = [str(name).removeprefix("factor ") for name in table if str(name).startswith("factor ")]
    if len(axes) < 2 or not table[[f"factor {axis}" for axis in axes[:2]]].to_numpy().any():
        return
    shown = table.head(DRAWN)
    with st.container(border=True, gap="small"):
        card_title("Items on two factors", shown, key="svd-items")
        x, y, colour, chosen = _controls(shown, axes)
        names = [f"factor {x}", f"factor {y}"]
        near = _near(shown, chosen, rank)
        left, right = st.columns([2.2, 1], gap="medium")
        with left:
            layers = [*points(shown, names, colour, faint=chosen is not None), *marked(shown, names, chosen, near)]
            option = plane(
                [layer.dots for layer in layers],
                x_name=f"{names[0]} (B = Σ^½ Vᵀ)",
                y_name=f"{names[1]} (B = Σ^½ Vᵀ)",
                scale=scale(shown, colour),
            )
            charts.draw(option, key="svd-items", alt=f"Items by {names[0]} and {names[1]}, coloured by {COLOURS[colour]}", height=HEIGHT)
        with right:
            if chosen is None:
                _ends(shown, names)
            else:
                _neighbours(shown, chosen, near, rank)
        st.caption(_drawn(len(shown), len(table)) + _reading(centring))
        st.caption(LOOK_FOR)


def _controls(shown: pd.DataFrame, axes: list[str]) -> tuple[str, str, str, int | None]:
    """Both factors, what colours the points, and the position of the item that is looked for."""
    first, second, colours, search = st.columns([0.6, 0.6, 1.5, 1.7], gap="medium", vertical_alignment="bottom")
    with first:
        x = linked.select("Across", axes, "svd_x", naming=lambda one: f"factor {one}", search=True)
    with second:
        others = [axis for axis in axes if axis != x]
        y = linked.select("Up", others, "svd_y", default=others[0] if x != "1" else "2", naming=lambda one: f"factor {one}", search=True)
    with colours:
        known = [name for name in COLOURS if name != "genre" or "first_genre" in shown]
        colour = linked.select("Colour", known, "svd_colour", naming=COLOURS.__getitem__)
    titles = dict(zip(shown["item"], shown["title"], strict=True))
    with search:
        item = linked.select(
            "Find an item",
            ["", *titles],
            "svd_item",
            naming=lambda one: titles.get(one, "none"),
            meaning="Marks it, and lists the items that lie in the most similar direction.",
            search=True,
        )
    return x, y, colour, None if item == "" else int(shown.index[shown["item"] == item][0])


def _near(shown: pd.DataFrame, chosen: int | None, rank: int) -> list[tuple[int, float]]:
    """Position and cosine of the chosen item's neighbours, among all factors of the rank."""
    if chosen is None:
        return []
    from engine.item_map import neighbours

    places = shown[[f"factor {number + 1}" for number in range(rank)]].to_numpy()
    found, cosines = neighbours(places, int(np.flatnonzero(shown.index == chosen)[0]), NEIGHBOURS)
    return list(zip(shown.index[found].tolist(), cosines.tolist(), strict=True))


def _ends(shown: pd.DataFrame, names: list[str]) -> None:
    """The titles at both ends of both axes."""
    some = max(1, min(LISTED, len(shown) // 2))
    ends: list[pd.DataFrame] = []
    for name in names:
        ordered = shown.sort_values(name, ascending=False, kind="stable")
        ordered = ordered.assign(place=ordered[name])
        ends += [ordered.head(some).assign(end=f"{name} ↑"), ordered.tail(some).assign(end=f"{name} ↓")]
    st.markdown("**At the ends of both axes**")
    look: dict[str, Any] = {"title": st.column_config.TextColumn(width=TITLE)}
    look |= {"place": st.column_config.NumberColumn(format="%.3f"), "end": st.column_config.TextColumn(width="small")}
    listed = pd.concat(ends)[["end", "title", "place"]]
    st.dataframe(listed, hide_index=True, height=HEIGHT - 60, column_config=look, alt="Titles at both ends of each axis")


def _neighbours(shown: pd.DataFrame, chosen: int, near: list[tuple[int, float]], rank: int) -> None:
    title = words.plain(str(shown.loc[chosen, "title"]))
    st.markdown(f"**Nearest to {title}**")
    rows = shown.loc[[position for position, _ in near]]
    if rows.empty:
        st.caption("It has no place among these factors, so it has no neighbours.")
        return
    listed = pd.DataFrame({"title": rows["title"], "cosine": [cosine for _, cosine in near], "ratings": rows["ratings"]})
    look: dict[str, Any] = {"title": st.column_config.TextColumn(width=TITLE)}
    look |= {"cosine": st.column_config.NumberColumn(format="%.3f"), "ratings": st.column_config.NumberColumn(format="localized")}
    st.dataframe(listed, hide_index=True, column_config=look, alt=f"Items nearest to {title}")
    if rank == 1:
        st.caption("With one factor there are two directions only: choose a higher rank above.")
    else:
        st.caption(f"By cosine over the {rank} factors of the chosen rank, among the items drawn: raise the rank for finer neighbours.")


def _drawn(shown: int, there: int) -> str:
    return (
        f"All {there:,} items. "
        if shown == there
        else f"The {shown:,} most rated of {there:,} items: fewer ratings say too little of an item. "
    )


def _reading(centring: str) -> str:
    if centring == "none":
        return "A cell that nobody rated counts as 0 here, so the first factor mostly says how often an item was rated."
    return "What everybody thinks of an item has been taken off, so 0 on a factor means that it does not part the users."


def both_matrices(data: Interactions, found: Callable[[], Factors], centring: str, rank: int) -> None:
    """A and B to download, and of a small dataset to look at; `found` makes them."""
    small = data.n_users * data.n_items <= SHOWN_WHOLE
    sizes = {"A": f"A = U Σ^½: {data.n_users:,} users × {rank} factors", "B": f"B = Σ^½ Vᵀ: {rank} factors × {data.n_items:,} items"}
    with st.container(border=True, gap="small"):
        meaning = "X ≈ U Σ Vᵀ = (U Σ^½) (Σ^½ Vᵀ) = A B. What is predicted for a user and an item is his row of A times its column of B."
        st.markdown("**The two matrices A and B**", help=meaning)
        for place, (name, title) in zip(st.columns([1, 1.2], gap="medium"), sizes.items(), strict=True):
            with place:
                with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
                    st.markdown(title, width="content")
                    download(partial(_table, data, found, name), key=f"svd-matrix-{name}", title=title)
                if small:
                    table = _table(data, found, name)
                    shown = table if name == "A" else table.set_index("item").T.rename_axis("item").reset_index()
                    st.dataframe(shown.round(3), hide_index=True, alt=title)
        added = " Here the user and item biases are added to it." if centring == "bias" else ""
        st.caption(f"At rank {rank}: A times B is the reconstruction.{added} Each CSV has one row per user or item.")


def _table(data: Interactions, found: Callable[[], Factors], name: str) -> pd.DataFrame:
    return found().tables(data)[name]
