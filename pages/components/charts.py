"""Curves as ECharts options. Every chart has axis names with units, and a label at the end of each line."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import streamlit as st

from pages.components import linked
from pages.components.series import thin

LIGHT = {"blue": "#0072B2", "vermilion": "#D55E00", "green": "#009E73", "purple": "#CC79A7", "grey": "#6B7280"}
LIGHT |= {"ink": "#14171C", "paper": "#FFFFFF"}
DARK = {"blue": "#56B4E9", "vermilion": "#E69F00", "green": "#2BB58D", "purple": "#CC79A7", "grey": "#9AA4B2"}
DARK |= {"ink": "#E6E9EE", "paper": "#12161C"}
"""Okabe and Ito's colours that stand out from a white and from a dark background, and the ink and paper of each."""

PICTURES = "pictures"
LABEL_ROOM = 112
LABEL_HEIGHT = 13


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        dash: "solid", "dashed" or "dotted".
        faint: drawn thin and pale, without a label.
        dot: x and y of a marked point, such as the best epoch.
        symbol: of that mark, by ECharts' name.
        labelled: named at its end.
        until: x of the last point that is drawn, where a training plays; axes hold the whole line. None: all are.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    colour: str = "blue"
    dash: str = "solid"
    faint: bool = False
    dot: tuple[float, float] | None = None
    symbol: str = "circle"
    labelled: bool = True
    until: float | None = None

    def drawn(self) -> tuple[np.ndarray, np.ndarray]:
        """x and y of the points that are drawn."""
        return (self.x, self.y) if self.until is None else (self.x[self.x <= self.until], self.y[self.x <= self.until])


@dataclass(frozen=True)
class Rule:
    """A labelled horizontal line, such as a baseline."""

    name: str
    y: float
    dash: str = "dotted"


def palette() -> dict[str, str]:
    """Colours by name for the theme that the person now sees."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def curves(
    lines: Sequence[Line],
    *,
    x_name: str,
    y_name: str,
    rules: Sequence[Rule] = (),
    x_end: float | None = None,
    y_ends: tuple[float, float] | None = None,
    log: bool = False,
    height: int = 250,
) -> dict[str, Any]:
    """The ECharts option of a line chart.

    Args:
        x_end: where the x axis ends; after the last point when None.
        y_ends: where the y axis begins and ends, so that charts of several settings compare; about the lines when None.
        log: logarithmic y axis.
    """
    colours = palette()
    low, high, step = _range(lines, rules, log) if y_ends is None else (*y_ends, _step(y_ends[1] - y_ends[0]))
    pixels = (height - 74) / (math.log(high / low) if log else high - low)
    up = (lambda value: math.log(max(value, low) / low) * pixels) if log else (lambda value: (value - low) * pixels)
    shifts = _apart([*(_end(line, up) for line in lines), *((True, up(rule.y)) for rule in rules)])
    series = [_series(line, colours, shift) for line, shift in zip(lines, shifts, strict=False)]
    if rules:
        series.append(_rules(rules, colours["grey"], shifts[len(lines) :]))
    number = {"fontSize": 11, "color": colours["grey"]}
    name = {"nameTextStyle": {"fontSize": 11, "color": colours["grey"]}}
    y_axis: dict[str, Any] = {"type": "log" if log else "value", "name": y_name, "min": low, "max": high}
    y_axis["nameTextStyle"] = {**name["nameTextStyle"], "align": "left"}
    if not log:
        y_axis["interval"] = step
    x_axis: dict[str, Any] = {"type": "value", "name": x_name, "nameLocation": "middle", "nameGap": 24, "min": 0, **name}
    x_axis |= {"axisLabel": number, "splitLine": {"show": False}}
    if x_end:
        x_axis["max"] = x_end
    return {
        "animation": False,
        "grid": {"left": 8, "right": LABEL_ROOM, "top": 26, "bottom": 24, "containLabel": True},
        "tooltip": {"trigger": "axis", "valueFormatter": "%.4f", "confine": True},
        "xAxis": x_axis,
        "yAxis": {**y_axis, "axisLabel": number, "splitLine": {"lineStyle": {"opacity": 0.5}}},
        "dataZoom": [{"type": "inside", "filterMode": "none"}],
        "legend": {"show": False},
        "series": series,
    }


def draw(option: dict[str, Any], *, key: str, alt: str, height: int = 250, on_select: Callable[[], None] | None = None) -> None:
    """Show a chart; the same key at each turn keeps its canvas. Its toolbar saves it as PNG, or as SVG where `pictures_as` says so.

    Args:
        on_select: called when a point is clicked of a series with `selectedMode`; the session then holds what is selected under `key`.
    """
    st.echarts_chart(option, key=key, alt=alt, height=height, renderer=renderer(), on_select=on_select or "ignore")


def renderer() -> Literal["canvas", "svg"]:
    """What charts are drawn by: Streamlit's toolbar saves a canvas as PNG and an SVG as SVG."""
    return "svg" if st.session_state.get(PICTURES) == "SVG" else "canvas"


def pictures_as() -> None:
    """The choice of what the page's charts are saved as; it stands in the address, and has to come before them."""
    about = "Point at a chart, or tab to it: the arrow in its corner saves it as a picture of this kind. Its data is beside its title."
    linked.bound(st.segmented_control, "Save pictures as", ["PNG", "SVG"], key=PICTURES, default="PNG", required=True, help=about)


