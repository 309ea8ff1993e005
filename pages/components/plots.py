"""Charts that are not curves over training: bars by category, long tails on logarithmic axes, small matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pages.components.charts import DARK, palette


@dataclass(frozen=True)
class Bars:
    """One series of bars; None where it has no bar. Texts are written at their ends, where bars lie, in place of the values."""

    name: str
    values: Sequence[float | None]
    colour: str = "blue"
    texts: Sequence[str] | None = None


@dataclass(frozen=True)
class Cell:
    """One cell of a drawn matrix.

    Attributes:
        text: what stands in it.
        value: what colours it; None leaves it empty.
        framed, starred: its two marks.
    """

    row: int
    column: int
    text: str
    value: float | None
    framed: bool = False
    starred: bool = False


@dataclass(frozen=True)
class Dots:
    """One series of points in a plane.

    Attributes:
        x, y: where each point lies.
        texts: what its tooltip says.
        colour: by name; where the plane has a colour scale, that of `values` instead.
        symbol: of ECharts, such as "circle" or "triangle".
        values: what colours each point.
        labels: what is written beside each point, "" for nothing; where there is no room it is left out.
        ringed: drawn as empty rings around what lies there.
        faint: drawn pale, as a background.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    texts: Sequence[str]
    colour: str = "blue"
    symbol: str = "circle"
    size: int = 6
    values: np.ndarray | None = None
    labels: Sequence[str] | None = None
    ringed: bool = False
    faint: bool = False


def bars(
    categories: Sequence[str],
    series: Sequence[Bars],
    *,
    x_name: str,
    y_name: str,
    number: str = "%,d",
    lying: bool = False,
    line: float | None = None,
) -> dict[str, Any]:
    """Bars by category, several series stacked; with more than one, a legend, and a pattern beside each colour.

    Args:
        x_name, y_name: of the categories and of the values.
        number: how the tooltip writes a value, printf-style.
        lying: they run to the right, each with its value and the first on top, with room for long names beside them.
        line: a value that lying bars are compared with, drawn across them.
    """
    colours = palette()
    several = len(series) > 1
    option = {
        **_frame(x_name, y_name, top=44 if several else 26),
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}, "valueFormatter": number, "confine": True},
        "series": [
            {
                "type": "bar",
                "name": one.name,
                "data": list(one.values),
                "stack": "all",
                "color": colours[one.colour],
                "barCategoryGap": "18%",
                "emphasis": {"disabled": True},
            }
            for one in series
        ],
    }
    option["xAxis"] |= {"type": "category", "data": list(categories), "axisTick": {"show": False}}
    if lying:
        option |= _laid_down(option, series, line)
    if several:
        option["legend"] = {"show": True, "top": 0, "right": 8, "itemWidth": 16, "itemHeight": 10, "textStyle": {"color": colours["ink"]}}
        option["aria"] = {"enabled": True, "label": {"enabled": False}, "decal": {"show": True}}
    return option


def tails(rank: np.ndarray, count: np.ndarray, *, x_name: str, y_name: str) -> dict[str, Any]:
    """One falling line on two logarithmic axes: count by rank."""
    points = [[int(a), int(b)] for a, b in zip(rank, count, strict=True)]
    option = {
        **_frame(x_name, y_name),
        "tooltip": {"trigger": "axis", "valueFormatter": "%,d", "confine": True},
        "series": [
            {
                "type": "line",
                "name": y_name,
                "data": points,
                "color": palette()["blue"],
                "showSymbol": False,
                "areaStyle": {"opacity": 0.12, "origin": "start"},
                "lineStyle": {"width": 2},
                "emphasis": {"disabled": True},
            }
        ],
    }
    option["xAxis"] |= {"type": "log", "min": 1}
    option["yAxis"] |= {"type": "log", "min": 1}
    return option


