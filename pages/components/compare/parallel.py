"""Parallel coordinates: every run that fits the filters as a line through its settings to a metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from engine.comparison import SEED, figure, numeric
from engine.store import Run
from pages.components import charts, linked, monitored, words
from pages.components.cards import chart_card
from pages.components.compare.looks import SYMBOLS, Look, looks
from pages.components.compare.scatter import comparable, on_what, text
from pages.components.marks import SPAN

HEIGHT = 440
AXES = 6
"""Settings that are drawn until somebody chooses others."""
LEVEL = 4
"""So many axes have room for names that lie level; those of more are tilted."""


def parallel(chosen: Sequence[Run], shown: Sequence[Run]) -> None:
    """The card with its controls."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        found = comparable(shown)
        if found is None:
            return
        metric, kept, settings, left = found
        usual = _usual(settings)
        axes = linked.several("Settings", [*map(str, settings)], "compare_axes", empty=f"the {len(usual)} with the most values") or usual
    values = np.array([figure(run, metric) for run in kept], float)
    table = settings[axes].reset_index(drop=True).assign(**{metric: values})
    table.insert(0, "run", [run.name for run in kept])
    chart_card(
        f"Settings and test {monitored.title(metric)}",
        option([run.name for run in kept], table, axes, metric, {run.name: looks(chosen)[run.id] for run in chosen}),
        table,
        key="compare-parallel",
        alt=f"Parallel coordinates of {len(kept)} runs: {', '.join(axes)}, {monitored.title(metric)}",
        caption=words.plain(on_what(kept, left, metric)) + " Chosen runs are thick and in their colours. Drag along an axis to pick runs.",
        height=HEIGHT,
    )


def _usual(settings: pd.DataFrame) -> list[str]:
    names = [str(name) for name in settings if name != SEED]
    counts = {name: settings[name].map(str).nunique() for name in names}
    most = set(sorted(names, key=lambda name: -counts[name])[:AXES])
    return [name for name in names if name in most]


def option(names: Sequence[str], table: pd.DataFrame, axes: Sequence[str], metric: str, look: Mapping[str, Look]) -> dict[str, Any]:
    """Parallel coordinates for ECharts: one line for each row of a table through some of its columns to a metric.

    Args:
        names: of the rows.
        look: of the rows that are to stand out, by name; the others are thin and grey.
    """
    colours = charts.palette()
    ink = {"fontSize": 11, "color": colours["ink"]}
    number = {"fontSize": 11, "color": colours["grey"]}
    each = [_axis(place, axis, table[axis]) for place, axis in enumerate([*axes, metric])]
    each[-1]["name"] = monitored.title(metric)
    lines = [[_place(value, axis) for value, axis in zip(row, each, strict=True)] for row in table[[*axes, metric]].itertuples(index=False)]
    drawn = [
        {
            "type": "parallel",
            "name": name,
            "data": [line],
            "lineStyle": _stroke(look.get(name)),
            "z": 4 if name in look else 2,
            "inactiveOpacity": 0.05,
        }
        for name, line in zip(names, lines, strict=True)
    ]
    return {
        "animation": False,
        "parallel": {
            "left": 46,
            "right": 64,
            "top": 64,
            "bottom": 24,
            "parallelAxisDefault": {"nameTextStyle": ink, "axisLabel": number, "nameGap": 14, "nameRotate": 14 if len(each) > LEVEL else 0},
        },
        "parallelAxis": each,
        "tooltip": {"trigger": "item", "formatter": "{a}", "confine": True},
        "legend": {
            "show": bool(look),
            "data": [name for name in names if name in look],
            "top": 0,
            "type": "scroll",
            "textStyle": {"color": colours["ink"]},
        },
        "series": sorted(drawn, key=lambda one: one["z"]),
    }


def _stroke(look: Look | None) -> dict[str, Any]:
    """Of a chosen run thick and in its colour, dashed where its symbol is the second; thin and grey of any other."""
    colours = charts.palette()
    if look is None:
        return {"color": colours["grey"], "width": 1.2, "opacity": 0.55}
    return {"color": colours[look.colour], "width": 3.5, "opacity": 1, "type": "solid" if look.symbol == SYMBOLS[0] else "dashed"}


def _axis(place: int, name: str, column: pd.Series) -> dict[str, Any]:
    """Numbers on a scale of their own, logarithmic where they span decades; all else, and numbers that some runs lack, by name."""
    axis: dict[str, Any] = {"dim": place, "name": _short(name)}
    if not (numeric(column) and column.notna().all()):
        return axis | {"type": "category", "data": sorted({text(value) for value in column}, key=_number_or_text)}
    values = column.astype(float)
    if values.min() > 0 and values.max() / values.min() >= SPAN:
        return axis | {"type": "log", "min": values.min(), "max": values.max()}
    return axis | {"type": "value", "scale": True}


def _place(value: Any, axis: dict[str, Any]) -> Any:
    return text(value) if axis["type"] == "category" else float(value)


def _short(name: str) -> str:
    """model.dropout → dropout; what says little by itself keeps its section."""
    section, dot, field = name.partition(".")
    return section if field in ("name", "kind") else field.replace("_", " ") if dot else name


def _number_or_text(value: str) -> tuple[int, float, str]:
    try:
        return 0, float(value), value
    except ValueError:
        return 1, 0.0, value
