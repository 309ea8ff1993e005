"""One person on the Recommend page: what they rated, their taste by genre, and what a model and SVD would recommend."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from engine.store import Run
from pages.components import charts, monitored, titles, words
from pages.components.cards import card_title, download

ROWS = 100
HISTORY_HEIGHT = 262
GENRES = 10
FEW = 3


def starred(scale: tuple[float, float]) -> bool:
    """Whether ratings of this scale can be read as stars."""
    return 3 <= scale[1] <= 5


def stars(rating: float, scale: tuple[float, float]) -> str:
    """4.5 → ★★★★½ on scales up to 5, a number on others."""
    if not starred(scale) or rating < 0.5 or rating * 2 % 1:
        return f"{rating:g}"
    return "★" * int(rating) + "½" * (rating % 1 > 0)


@st.fragment
def rated_card(who: str, lists: dict[str, Any], scale: tuple[float, float], name: str) -> None:
    """The ratings that both models see, with a search over their titles."""
    history = lists["history"]
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            title = f"{words.plain(who)} has rated"
            st.markdown(f"**{title}**", width="stretch")
            st.caption(f"{len(history):,}" + (f" · mean {lists['mean']:.2f}" if history else ""), width="content")
            download(lambda: pd.DataFrame(history), key=f"{name}-rated", title=title)
        if not history:
            st.caption("No rating that the models see: both lists are the same for everybody like this.")
            return
        asked = st.text_input(
            "Search the rated titles",
            key=f"recommend.search.{who}",
            placeholder="search a title or genre …",
            label_visibility="collapsed",
            icon=":material/search:",
            type="search",
            live=True,
        )
        wanted = (asked or "").casefold()
        found = [one for one in history if wanted in f"{one['title']} {one['genres']}".casefold()]
        if not found:
            st.caption(f"None of the {len(history):,} rated titles holds “{words.plain(asked or '')}”.")
            return
        rows = {
            "title": [words.plain(one["title"]) for one in found[:ROWS]],
            "stars": [f":orange[{stars(one['rating'], scale)}]" for one in found[:ROWS]],
        }
        height: Any = HISTORY_HEIGHT if len(found) > 8 else "content"
        st.table(pd.DataFrame(rows), hide_index=True, hide_header=True, border="horizontal", height=height, alt=f"Ratings of {who}")
        shown = f"the {ROWS} highest of {len(found):,}: search for others" if len(found) > ROWS else "highest first"
        st.caption(f"What both models see; {shown}.")


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
        others = f"; {left_out} more genre{'s' if left_out > 1 else ''} in the download" if left_out else ""
        st.caption(f"Mean rating of a genre minus their mean of {lists['mean']:.2f}; in brackets the number of ratings{others}.")


def list_card(title: str, color: str, caption: str, entries: list[dict[str, Any]], *, rates: bool, other: str, key: str) -> None:
    """One top list.

    Args:
        title: of the model.
        color: of the title, as Markdown names it.
        rates: whether its scores are predicted ratings.
        other: whose places stand in the last column.
        key: unique on the page; names the download.
    """
    with st.container(border=True, height="stretch", gap=None):
        card_title(f":{color}[{words.plain(title)}]", pd.DataFrame(entries).assign(rank=range(1, len(entries) + 1)), key=key)
        st.caption(caption)
        if not entries:
            st.caption("Every title of the catalogue is rated: there is nothing left to recommend.")
            return
        rows = {
            "": [f":gray[{rank}]" for rank in range(1, len(entries) + 1)],
            "title": [_marked(one) for one in entries],
            "score": [f"{one['score']:,.2f}" if rates else _score(one["score"]) for one in entries],
            other: [f":gray[\\#{one['other']:,}]" for one in entries],
        }
        st.table(pd.DataFrame(rows), hide_index=True, border="horizontal", alt=f"Top list of {title}")
        if len({one["score"] for one in entries}) == 1 and len(entries) > 1:
            st.caption("All these scores are equal: their order says nothing.")


def between(lists: dict[str, Any], liked: float, rates: bool, run: Run, parts: str) -> None:
    """The lines under both lists: how to read them, what they have in common, and which model is better for all users.

    Args:
        parts: of the split, that are held out, such as "validation and test".
    """
    mine, svd = (lists["popularity"][name] for name in ("recommendations", "svd"))
    score = "predicted rating, not clipped to the scale" if rates else "what a list is ordered by; this run's scores are no ratings"
    st.caption(
        f":green[**✓**] held out ({parts} ratings) and liked (≥ {liked:g}) · score: {score} · \\#: place in the other one's order · "
        f"**overlap: {lists['overlap']} of {len(lists['recommendations'])}** · mean popularity: run {mine:,.0f}, SVD {svd:,.0f} ratings"
        + _over_all(run)
    )


def _over_all(run: Run) -> str:
    """The comparison on the test ratings of all users; empty where the run has none."""
    difference = (run.summary or {}).get("difference", {})
    if "svd" not in difference:
        return ""
    verdict, color = titles.verdict(*difference["svd"])
    apart, interval = difference["svd"]
    pairs = f"{difference.get('pairs', 0):,} test pairs of {difference.get('users', 0):,} users"
    return f"  \nFor all users, the run's RMSE minus SVD's: {words.signed(apart)} ± {interval:.4f} on {pairs}: :{color}[**{verdict}**]"


def measured_by(run: Run) -> tuple[str, str]:
    """The metric of a run and of its SVD over all users, such as "test RMSE 0.8710"; empty where it has none."""
    summary, metric = run.summary or {}, monitored.metric(run)
    named = monitored.title(metric)
    svd = (summary.get("baselines") or (run.facts or {}).get("baselines", {})).get("svd", {})
    mine = summary.get("metrics", {}).get("test", {}).get(metric)
    part, theirs = ("test", svd[metric]) if metric in svd else ("validation", svd.get("validation", {}).get(metric))
    return "" if mine is None else f"test {named} {mine:.4f}", "" if theirs is None else f"{part} {named} {theirs:.4f}"


def _score(score: float) -> str:
    """A score of any size in few letters."""
    size = abs(score)
    return f"{score:,.0f}" if size >= 100 else f"{score:.2f}" if size >= 10 else f"{score:.3f}"


def _marked(entry: dict[str, Any]) -> str:
    title = words.plain(entry["title"])
    if entry["hit"]:
        return f":green[**✓ {title}**]"
    return title if entry["held_out"] is None else f"{title} :gray[· held out, rated {entry['held_out']:g}]"


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