def plane(series: Sequence[Dots], *, x_name: str, y_name: str, scale: tuple[str, str] | None = None) -> dict[str, Any]:
    """Points in a plane, with lines through 0; a legend where several series have no colour scale.

    Args:
        scale: words at the lowest and at the highest end of the colour scale, where `values` colour the points.
    """
    colours = palette()
    option: dict[str, Any] = {**_frame(x_name, y_name, top=34), "tooltip": {"trigger": "item", "formatter": "{b}", "confine": True}}
    for axis in ("xAxis", "yAxis"):
        option[axis] |= {"type": "value", "scale": True, "nameLocation": "middle", "axisLine": {"show": False}}
    option["grid"] |= {"left": 40}
    option["yAxis"] |= {"nameGap": 40, "nameTextStyle": {"fontSize": 11, "color": colours["grey"]}}
    zero = {"silent": True, "symbol": "none", "label": {"show": False}, "lineStyle": {"color": colours["grey"], "type": "solid"}}
    x = np.concatenate([one.x for one in series])
    left, right = np.linspace(x.min(), x.max(), 4)[1:3].tolist() if len(x) else (0.0, 0.0)
    option["series"] = [_dots(one, colours, left, right) for one in series]
    option["series"][0]["markLine"] = {**zero, "data": [{"xAxis": 0}, {"yAxis": 0}]}
    option["dataZoom"] = [
        {"type": "inside", "xAxisIndex": 0, "filterMode": "none"},
        {"type": "inside", "yAxisIndex": 0, "filterMode": "none"},
    ]
    if scale is not None:
        values = np.concatenate([one.values for one in series if one.values is not None])
        option["visualMap"] = {
            "type": "continuous",
            "dimension": 2,
            "min": float(values.min()),
            "max": float(max(values.max(), values.min() + 1e-9)),
            "seriesIndex": [place for place, one in enumerate(series) if one.values is not None],
            "orient": "horizontal",
            "right": 8,
            "top": 0,
            "itemWidth": 10,
            "itemHeight": 90,
            "text": [scale[1], scale[0]],
            "textStyle": {"fontSize": 11, "color": colours["grey"]},
            "inRange": {"color": ["#24405C", "#56B4E9", "#FFF3C4"] if colours is DARK else ["#B9D9EE", "#0072B2", "#16123F"]},
        }
    elif len(series) > 1:
        option["legend"] = {
            "type": "scroll",
            "show": True,
            "top": 0,
            "itemWidth": 12,
            "itemHeight": 9,
            "textStyle": {"color": colours["ink"]},
        }
    return option


def _dots(one: Dots, colours: dict[str, str], left: float, right: float) -> dict[str, Any]:
    """The series; labels of what lies left of `left` or right of `right` stand towards the middle, where a narrow picture has room."""
    points: list[dict[str, Any]] = [
        {"value": [_short(x), _short(y), *([] if one.values is None else [_short(one.values[place])])], "name": one.texts[place]}
        for place, (x, y) in enumerate(zip(one.x.tolist(), one.y.tolist(), strict=True))
    ]
    option: dict[str, Any] = {"type": "scatter", "name": one.name, "data": points, "symbol": one.symbol, "symbolSize": one.size}
    if one.ringed:
        option["itemStyle"] = {"color": "transparent", "borderColor": colours[one.colour], "borderWidth": 2}
    else:
        option["itemStyle"] = {"opacity": 0.25 if one.faint else 0.7, **({} if one.values is not None else {"color": colours[one.colour]})}
    if one.labels is not None:
        for point, label, x in zip(points, one.labels, one.x.tolist(), strict=True):
            point["label"] = {"show": bool(label), "formatter": label, "position": "right" if x < left else "left" if x > right else "top"}
        option["label"] = {"show": True, "fontSize": 11, "color": colours["ink"], "textBorderColor": colours["paper"], "textBorderWidth": 3}
        option["labelLayout"] = {"hideOverlap": True}
        option["z"] = 5
    return option


def _short(value: float) -> float:
    """Four significant digits: what a plane can show, in a third of the bytes."""
    return float(f"{value:.4g}")


