"""Which settings tell in a metric, measured on all runs that fit the filters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from engine import comparison
from engine.comparison import Importance, metrics_of, usual_metric
from engine.comparison.figures import Part
from engine.store import Run
from pages.components import charts, monitored, words
from pages.components.cards import chart_card
from pages.components.compare.looks import left_out, metric_menu
from pages.components.frame import say
from pages.components.marks import Mark, rows
from pages.components.session import store

DRAWN = 12


def importances(shown: Sequence[Run]) -> None:
    """The card; a sentence where the runs are too few or tell nothing."""
    usual = usual_metric(shown)
    if usual is None:
        say("info", "No run that fits the filters has finished: train some, or widen the filters.", icon="hourglass_empty")
        return
    with st.container(width=280):
        metric = metric_menu(metrics_of(shown), usual)
    card(shown, metric, "test", key="compare-importance")


def card(shown: Sequence[Run], metric: str, part: Part, *, key: str) -> None:
    """What tells in a metric of runs on one part of their splits; a sentence where nothing does."""
    with st.spinner("Growing forests on some of the runs and judging them on the others …"):
        found = _importance(store().url, tuple((run.id, run.state) for run in shown), metric, part, shown)
    judged = "tested" if part == "test" else "judged"
    rests = (
        f"{words.number_of(found.runs, 'run')} with {found.configurations} configurations, all {judged} on the same ratings."
        f"{left_out(found.left_out, metric, part)}"
    )
    if not found.tells:
        say(
            "info",
            f"The settings of these runs do not predict their {part} {monitored.title(metric)}: of runs that it has not seen, a "
            f"random forest explains {_share(found.explained)} of the variance, so nothing is drawn. It rests on {rests}",
        )
        return
    table = found.table.assign(together=found.table["together"].map(", ".join))
    drawn = table.head(DRAWN)
    names = [f"{one.setting}{' and others' if one.together else ''}" for one in drawn.itertuples()]
    points = [_mark(place, one) for place, one in enumerate(drawn.itertuples())]
    chart_card(
        f"What tells in {part} {monitored.title(metric)}",
        _option(names, points),
        table,
        key=key,
        alt=f"Importance of {len(drawn)} settings for {part} {monitored.title(metric)}, with 95 % intervals",
        caption=words.plain(
            "Permutation importance out of sample. Bars are 95 % intervals over configurations; a hollow mark, whose interval covers 0, "
            "tells nothing. The forest explains "
            f"{_share(found.explained)} of the variance of runs that it has not seen. {rests} {_together(drawn)}"
        ),
        height=90 + 30 * len(drawn),
    )


@st.cache_data(max_entries=16, show_spinner=False)
def _importance(url: str, states: tuple[tuple[str, str], ...], metric: str, part: Part, _runs: Sequence[Run]) -> Importance:
    return comparison.importance(_runs, metric, part)


def _option(names: list[str], points: list[Mark]) -> dict[str, Any]:
    """Marks with their intervals beside a line at 0; grey where an interval covers it."""
    option = rows(names, points, [], published_name="", value_name="error added when told wrong (share of variance)")
    grey = charts.palette()["grey"]
    for series in option["series"]:
        if series["type"] == "scatter" and series["data"]:
            for point, mark in zip(series["data"], points, strict=True):
                if mark.interval is not None and mark.interval[0] <= 0:
                    point["itemStyle"] = {"color": "transparent", "borderColor": grey, "borderWidth": 2}
            rule = {"lineStyle": {"color": grey, "type": "solid"}, "label": {"show": False}, "symbol": "none", "silent": True}
            series["markLine"] = {**rule, "data": [{"xAxis": 0}]}
    return option | {"legend": {"show": False}}


def _mark(place: int, one: Any) -> Mark:
    ends = (one.importance - one.half, one.importance + one.half)
    verdict = "" if ends[0] > 0 else ", not distinguishable from 0"
    return Mark(place, one.importance, f"{one.setting}: {one.importance:.3f} ± {one.half:.3f}{verdict}", ends)


def _share(value: float) -> str:
    return "none" if value <= 0 else words.percent(value)


def _together(drawn: pd.DataFrame) -> str:
    """Settings that nobody can tell apart."""
    told = [f"{one} with {others}" for one, others in zip(drawn["setting"], drawn["together"], strict=True) if others]
    return f"Changed together in every run, so nobody can tell which it was: {'; '.join(told)}." if told else ""
