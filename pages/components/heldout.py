"""What was held out for one user: predicted beside actual ratings, and whether the run and SVD can be told apart by them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from pages.components import charts, titles, words
from pages.components.cards import card_title, small
from pages.components.reclists import stars

if TYPE_CHECKING:
    from pages.components.scorer import Opened

ROWS = 100
HEIGHT = 270
APART = 0.07
MEANING = (
    "The models do not see these ratings. The run's best epoch and SVD's rank were chosen by all users' validation ratings. What is "
    "changed about the ratings above changes nothing here. ± is the half-width of the 95 % interval over this user's pairs; negative is "
    "better than SVD."
)


def held_out_card(
    name: str,
    whom: str,
    pairs: dict[str, Any],
    *,
    finished: bool,
    parts: str,
    users: int,
    least: int,
    liked: float,
    scale: tuple[float, float],
    places: dict[str, tuple[int, int]] | None,
) -> None:
    """The card below the lists.

    Args:
        name: of the run.
        whom: "this user" or "a new user".
        pairs: what `held_out_pairs` says of the user.
        finished: whether the run has, so that the test part is among them.
        parts: of the split, that are held out, such as "validation and test".
        users: how many have `least` held-out ratings, among whom the user has a place.
        places: of the held-out titles where the run is judged by its ranking alone, see `places_of`; else None.
    """
    rows = pairs["pairs"]
    with st.container(border=True, gap="xsmall"):
        judged = f"{parts.capitalize()} ratings." if finished else "Validation ratings; the test part is read when the run has finished."
        if rows:
            card_title(f"Held out for {whom}", _data(rows, places), key=f"{name}-held-out", meaning=f"{judged} {MEANING}")
            if not finished:
                st.caption(judged)
        else:
            st.markdown(f"**Held out for {whom}**", help=f"{judged} {MEANING}")
            st.caption(f"Nothing of {whom} is held out, so there is nothing to judge the lists by.")
            return
        counted = f"{words.number_of(len(rows), 'title')} ({parts}), {pairs['liked']:,} rated ≥ {liked:g}"
        st.markdown(counted)
        if places is not None:
            st.caption(f"{words.plain(name)} is judged by its ranking alone: what counts is how high it places these titles.")
            _places(rows, places, scale)
            return
        small(_errors(name, pairs) + _place(pairs, users, least))
        left, right = st.columns([1, 1.15], gap="small")
        with left:
            charts.draw(
                _scatter(rows, name, scale),
                key="held-out-pairs",
                alt="Predicted against actual rating of each held-out title",
                height=HEIGHT,
            )
        with right:
            _table(rows, scale)


def _errors(name: str, pairs: dict[str, Any]) -> str:
    counted = words.number_of(len(pairs["pairs"]), "pair")
    said = f"RMSE {pairs['rmse']:.3f}, SVD {pairs['svd_rmse']:.3f} on {counted}"
    if pairs["difference"] is None:
        return f"{said}: :gray[**{titles.UNDECIDED}**] by a single one"
    verdict, color = titles.verdict(*pairs["difference"])
    difference, interval = pairs["difference"]
    return f"{said}: {words.signed(difference, 3)} ± {interval:.3f} · :{color}[**{verdict}**]"


def _place(pairs: dict[str, Any], users: int, least: int) -> str:
    if pairs["place"] is None:
        return f" · too few for a place by RMSE, which needs at least {least}"
    return f" · place {pairs['place']:,} of {users:,} by RMSE, among users with at least {least}"


def places_of(here: Opened, user: str, pairs: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Id of each held-out title → its places in the run's and in SVD's order of all titles that the models do not see of a user."""
    from engine.recommendations import known
    from engine.recommendations.lists import places

    items = [one["item"] for one in pairs["pairs"]]
    person = known(here.trained.split, user)
    return dict(zip(items, zip(*(places(one, person, items) for one in (here.advisor, here.svd)), strict=True), strict=True))


def _data(rows: list[dict[str, Any]], places: dict[str, tuple[int, int]] | None) -> pd.DataFrame:
    """What the card's download holds."""
    frame = pd.DataFrame(rows)
    if places is None:
        return frame
    run, svd = zip(*(places[one["item"]] for one in rows), strict=True)
    return frame.drop(columns=["predicted", "svd"]).assign(run_place=run, svd_place=svd)