def matrix(
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Sequence[Cell],
    *,
    row_name: str,
    column_name: str,
    scale: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """A small matrix: each cell coloured by its value, with its text in it.

    Args:
        scale: values of the faintest and the strongest colour; from 0 or the lowest to the highest when None.
    """
    colours = palette()
    values = [cell.value for cell in cells if cell.value is not None]
    low, high = scale or (min([0.0, *values]), max(values, default=1.0))
    data = []
    # What is drawn later lies above: marked edges are not to be covered by their neighbours.
    for cell in sorted(cells, key=lambda one: (one.starred, one.framed)):
        edge = colours["vermilion"] if cell.starred else colours["ink"] if cell.framed else colours["grey"]
        style = {"borderColor": edge, "borderWidth": 2.5 if cell.starred else 1.6 if cell.framed else 0.25}
        weight = "bold" if cell.framed or cell.starred else "normal"
        label = {"show": True, "formatter": cell.text, "color": colours["ink"], "fontWeight": weight, "lineHeight": 14}
        entry = {"value": [cell.column, cell.row, "-" if cell.value is None else cell.value], "itemStyle": style, "label": label}
        data.append(entry)
    axis = {"axisTick": {"show": False}, "axisLine": {"show": False}, "splitArea": {"show": False}, "splitLine": {"show": False}}
    numbers = {"axisLabel": {"fontSize": 11, "color": colours["grey"], "interval": 0}}
    named = {"nameTextStyle": {"fontSize": 11, "color": colours["grey"]}, "nameLocation": "middle"}
    # The strongest colours on which text still has a contrast of 4.5.
    ramp = ["#1C222B", "#2C6A94"] if colours is DARK else ["#FFFFFF", "#4BA3D9"]
    return {
        "animation": False,
        "grid": {"left": 20 if row_name else 4, "right": 6, "top": 40 if column_name else 8, "bottom": 4, "containLabel": True},
        "xAxis": {
            "type": "category",
            "data": list(columns),
            "position": "top",
            "name": column_name,
            "nameGap": 22,
            **named,
            **axis,
            **numbers,
        },
        "yAxis": {"type": "category", "data": list(rows), "inverse": True, "name": row_name, "nameGap": 26, **named, **axis, **numbers},
        "visualMap": {"show": False, "min": low, "max": high, "inRange": {"color": ramp}},
        "tooltip": {"show": False},
        "series": [{"type": "heatmap", "data": data, "emphasis": {"disabled": True}}],
    }


def _laid_down(option: dict[str, Any], series: Sequence[Bars], line: float | None) -> dict[str, Any]:
    """What changes where bars run to the right."""
    names, values, grid = option["xAxis"], option["yAxis"], option["grid"]
    room = {"width": 140, "overflow": "break", "lineHeight": 13, "interval": 0}
    label = {"show": True, "position": "right", "fontSize": 11, "color": palette()["ink"]}
    mark = {} if line is None else {"markLine": _across(line)}
    return {
        "grid": {**grid, "top": grid["top"] - 22, "right": 40},
        "xAxis": {**values, "nameLocation": "middle", "nameGap": 24, "nameTextStyle": names["nameTextStyle"]},
        "yAxis": {**names, "inverse": True, "axisLabel": {**names["axisLabel"], **room}},
        "series": [{**one, "label": label, "data": _with_texts(bars), **mark} for one, bars in zip(option["series"], series, strict=True)],
    }


def _with_texts(bars: Bars) -> list[Any]:
    if bars.texts is None:
        return list(bars.values)
    return [{"value": value, "label": {"formatter": text}} for value, text in zip(bars.values, bars.texts, strict=True)]


def _across(value: float) -> dict[str, Any]:
    style = {"color": palette()["vermilion"], "type": "solid", "width": 2}
    return {"silent": True, "symbol": "none", "precision": 8, "label": {"show": False}, "lineStyle": style, "data": [{"xAxis": value}]}


def _frame(x_name: str, y_name: str, top: int = 26) -> dict[str, Any]:
    """Grid and axes with their names."""
    grey = palette()["grey"]
    number = {"axisLabel": {"fontSize": 11, "color": grey, "hideOverlap": True}}
    name = {"fontSize": 11, "color": grey}
    return {
        "animation": False,
        "grid": {"left": 8, "right": 14, "top": top, "bottom": 24, "containLabel": True},
        "xAxis": {"name": x_name, "nameLocation": "middle", "nameGap": 26, "nameTextStyle": name, "splitLine": {"show": False}, **number},
        "yAxis": {"name": y_name, "nameTextStyle": {**name, "align": "left"}, "splitLine": {"lineStyle": {"opacity": 0.5}}, **number},
        "legend": {"show": False},
    }
