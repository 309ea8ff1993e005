"""A small rating matrix beside its reconstruction, and what that recommends to each user."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from engine.interactions import Interactions
from pages.components import linked, words
from pages.components.cards import card_title, chart_card
from pages.components.plots import Cell, matrix

SHOWN_WHOLE = 1_000
"""Most cells of a matrix that the engine reconstructs whole."""


def whole_matrix(data: Interactions, found: dict[str, Any]) -> None:
    """The matrix, its reconstruction and the recommendations; `found` is what `decompose_dataset` gave for a small dataset."""
    users, items = list(data.users.index), list(data.items.index)
    stored = {(row, column): value for row, column, value in zip(data.rows, data.columns, data.ratings.data, strict=True)}
    best = {(users.index(user), items.index(item)) for user, item in found["recommendations"].items()}
    height = 24 * len(users) + 60
    original, rebuilt = [], []
    for row in range(len(users)):
        for column in range(len(items)):
            here = (row, column)
            given, value = stored.get(here), found["reconstruction"][row][column]
            original.append(
                Cell(row, column, "" if given is None else f"{given:g}", None if given is None else float(given), given is not None)
            )
            star = here in best
            rebuilt.append(Cell(row, column, f"{value:.0f}".replace("-", "−") + ("★" if star else ""), value, given is not None, star))
    axes: dict[str, Any] = {"row_name": "user", "column_name": "item"}
    left, right = st.columns(2, gap="small")
    with left:
        chart_card(
            "The ratings",
            matrix(users, items, original, **axes),
            pd.DataFrame(data.ratings.toarray(), index=users, columns=items).rename_axis("user").reset_index(),
            key="svd-ratings",
            alt="The rating matrix, users by items; cells that nobody rated are empty",
            caption="Empty: not rated." + (" The decomposition reads it as 0." if found["centring"] == "none" else ""),
            height=height,
        )
    with right:
        chart_card(
            f"Its reconstruction at rank {found['rank']}",
            matrix(users, items, rebuilt, **axes),
            pd.DataFrame(found["reconstruction"], index=users, columns=items).rename_axis("user").reset_index(),
            key="svd-reconstruction",
            alt=f"The reconstruction at rank {found['rank']}, rounded; rated cells are framed, recommended ones starred",
            caption="Rounded to whole ratings. Framed and bold: rated. ★: recommended, the highest of the user's cells that are not rated.",
            height=height,
        )
    recommended(data, found)


def recommended(data: Interactions, found: dict[str, Any]) -> None:
    """Each user's next item, and one user's told in a sentence."""
    rows = []
    for position, user in enumerate(data.users.index):
        seen = data.items.index[data.ratings[[position]].indices]
        if user in found["recommendations"]:
            next_one = found["recommendations"][user]
            rows.append({"user": user, "has rated": ", ".join(seen), "recommended": next_one, "reconstructed": found["scores"][user]})
    table = pd.DataFrame(rows)
    if table.empty:
        return
    with st.container(border=True):
        card_title("What it recommends", table, key="svd-recommended")
        left, right = st.columns([1, 2], gap="medium")
        with left:
            usual = "2" if "2" in set(table["user"]) else str(table["user"].iloc[0])
            user = linked.select("User", table["user"].tolist(), "svd_user", default=usual)
        one = table[table["user"] == user].iloc[0]
        right.markdown(
            f"User **{words.plain(user)}** has rated {_items(one['has rated'])}. Of the others, **item "
            f"{words.plain(one['recommended'])}** has the highest reconstructed value ({one['reconstructed']:.2f}), so it is recommended."
        )
        shown = {"reconstructed": st.column_config.NumberColumn("reconstructed value", format="%.2f", help="In rating units, not rounded.")}
        st.dataframe(table, hide_index=True, height=240, column_config=shown, alt="Recommended item of each user")


def _items(listed: str) -> str:
    return f"item {words.plain(listed)}" if "," not in listed else f"items {words.plain(listed)}"
