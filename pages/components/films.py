"""One person's films: a pale column for each prediction, with marks at their heights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pages.components.charts import palette


@dataclass(frozen=True)
class Marks:
    """One mark for each film.

    Attributes:
        values: heights, NaN for none.
        symbol: of ECharts.
        hollow: drawn as an outline.
        opacity: of a mark that is not hollow.
    """

    name: str
    values: np.ndarray
    colour: str
    symbol: str = "circle"
    size: int = 12
    hollow: bool = False
    opacity: float = 1.0


def films(
    titles: Sequence[str], column_name: str, columns: np.ndarray, marks: Sequence[Marks], *, ends: tuple[float, float], height: int
) -> dict[str, Any]:
    """The ECharts option.

    Args:
        column_name, columns: of the predictions, one per title.
        ends: of the axis, in stars, the same for all pictures of a training; a column outside them is cut.
    """
    colours = palette()
    small = {"fontSize": 11, "color": colours["grey"]}
    column: dict[str, Any] = {"type": "bar", "name": column_name, "data": _numbers(np.clip(columns, *ends)), "barWidth": "58%"}
    column |= {"itemStyle": {"color": colours["blue"], "opacity": 0.3}, "emphasis": {"disabled": True}}
    return {
        "animation": False,
        "grid": {"left": 8, "right": 8, "top": 52 if height > 260 else 44, "bottom": 4, "containLabel": True},
        "legend": {"show": True, "type": "scroll", "top": 0, "itemWidth": 12, "itemHeight": 9, "textStyle": {"color": colours["ink"]}},
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}, "valueFormatter": "%.2f", "confine": True},
        "xAxis": {
            "type": "category",
            "data": [title.replace(" ", "\n") for title in titles],
            "axisTick": {"show": False},
            "axisLabel": {**small, "interval": 0, "hideOverlap": True, "lineHeight": 14},
        },
        "yAxis": {
            "type": "value",
            "name": "stars",
            "nameTextStyle": {**small, "align": "left"},
            "min": ends[0],
            "max": ends[1],
            "interval": 1,
            "axisLabel": small,
            "splitLine": {"lineStyle": {"opacity": 0.5}},
        },
        "series": [column, *(_marks(one, colours) for one in marks)],
    }


def _marks(one: Marks, colours: dict[str, str]) -> dict[str, Any]:
    colour = colours[one.colour]
    style = {"color": "transparent", "borderColor": colour, "borderWidth": 2} if one.hollow else {"color": colour, "opacity": one.opacity}
    return {
        "type": "scatter",
        "name": one.name,
        "data": _numbers(one.values),
        "symbol": one.symbol,
        "symbolSize": one.size,
        "itemStyle": style,
        "emphasis": {"disabled": True},
        "z": 4,
    }


def _numbers(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), 3) for value in values]