def _series(line: Line, colours: dict[str, str], shift: float) -> dict[str, Any]:
    x, y = thin(*line.drawn())
    points = [[_short(a), None if math.isnan(b) else _short(b)] for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    colour = colours[line.colour]
    option: dict[str, Any] = {
        "type": "line",
        "name": line.name,
        "data": points,
        "connectNulls": False,
        "color": colour,
        # A single point is no line yet, but has to be seen.
        "showSymbol": len(points) < 2,
        "symbol": "circle",
        "symbolSize": 6,
        "lineStyle": {"type": line.dash, "width": 1 if line.faint else 2, "opacity": 0.35 if line.faint else 1},
        "emphasis": {"disabled": True},
        "z": 2 if line.faint else 3,
    }
    if line.faint:
        option["tooltip"] = {"show": False}
    elif line.labelled:
        option["endLabel"] = {"show": True, "formatter": "{a}", "color": colour, "fontSize": 11, "offset": [0, -shift]}
    marks: list[dict[str, Any]] = []
    if line.dot:
        ring = {"color": colour, "borderColor": "#fff", "borderWidth": 2}
        marks.append(
            {"coord": list(line.dot), "symbol": line.symbol, "symbolSize": 9 if line.symbol == "circle" else 12, "itemStyle": ring}
        )
    for index in np.flatnonzero(np.isnan(y[1:]) & ~np.isnan(y[:-1])):
        marks.append(
            {
                "coord": [_short(x[index]), _short(y[index])],
                "symbol": "path://M2 0 L5 3 L8 0 L10 2 L7 5 L10 8 L8 10 L5 7 L2 10 L0 8 L3 5 L0 2 Z",
                "symbolSize": 11,
                "itemStyle": {"color": colours["vermilion"]},
                "label": {"show": True, "formatter": "diverged", "position": "top", "color": colours["vermilion"]},
            }
        )
    if marks:
        option["markPoint"] = {"data": marks, "label": {"show": False}, "silent": True, "animation": False}
    return option


def _rules(rules: Sequence[Rule], colour: str, shifts: Sequence[float]) -> dict[str, Any]:
    """Horizontal lines with their labels right of the plot."""
    marks = []
    for rule, shift in zip(rules, shifts, strict=True):
        label = {"formatter": rule.name, "position": "end", "fontSize": 11, "color": colour, "offset": [2, -shift]}
        marks.append({"yAxis": rule.y, "name": rule.name, "label": label, "lineStyle": {"type": rule.dash, "color": colour, "width": 1.4}})
    return {
        "type": "line",
        "name": "baselines",
        "data": [],
        "markLine": {"symbol": "none", "silent": True, "animation": False, "precision": 8, "data": marks},
    }


def _end(line: Line, up: Callable[[float], float]) -> tuple[bool, float]:
    """Whether a line has a label at its end, and the height of that end in pixels."""
    _, y = line.drawn()
    finite = y[np.isfinite(y)]
    return bool(len(finite)) and line.labelled and not line.faint, up(float(finite[-1])) if len(finite) else 0.0


def _apart(labels: Sequence[tuple[bool, float]]) -> list[float]:
    """Upward shifts in pixels that keep labels at these heights from overlapping; the first of each pair says whether it is shown."""
    shifts = [0.0] * len(labels)
    floor = -math.inf
    for index in sorted((index for index, (shown, _) in enumerate(labels) if shown), key=lambda index: labels[index][1]):
        place = max(labels[index][1], floor + LABEL_HEIGHT)
        shifts[index] = place - labels[index][1]
        floor = place
    return shifts


def _range(lines: Sequence[Line], rules: Sequence[Rule], log: bool) -> tuple[float, float, float]:
    """A y range with round ends that holds every rule and labelled line; beside rules, of a line that starts far up, the calm part."""
    labelled = [line for line in lines if not line.faint and np.isfinite(line.y).sum() > 1] or lines
    held = [_calm(line.y) if rules else line.y for line in labelled]
    values = np.concatenate([*held, np.array([rule.y for rule in rules], float)]) if lines or rules else np.zeros(0)
    values = values[np.isfinite(values)]
    if log:
        values = values[values > 0]
    if not len(values):
        return (0.1, 1.0, 0.2) if log else (0.0, 1.0, 0.2)
    low, high = float(values.min()), float(values.max())
    if log:
        return _round(low * 0.95, math.floor), _round(high * 1.05, math.ceil), 0.0
    step = _step(max(high - low, 0.05 * abs(high), 1e-3))
    return _short(math.floor(low / step + 1e-6) * step), _short(math.ceil(high / step - 1e-6) * step), _short(step)


def _step(width: float) -> float:
    """A round distance between two ticks, of which about four fill the width."""
    rough = width / 4
    magnitude = 10.0 ** math.floor(math.log10(rough))
    return magnitude * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= rough)


def _round(value: float, way: Callable[[float], int]) -> float:
    """Two significant digits, downwards or upwards."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return _short(way(value / unit) * unit)


def _calm(y: np.ndarray) -> np.ndarray:
    """Without values far above the rest of the line, which would press lines and rules flat."""
    finite = y[np.isfinite(y)]
    if len(finite) < 4:
        return finite
    middle, low = np.median(finite), finite.min()
    return finite[finite <= middle + 12 * max(middle - low, 1e-9)]


def _short(value: float) -> float:
    """Six significant digits: what a chart can show, in half the bytes."""
    return float(f"{value:.6g}")
