"""The picture of a published table: one of its figures, published and ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from engine import metrics
from engine.reproduce import wording
from engine.tables import FIGURES, Row, Table, higher_is_better
from pages.components import linked, marks, reproduced
from pages.components.cards import chart_card
from pages.components.marks import Mark

FIGURE = "reproduce_figure"
MENU = 320
"""Width in pixels of the menu of figures."""

SQUARED = ("reconstruction_mse", "refeed_loss")


def picture(table: Table, report: Mapping[str, Any], dataset: str) -> None:
    """The chart card of a table; nothing while it has no figure at all. With several figures, a menu above."""
    found = drawable(table, report)
    if not found:
        return
    figure = found[0]
    if len(found) > 1:
        before = st.query_params.get(FIGURE)
        with st.container(width=MENU):
            figure = linked.select("Figure to draw", found, FIGURE, naming=lambda name: reproduced.title(name, table))
        if st.query_params.get(FIGURE) != before:
            st.rerun()  # the whole page, whose link is to hold the choice
    name, over = reproduced.title(figure, table), f" against {table.axis}" if table.axis else ", row by row"
    chart_card(
        f"{name[0].upper()}{name[1:]}{over}",
        option(table, report, figure),
        data(table, report, dataset, figure),
        key=f"reproduce-picture-{table.name}-{dataset}-{figure}",
        alt=f"{table.title}: {name}{over}; hollow marks are published, solid ones ours",
        caption=_caption(table, report, dataset, figure),
        meaning=reproduced.meaning(figure, table),
        height=320 if table.axis else 84 + marks.ROW_HEIGHT * len(table.rows),
    )


def drawable(table: Table, report: Mapping[str, Any]) -> list[str]:
    """The figures of which some row has one, that which tells most first: the one that is published most often, else one whose
    interval is known."""
    if table.exact:
        return []

    def told(figure: str) -> tuple[int, bool]:
        counted = figure in wording.COUNTED
        sure = any(wording.interval(table, figure, row) for row in report["rows"])
        return (0 if counted else sum(figure in row["published"] for row in report["rows"])), sure and not counted

    some = [name for name in wording.figures(table) if any(name in row["published"] or name in row["mean"] for row in report["rows"])]
    some = [name for name in some if name != "parameters"]
    first = max(some, key=told, default=None)
    return sorted(some, key=lambda name: name != first)


def option(table: Table, report: Mapping[str, Any], figure: str) -> dict[str, Any]:
    """The picture of one figure, for ECharts."""
    published_name, value_name = f"published ({table.published_on.split(',')[0]})", _axis(table, figure)
    lines, published, aside = _marks(table, report, figure)
    if not table.axis:
        names = [row.name for row in table.rows]
        return marks.rows(names, lines.get("ours", []), published, published_name=published_name, value_name=value_name)
    return marks.sweep(lines, published, published_name=published_name, axis_name=table.axis, value_name=value_name, aside=aside)


def data(table: Table, report: Mapping[str, Any], dataset: str, figure: str) -> pd.DataFrame:
    """What is drawn, a line for each row that has the figure."""
    made = []
    for row, line in zip(table.rows, report["rows"], strict=True):
        published, ours = line["published"].get(figure), line["mean"].get(figure)
        if published is None and ours is None:
            continue
        low, high = bar(table, figure, line) or (None, None)
        place = {table.axis: row.x} if table.axis else {}
        made.append({"table": table.name, "dataset": dataset, "row": row.name, **place, "figure": figure, "published": published})
        made[-1] |= {"published_on": table.published_on, "ours": ours, "bar_low": low, "bar_high": high, "seeds": line["seeds"]}
    return pd.DataFrame(made)


def bar(table: Table, figure: str, line: Mapping[str, Any]) -> tuple[float, float] | None:
    """Ends of the bar through our figure: the 95 % interval over users, else a standard deviation over the seeds on either side."""
    if found := wording.interval(table, figure, line):
        return found
    if figure in line["sd"]:
        return line["mean"][figure] - line["sd"][figure], line["mean"][figure] + line["sd"][figure]
    return None


def _marks(table: Table, report: Mapping[str, Any], figure: str) -> tuple[dict[str, list[Mark]], list[Mark], dict[str, float]]:
    """Our marks by line, the published ones, and of a sweep the figures of rows that have no place on its axis."""
    lines: dict[str, list[Mark]] = {}
    published: list[Mark] = []
    aside: dict[str, float] = {}
    for number, (row, line) in enumerate(zip(table.rows, report["rows"], strict=True)):
        at = _place(table, row, number)
        theirs, ours = line["published"].get(figure), line["mean"].get(figure)
        if at is None:
            aside |= {f"{row.name}, {whose}": value for whose, value in (("published", theirs), ("ours", ours)) if value is not None}
            continue
        if theirs is not None:
            published.append(Mark(at, theirs, f"{row.name}: published {wording.printed(theirs)}"))
        if ours is not None:
            text = f"{row.name}: ours {wording.own(table, figure, line)}"
            lines.setdefault(row.line or "ours", []).append(Mark(at, ours, text, bar(table, figure, line)))
    return lines, published, aside


def _place(table: Table, row: Row, number: int) -> float | None:
    return row.x if table.axis else number


def _axis(table: Table, figure: str) -> str:
    """The figure with its unit."""
    name = reproduced.title(figure, table)
    if figure in wording.COUNTED:
        return name  # "best epoch", "epochs to reach": their own unit
    metric = table.metric if figure in FIGURES else figure
    unit = "squared rating units" if figure in SQUARED else "0 to 1" if metrics.higher_is_better(metric) else "rating units"
    return f"{name} ({unit})"


def _caption(table: Table, report: Mapping[str, Any], dataset: str, figure: str) -> str:
    """What the marks and bars are."""
    rows, said = report["rows"], []
    if any(figure in row["published"] for row in rows):
        said.append(f"Hollow: published on {table.published_on}.")
    if any(figure in row["mean"] for row in rows):
        said.append(f"Solid: ours on {dataset}.")
    if figure not in wording.COUNTED:
        said.append("Higher is better." if higher_is_better(figure, table.metric) else "Lower is better.")
    if any(wording.interval(table, figure, row) for row in rows):
        said.append("Bars: 95 % interval over the test users.")
    elif any(bar(table, figure, row) for row in rows):
        said.append("Bars: standard deviation over the seeds.")
    elif any(figure in row["mean"] for row in rows):
        said.append("Without bars: of one seed nothing is known of chance.")
    return " ".join(said)