def _places(rows: list[dict[str, Any]], places: dict[str, tuple[int, int]], scale: tuple[float, float]) -> None:
    """The held-out titles with their places in both orders, the higher one bold."""
    shown = sorted(rows, key=lambda one: places[one["item"]])[:ROWS]
    columns = {"title": [words.plain(one["title"]) for one in shown]}
    if len({one["rating"] for one in rows}) > 1:
        columns["rated"] = [f":orange[{stars(one['rating'], scale)}]" for one in shown]
    for name, mine, other in (("run", 0, 1), ("SVD", 1, 0)):
        both = [(places[one["item"]][mine], places[one["item"]][other]) for one in shown]
        columns[f"{name}\u00a0#"] = [f"**\\#{own:,}**" if own < theirs else f"\\#{own:,}" for own, theirs in both]
    _draw_table(columns, len(rows), "Held-out titles with their places in both orders", "placed highest by the run")


def _table(rows: list[dict[str, Any]], scale: tuple[float, float]) -> None:
    shown = rows[:ROWS]
    columns = {"title": [words.plain(one["title"]) for one in shown], "rated": [f":orange[{stars(one['rating'], scale)}]" for one in shown]}
    columns["run"] = [_closer(one, "predicted", "svd") for one in shown]
    columns["SVD"] = [_closer(one, "svd", "predicted") for one in shown]
    _draw_table(columns, len(rows), "Held-out titles with both predictions", "highest rated")


def _draw_table(columns: dict[str, list[str]], total: int, alt: str, which: str) -> None:
    """A table of the first ROWS of `total` titles, those that are `which`."""
    height: Any = HEIGHT if total > 7 else "content"
    st.table(pd.DataFrame(columns), hide_index=True, border="horizontal", height=height, alt=alt)
    if total > ROWS:
        st.caption(f"the {ROWS} {which}, of {total:,}; all are in the download")


def _closer(one: dict[str, Any], own: str, other: str) -> str:
    """A prediction, bold where it is the closer one."""
    closer = abs(one[own] - one["rating"]) < abs(one[other] - one["rating"])
    return f"**{one[own]:.2f}**" if closer else f"{one[own]:.2f}"


def _scatter(rows: list[dict[str, Any]], name: str, scale: tuple[float, float]) -> dict[str, Any]:
    colours = charts.palette()
    grey = {"fontSize": 11, "color": colours["grey"]}
    sides = [("SVD", "svd", "grey", APART), (name, "predicted", "blue", -APART)]
    predicted = [one[key] for _, key, _, _ in sides for one in rows]
    low, high = math.floor(min(scale[0], *predicted)), math.ceil(max(scale[1], *predicted))
    axis = {
        "type": "value",
        "nameLocation": "middle",
        "nameTextStyle": grey,
        "axisLabel": grey,
        "splitLine": {"lineStyle": {"opacity": 0.4}},
    }
    ends = {"min": math.floor(scale[0] - APART), "max": math.ceil(scale[1]) + 0.5, "axisLabel": {**grey, "showMaxLabel": False}}
    series: list[dict[str, Any]] = [
        {
            "type": "line",
            "name": "predicted = rated",
            "data": [[scale[0], scale[0]], [scale[1], scale[1]]],
            "showSymbol": False,
            "silent": True,
            "lineStyle": {"type": "dotted", "width": 1.4, "color": colours["grey"]},
            "itemStyle": {"color": colours["grey"]},
        }
    ]
    for title, key, colour, shift in sides:
        points = [
            {
                "value": [round(one["rating"] + shift, 3), round(one[key], 3)],
                "name": f"{one['title']}: rated {one['rating']:g}, predicted {one[key]:.2f}",
            }
            for one in rows
        ]
        mark = {"color": colours[colour], "opacity": 0.75}
        series.append({"type": "scatter", "name": title, "data": points, "symbolSize": 7 if len(rows) < 150 else 5, "itemStyle": mark})
    return {
        "animation": False,
        "grid": {"left": 26, "right": 12, "top": 30, "bottom": 26, "containLabel": True},
        "legend": {"top": 0, "left": 0, "itemHeight": 8, "itemWidth": 16, "textStyle": {"fontSize": 11, "color": colours["ink"]}},
        "tooltip": {"trigger": "item", "formatter": "{a}<br/>{b}", "confine": True},
        "xAxis": {**axis, "name": "actual rating", "nameGap": 22, **ends},
        "yAxis": {**axis, "name": "predicted rating", "nameGap": 26, "min": low, "max": high},
        "series": series,
    }
