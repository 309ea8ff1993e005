"""Figures as marks, hollow where published and solid where ours: row under row, or over the axis that the rows are a sweep of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pages.components.charts import palette

COLOURS = ("blue", "green", "purple")
PUBLISHED = "vermilion"
ROW_HEIGHT = 30
NAME_WIDTH = 200
"""Pixels after which the name of a lying axis goes on in a second line: a plot on a telephone is not much wider."""
SPAN = 50
"""How many times the greatest place on an axis is the least one, from which the axis is logarithmic."""


@dataclass(frozen=True)
class Mark:
    """One figure.

    Attributes:
        at: place on the axis of a sweep; of rows, the row's number.
        text: what is said when it is pointed at.
        interval: ends of the bar through it.
    """

    at: float
    value: float
    text: str
    interval: tuple[float, float] | None = None


def rows(names: Sequence[str], ours: Sequence[Mark], published: Sequence[Mark], *, published_name: str, value_name: str) -> dict[str, Any]:
    """A dot plot as an ECharts option: each row's figures side by side on one axis, the first row on top.

    Args:
        published_name: what the legend calls the hollow marks.
        value_name: of the figure, with its unit.
    """
    colours = palette()
    series = [*_bars(ours, colours["blue"], lying=True), _points("ours", ours, colours["blue"], lying=True)]
    series.append(_hollow(published_name, published, lying=True))
    option = _frame([("ours", ours), (published_name, published)], series)
    option["xAxis"] = {**_axis(value_name, middle=True), "type": "value", "scale": True}
    room = {"width": 140, "overflow": "break", "lineHeight": 13, "interval": 0, "fontSize": 11, "color": colours["grey"]}
    line = {"show": True, "lineStyle": {"opacity": 0.35, "type": "dotted"}}
    option["yAxis"] = {"type": "category", "data": list(names), "inverse": True, "axisTick": {"show": False}, "axisLabel": room}
    option["yAxis"] |= {"splitLine": line, "axisLine": {"show": False}}
    return option


def sweep(
    lines: Mapping[str, Sequence[Mark]],
    published: Sequence[Mark],
    *,
    published_name: str,
    axis_name: str,
    value_name: str,
    aside: Mapping[str, float],
) -> dict[str, Any]:
    """Figures over a numeric axis as an ECharts option, logarithmic where the places span decades.

    Args:
        lines: name → marks in any order.
        axis_name, value_name: with units.
        aside: rows without a place on the axis, as horizontal lines.
    """
    colours = palette()
    series: list[dict[str, Any]] = []
    for (name, marks), colour in zip(lines.items(), COLOURS, strict=False):
        placed = sorted(marks, key=lambda mark: mark.at)
        series += _bars(placed, colours[colour], lying=False)
        series.append(
            {**_points(name, placed, colours[colour], lying=False), "type": "line", "symbol": "circle", "lineStyle": {"width": 2}}
        )
    series.append(_hollow(published_name, published, lying=False))
    if aside:
        series.append(_aside(aside, colours["grey"]))
    option = _frame([*lines.items(), (published_name, published)], series)
    places = [mark.at for mark in [*published, *(mark for marks in lines.values() for mark in marks)]]
    log = bool(places) and min(places) > 0 and max(places) / min(places) >= SPAN
    option["xAxis"] = {**_axis(axis_name, middle=True), "type": "log" if log else "value", "scale": True, "splitLine": {"show": False}}
    if log:
        option["xAxis"] |= {"min": min(places) / 1.3, "max": max(places) * 1.3}
    option["yAxis"] = {**_axis(value_name, middle=False), "type": "value", "scale": True}
    option["grid"] |= {"top": 56}
    return option


def _points(name: str, marks: Sequence[Mark], colour: str, *, lying: bool) -> dict[str, Any]:
    data = [{"value": [mark.value, mark.at] if lying else [mark.at, mark.value], "name": mark.text} for mark in marks]
    return {"type": "scatter", "name": name, "data": data, "color": colour, "symbolSize": 9, "z": 4, "emphasis": {"disabled": True}}


def _hollow(name: str, marks: Sequence[Mark], *, lying: bool) -> dict[str, Any]:
    ring = {"color": "transparent", "borderColor": palette()[PUBLISHED], "borderWidth": 2}
    return {**_points(name, marks, palette()[PUBLISHED], lying=lying), "itemStyle": ring, "symbolSize": 12, "z": 5}


def _bars(marks: Sequence[Mark], colour: str, *, lying: bool) -> list[dict[str, Any]]:
    """The intervals as one broken line; none where no mark has one."""
    ends: list[list[float | None]] = []
    for mark in marks:
        if mark.interval is not None:
            ends += [[end, mark.at] if lying else [mark.at, end] for end in mark.interval]
            ends.append([None, None])
    if not ends:
        return []
    look = {"width": 2, "opacity": 0.55, "color": colour}
    return [{"type": "line", "name": "interval", "data": ends, "showSymbol": False, "silent": True, "lineStyle": look, "color": colour}]


def _aside(values: Mapping[str, float], colour: str) -> dict[str, Any]:
    """Horizontal lines, each with its name above its end."""
    label = {"position": "insideEndTop", "fontSize": 11, "color": colour, "formatter": "{b}"}
    style = {"type": "dotted", "color": colour, "width": 1.4}
    marks = [{"yAxis": value, "name": name, "label": label, "lineStyle": style} for name, value in values.items()]
    # Points that nobody sees, for the axis makes room for points alone.
    unseen = {"data": [[None, value] for value in values.values()], "symbolSize": 0}
    # ECharts would round their places to two digits.
    rules = {"symbol": "none", "silent": True, "animation": False, "precision": 8, "data": marks}
    return {"type": "scatter", "name": "aside", **unseen, "markLine": rules}


def _frame(named: Sequence[tuple[str, Sequence[Mark]]], series: list[dict[str, Any]]) -> dict[str, Any]:
    """Grid, legend of what has marks, tooltip."""
    ink = {"fontSize": 11, "color": palette()["ink"]}
    return {
        "animation": False,
        "grid": {"left": 8, "right": 18, "top": 30, "bottom": 34, "containLabel": True},
        "legend": {
            "top": 0,
            "left": 0,
            "itemHeight": 9,
            "itemWidth": 16,
            "textStyle": ink,
            "data": [name for name, marks in named if marks],
        },
        "tooltip": {"trigger": "item", "formatter": "{b}", "confine": True},
        "series": series,
    }


def _axis(name: str, *, middle: bool) -> dict[str, Any]:
    grey = {"fontSize": 11, "color": palette()["grey"]}
    narrow = {"width": NAME_WIDTH, "overflow": "break"}
    place = (
        {"nameLocation": "middle", "nameGap": 26, "nameTextStyle": {**grey, **narrow}}
        if middle
        else {"nameTextStyle": {**grey, "align": "left"}}
    )
    return {"name": name, **place, "axisLabel": {**grey, "hideOverlap": True}, "splitLine": {"lineStyle": {"opacity": 0.5}}}
