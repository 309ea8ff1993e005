"""Any setting against any metric: all runs that fit the filters as points, the chosen ones in their colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from engine.comparison import SEED, figure, metrics_of, numeric, on_one_ground, settings_table, usual_metric
from engine.store import Run
from pages.components import linked, monitored, words
from pages.components.cards import chart_card
from pages.components.compare.looks import judged_on, left_out, looks, metric_menu
from pages.components.frame import say
from pages.components.marks import SPAN
from pages.components.plots import Dots, plane

HEIGHT = 420
NONE = "–"


def scatter(chosen: Sequence[Run], shown: Sequence[Run]) -> None:
    """The card with its controls."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        found = comparable(shown)
        if found is None:
            return
        metric, kept, settings, left = found
        with st.container(width=280):
            setting = linked.select("Setting", [*map(str, settings)], "compare_setting", default=_telling(settings), search=True)
    values = np.array([figure(run, metric) for run in kept], float)
    chart_card(
        f"Test {monitored.title(metric)} by {words.plain(setting)}",
        _option(kept, chosen, settings[setting], values, setting, metric),
        pd.DataFrame({"run": [run.name for run in kept], setting: settings[setting].to_numpy(), metric: values}),
        key="compare-scatter",
        alt=f"Test {monitored.title(metric)} of {len(kept)} runs by {setting}",
        caption=words.plain(on_what(kept, left, metric)),
        height=HEIGHT,
    )


def comparable(shown: Sequence[Run]) -> tuple[str, list[Run], pd.DataFrame, int] | None:
    """The metric that is chosen, the runs whose values of it compare, their settings that differ, and how many runs are left out.

    None, and a sentence in its place, where there are none.
    """
    metrics = metrics_of(shown)
    usual = usual_metric(shown)
    if usual is None:
        say("info", "No run that fits the filters has finished: train some, or widen the filters.", icon="hourglass_empty")
        return None
    with st.container(width=280):
        metric = metric_menu(metrics, usual)
    kept, left = on_one_ground(shown, metric)
    settings = settings_table(kept)
    if settings.empty:
        many = words.number_of(len(kept), "run")
        say("info", f"{many} with a test {monitored.title(metric)} on the same ratings: no setting differs.")
        return None
    return metric, kept, settings, len(left)


def on_what(kept: Sequence[Run], left: int, metric: str) -> str:
    """What the points are, and what was left out."""
    return f"{words.number_of(len(kept), 'run')}, all tested on the same ratings ({judged_on(kept[0])}).{left_out(left, metric)}"


def _telling(settings: pd.DataFrame) -> str:
    """The setting with the most values, the seed left aside."""
    names = [name for name in settings if name != SEED] or list(settings)
    return str(max(names, key=lambda name: settings[name].map(str).nunique()))


def _option(kept: Sequence[Run], chosen: Sequence[Run], column: pd.Series, values: np.ndarray, setting: str, metric: str) -> dict[str, Any]:
    """Runs without the setting stand left of a numeric axis, at the place named “–”."""
    number = numeric(column) and column.notna().all()
    names = [] if number else sorted({text(value) for value in column}, key=lambda one: (one == NONE, one))
    at = column.astype(float).to_numpy() if number else np.array([names.index(text(value)) for value in column], float)
    texts = [f"{run.name}: {setting} {text(value)}, {y:.4f}" for run, value, y in zip(kept, column, values, strict=True)]
    look = looks(chosen)
    marked = np.array([run.id in look for run in kept], bool)

    def dots(name: str, rows: np.ndarray, **how: Any) -> Dots:
        return Dots(name, at[rows], values[rows], [texts[row] for row in np.flatnonzero(rows)], **how)

    drawn = [dots("other runs", ~marked, colour="grey", size=8)] if (~marked).any() else []
    for place, run in enumerate(kept):
        if run.id in look:
            one = np.arange(len(kept)) == place
            drawn.append(dots(run.name, one, colour=look[run.id].colour, symbol=look[run.id].symbol, size=13, labels=[run.name]))
    option = plane(drawn, x_name=setting, y_name=monitored.axis(metric))
    option["series"][0].pop("markLine", None)
    option["legend"] = {"show": False}
    if not number:
        option["xAxis"] |= {"type": "category", "data": names, "axisLabel": {**option["xAxis"]["axisLabel"], "hideOverlap": False}}
    elif at.min() > 0 and at.max() / at.min() >= SPAN:
        option["xAxis"] |= {"type": "log", "min": at.min() / 1.3, "max": at.max() * 1.3}
    return option


def text(value: Any) -> str:
    """A setting's value on an axis."""
    if value is None:
        return NONE
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
