"""A small network as an ECharts option: columns of nodes with their numbers in them, and every weight as an edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pages.components.charts import palette

THINNEST, THICKEST = 0.4, 7.0
"""Widths in pixels of an edge without weight and of the strongest."""


@dataclass(frozen=True)
class Node:
    """One node.

    Attributes:
        text: its number.
        about: what pointing at it tells.
        colour: of its ring, by name.
        size: diameter in pixels.
        beside: written outside the network, of nodes in the first and the last column.
    """

    text: str
    about: str
    colour: str = "blue"
    dashed: bool = False
    size: int = 28
    beside: str = ""


@dataclass(frozen=True)
class Edge:
    """One weight from a node of a column, by position, to one of the next; `about` is what pointing at it tells."""

    column: int
    source: int
    target: int
    weight: float
    about: str


def wiring(heads: Sequence[str], columns: Sequence[Sequence[Node]], edges: Sequence[Edge], *, strongest: float) -> dict[str, Any]:
    """Edges are the thicker the larger their weights, solid blue above 0 and dashed orange below.

    Args:
        heads: names of the columns.
        strongest: the largest weight of all pictures that are to be compared.
    """
    colours = palette()
    tallest = max(map(len, columns))
    places = [[(place + 0.5) * tallest / len(nodes) for place in range(len(nodes))] for nodes in columns]
    drawn: list[dict[str, Any]] = []
    texts: list[dict[str, Any]] = []
    for column, nodes in enumerate(columns):
        for place, node in enumerate(nodes):
            at = [column, places[column][place]]
            drawn.append({"id": f"{column} {place}", "value": at, **_disc(node, colours)})
            if node.beside:
                label: dict[str, Any] = {
                    "show": True,
                    "formatter": node.beside,
                    "position": "right" if column else "left",
                    "distance": node.size // 2 + 4,
                }
                texts.append({"value": at, "label": {**label, "fontSize": 12, "color": colours["ink"]}})
    bare: dict[str, Any] = {"axisLine": {"show": False}, "axisTick": {"show": False}, "splitLine": {"show": False}}
    names = {"fontSize": 11, "color": colours["grey"], "interval": 0}
    return {
        "animation": False,
        "grid": {"left": 64, "right": 52, "top": 30, "bottom": 4},
        "xAxis": {"type": "category", "data": list(heads), "position": "top", "boundaryGap": False, **bare, "axisLabel": names},
        "yAxis": {"type": "value", "min": 0, "max": tallest, "inverse": True, **bare, "axisLabel": {"show": False}},
        "tooltip": {"trigger": "item", "formatter": "{b}", "confine": True},
        "series": [
            {
                "type": "graph",
                "coordinateSystem": "cartesian2d",
                "data": drawn,
                "links": [_link(edge, strongest, colours) for edge in edges],
                "emphasis": {"focus": "adjacency", "blurScope": "series", "scale": False},
                "blur": {"lineStyle": {"opacity": 0.06}, "itemStyle": {"opacity": 0.4}, "label": {"opacity": 0.4}},
            },
            {"type": "scatter", "data": texts, "symbolSize": 1, "silent": True, "itemStyle": {"color": "transparent"}},
        ],
    }


def _disc(node: Node, colours: dict[str, str]) -> dict[str, Any]:
    ring = {
        "color": colours["paper"],
        "borderColor": colours[node.colour],
        "borderWidth": 2,
        "borderType": "dashed" if node.dashed else "solid",
    }
    label = {"show": True, "formatter": node.text, "fontSize": 11, "color": colours["ink"]}
    return {"name": node.about, "symbolSize": node.size, "itemStyle": ring, "label": label}


def _link(edge: Edge, strongest: float, colours: dict[str, str]) -> dict[str, Any]:
    share = abs(edge.weight) / strongest
    style: dict[str, Any] = {"color": colours["blue" if edge.weight > 0 else "vermilion"], "type": "solid" if edge.weight > 0 else "dashed"}
    style |= {"width": round(THINNEST + (THICKEST - THINNEST) * share, 2), "opacity": round(0.3 + 0.6 * share, 2)}
    # An edge has no name in ECharts: its id stands in the tooltip.
    ends = {"source": f"{edge.column} {edge.source}", "target": f"{edge.column + 1} {edge.target}"}
    return {**ends, "id": edge.about, "lineStyle": style}
