"""The metric of a sweep over one field, and over two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from engine.sweeps import SweepConfig, Trial
from engine.sweeps.analysis import Contour, contour, ends, is_log
from pages.components import charts, linked, monitored, words
from pages.components.cards import chart_card
from pages.components.charts import DARK
from pages.components.plots import Dots, plane
from pages.components.sweep.table import plain

HEIGHT = 260
TALL = 440


def slices(config: SweepConfig, trials: Sequence[Trial], metric: str) -> None:
    """One chart for each field."""
    finished = [trial for trial in trials if trial.mean is not None]
    paths = [*config.axes]
    for start in range(0, len(paths), 2):
        for place, path in zip(st.columns(2, gap="small"), paths[start : start + 2], strict=False):
            with place:
                _slice(config, path, finished, metric)


def _slice(config: SweepConfig, path: str, trials: Sequence[Trial], metric: str) -> None:
    axis = config.axes[path]
    known = [trial.settings[path] for trial in trials]
    values = np.array([trial.mean for trial in trials], float)
    names = [] if axis.ordered else [_said(value) for value in axis.choices or ()]
    at = np.array(known if axis.ordered else [names.index(_said(value)) for value in known], float)
    texts = [f"setting {trial.number}: {_said(value)}, {trial.mean:.4f}" for trial, value in zip(trials, known, strict=True)]
    order = np.array([trial.number for trial in trials], float)
    option = plane(
        [Dots("settings", at, values, texts, values=order, size=9)], x_name=path, y_name=monitored.axis(metric), scale=("first", "last")
    )
    option["series"][0].pop("markLine", None)
    if names:
        option["xAxis"] |= {"type": "category", "data": names}
    else:
        low, high = ends(axis)
        option["xAxis"] |= {"type": "log" if is_log(axis) else "value", "min": low, "max": high}
    chart_card(
        words.plain(path),
        option,
        pd.DataFrame({"setting": order.astype(int), path: [plain(value) for value in known], metric: values}),
        key=f"sweep-slice-{path}",
        alt=f"Validation {monitored.title(metric)} of {len(trials)} settings by {path}",
        caption=f"{'The other fields vary too; colours' if len(config.axes) > 1 else 'Colours'} tell the order of asking.",
        height=HEIGHT,
    )


def contours(config: SweepConfig, trials: Sequence[Trial], metric: str) -> None:
    """The metric over two fields."""
    paths = [*config.axes]
    if len(paths) < 2:
        st.caption("Only one field varies here: look at its slice.")
        return
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=280):
            across = linked.select("Across", paths, "sweep_across")
        with st.container(width=280):
            up = linked.select("Up", [path for path in paths if path != across], "sweep_up")
    found = contour(config, trials, across, up)
    table = pd.DataFrame(
        [
            {"setting": trial.number, across: plain(trial.settings[across]), up: plain(trial.settings[up]), metric: trial.mean}
            for trial in found.trials
        ]
    )
    chart_card(
        f"Validation {monitored.title(metric)} over two fields",
        _surface(config, found, across, up, metric),
        table,
        key="sweep-contour",
        alt=f"Validation {monitored.title(metric)} over {across} and {up}, through {len(found.trials)} settings",
        caption="Colours are interpolated between the settings, which are the rings; of settings at one place, their mean. "
        "Where nothing is coloured, no setting is near.",
        height=TALL,
    )


def _surface(config: SweepConfig, found: Contour, across: str, up: str, metric: str) -> dict[str, Any]:
    """A heat map with a ring for each setting."""
    colours, grey = charts.palette(), {"fontSize": 11, "color": charts.palette()["grey"]}
    there = np.argwhere(~np.isnan(found.z)).tolist()
    cells = [[column, row, float(f"{found.z[row, column]:.5g}")] for row, column in there]
    rings = [
        {"value": [int(column), int(row)], "name": _ring(trial, across, up)}
        for (column, row), trial in zip(found.at, found.trials, strict=True)
    ]
    values = [trial.mean for trial in found.trials if trial.mean is not None]
    ramp = ["#24405C", "#56B4E9", "#FFF3C4"] if colours is DARK else ["#16123F", "#0072B2", "#B9D9EE"]
    scale = {
        "min": min(values),
        "max": max(max(values), min(values) + 1e-9),
        "inRange": {"color": ramp},
        "precision": 4,
        "calculable": False,
    }
    look = {"orient": "horizontal", "right": 8, "top": 0, "itemWidth": 10, "itemHeight": 120, "textStyle": grey}
    labels = {"text": [f"{max(values):.4f}", f"{monitored.title(metric)} {min(values):.4f}"]}

    def side(path: str, places: Sequence[Any]) -> dict[str, Any]:
        return {
            "type": "category",
            "data": [_said(place) for place in places],
            "name": path,
            "nameLocation": "middle",
            "nameTextStyle": grey,
            "axisLabel": {**grey, "hideOverlap": True},
            "axisTick": {"show": False},
            "splitArea": {"show": False},
        }

    return {
        "animation": False,
        "grid": {"left": 30, "right": 14, "top": 40, "bottom": 30, "containLabel": True},
        "xAxis": {**side(across, found.x), "nameGap": 28},
        "yAxis": {**side(up, found.y), "nameGap": 14 + min(90, 7 * max(len(_said(place)) for place in found.y))},
        "visualMap": {"type": "continuous", "seriesIndex": 0, **scale, **look, **labels},
        "tooltip": {"trigger": "item", "formatter": "{b}", "confine": True},
        "series": [
            {"type": "heatmap", "name": "surface", "data": cells, "emphasis": {"disabled": True}, "silent": True},
            {
                "type": "scatter",
                "name": "settings",
                "data": rings,
                "symbolSize": 10,
                "itemStyle": {"color": "transparent", "borderColor": colours["vermilion"], "borderWidth": 2},
                "z": 5,
            },
        ],
    }


def _ring(trial: Trial, across: str, up: str) -> str:
    return f"setting {trial.number}: {_said(trial.settings[across])}, {_said(trial.settings[up])}, {trial.mean:.4f}"


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(plain(value))
