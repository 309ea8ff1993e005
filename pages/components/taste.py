"""A person's taste: the mean rating of each genre against the person's own mean."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from pages.components import charts, words
from pages.components.cards import card_title
from pages.components.reclists import starred

GENRES = 10
FEW = 3


def taste_card(lists: dict[str, Any], name: str, scale: tuple[float, float]) -> None:
    """Bars of the mean rating of each genre against the person's own mean."""
    usual = [one for one in lists["taste"] if one["ratings"] >= FEW]
    offered = usual if len(usual) >= FEW else lists["taste"]
    most = sorted(offered, key=lambda one: -one["ratings"])[:GENRES]
    shown = [one for one in offered if one in most]
    with st.container(border=True, gap=None):
        if not lists["taste"]:
            st.markdown("**Taste by genre**")
            st.caption("This dataset names no genres." if lists["history"] else "Nothing is rated.")
            return
        card_title("Taste by genre", pd.DataFrame(lists["taste"]), key=f"{name}-taste")
        if not any(abs(one["difference"]) > 1e-9 for one in shown):
            st.caption("All genres are rated alike.")
            return
        height = 24 * len(shown) + 46
        charts.draw(
            _bars(shown, "stars" if starred(scale) else "rating units"),
            key="taste",
            alt="Mean rating of each genre minus the person's own mean",
            height=height,
        )
        left_out = len(lists["taste"]) - len(shown)
        others = f"; {words.number_of(left_out, 'more genre')} in the download" if left_out else ""
        st.caption(f"Mean rating of a genre minus their mean of {lists['mean']:.2f}; in brackets the number of ratings{others}.")


def _bars(taste: list[dict[str, Any]], unit: str) -> dict[str, Any]:
    colours = charts.palette()
    grey = {"fontSize": 11, "color": colours["grey"]}
    data = [
        {
            "value": round(one["difference"], 3),
            "itemStyle": {"color": colours["blue" if one["difference"] >= 0 else "vermilion"], "borderRadius": 2},
        }
        for one in taste
    ]
    names = [f"{one['genre']} ({one['ratings']:,})" for one in taste]
    return {
        "animation": False,
        "grid": {"left": 4, "right": 14, "top": 4, "bottom": 20, "containLabel": True},
        "tooltip": {"trigger": "item", "valueFormatter": "%.2f", "confine": True},
        "xAxis": {
            "type": "value",
            "name": f"{unit} above or below their mean",
            "nameLocation": "middle",
            "nameGap": 22,
            "nameTextStyle": grey,
            "axisLabel": grey,
            "splitNumber": 4,
            "splitLine": {"lineStyle": {"opacity": 0.5}},
        },
        "yAxis": {
            "type": "category",
            "inverse": True,
            "data": names,
            "axisLabel": {"fontSize": 12, "color": colours["ink"]},
            "axisTick": {"show": False},
            "axisLine": {"onZero": True, "lineStyle": {"color": colours["grey"]}},
        },
        "series": [{"type": "bar", "name": "mean rating minus own mean", "data": data, "barWidth": 13}],
    }
