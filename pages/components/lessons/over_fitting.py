"""Lesson 5: predictions by rating, the errors of both parts by epoch, and the gap between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from engine.lessons.over_fitting import FILMS, Fitted, Options, OverFitting
from pages.components import charts
from pages.components.cards import chart_card
from pages.components.charts import Line, Rule
from pages.components.plots import Dots, plane

PREDICTED = (0, 6)
"""Ends of the axis of predictions, in stars; few lie outside."""


def draw(options: Options, found: OverFitting, shown: int) -> None:
    """Three cards."""
    left, right = st.columns([1, 1.2], gap="small")
    with left:
        _points_card(found.own, shown)
    with right:
        _error_card(options, found, shown)
        _gap_card(options, found, shown)


def _points_card(own: Fitted, shown: int) -> None:
    predicted = np.clip(own.frames[shown].points, *PREDICTED)
    looks: tuple[tuple[str, dict[str, Any]], ...] = (
        ("held out", {"colour": "vermilion", "symbol": "diamond", "size": 8}),
        ("known", {"colour": "blue", "size": 6}),
    )
    series, rows = [], []
    for (name, look), part in zip(looks, (1, 0), strict=True):
        texts = [
            f"{name}: rated {rating:.1f}, predicted {value:.1f}" for rating, value in zip(own.ratings[part], predicted[part], strict=True)
        ]
        series.append(Dots(name, own.ratings[part], predicted[part], texts, **look))
        rows += [(name, *pair) for pair in zip(own.ratings[part], own.frames[shown].points[part], strict=True)]
    option = plane(series, x_name="rated (stars)", y_name="predicted (stars)")
    option["xAxis"] |= {"min": 1, "max": 5, "interval": 1, "scale": False}
    option["yAxis"] |= {"min": PREDICTED[0], "max": PREDICTED[1], "interval": 1, "scale": False}
    option["series"][0]["markLine"]["data"] = [[{"coord": [1, 1]}, {"coord": [5, 5]}]]
    chart_card(
        f"Rated and predicted, epoch {shown}",
        option,
        pd.DataFrame(rows, columns=["part", "rated", "predicted"]),
        key="lesson-points",
        alt=f"Predictions by rating after epoch {shown}: known ratings as dots, held-out ones as diamonds; on the line they are right",
        caption=f"The network can set **{own.weights:,}** numbers and is shown **{own.shown:,}** ratings of {FILMS} films. "
        "On the line, a prediction equals its rating.",
        height=470,
    )


def _error_card(options: Options, found: OverFitting, shown: int) -> None:
    own, other = found.own, found.other
    lines = _lines(own, shown, "", "blue")
    if other is not None:
        lines += _lines(other, shown, f", {options.beside}", "vermilion")
    table = {"epoch": np.arange(len(own.frames)), "train": _part(own, "known"), "held out": _part(own, "held_out")}
    if other is not None:
        table |= {f"train, {options.beside}": _part(other, "known"), f"held out, {options.beside}": _part(other, "held_out")}
    rules = [Rule("noise floor", own.floor), Rule("films’ means", own.plain)]
    chart_card(
        "Error by epoch",
        charts.curves(
            lines, rules=rules, x_name="epoch", y_name="RMSE (stars)", x_end=float(len(own.frames) - 1), y_ends=(0, 1.5), height=270
        ),
        pd.DataFrame(table),
        key="lesson-error",
        alt="RMSE by epoch: held-out ratings solid with the best epoch marked, known dashed; the other network in orange; noise floor",
        caption=_best(options, found),
        height=270,
    )


def _lines(fitted: Fitted, shown: int, suffix: str, colour: str) -> list[Line]:
    epochs = np.arange(len(fitted.frames), dtype=float)
    held = _part(fitted, "held_out")
    dot = (float(fitted.best), float(held[fitted.best])) if fitted.best <= shown else None
    return [
        Line(f"held out{suffix}", epochs, held, colour, dot=dot, symbol="diamond", until=shown),
        Line(f"train{suffix}", epochs, _part(fitted, "known"), colour, "dashed", until=shown),
    ]


def _best(options: Options, found: OverFitting) -> str:
    own, other = found.own, found.other
    told = f"**◆** best epoch: **{own.best}**, with {own.frames[own.best].held_out:.2f}; at the end {own.frames[-1].held_out:.2f}."
    if other is None:
        return f"{told} With {options.beside} it is the same network."
    return f"{told} With {options.beside}: epoch {other.best}, {other.frames[other.best].held_out:.2f}; {other.frames[-1].held_out:.2f}."


def _gap_card(options: Options, found: OverFitting, shown: int) -> None:
    epochs = np.arange(len(found.frames), dtype=float)
    gap = _gap(found.own)
    lines, table = [Line("gap", epochs, gap, until=shown, dot=(shown, gap[shown]))], {"epoch": epochs, "gap": gap}
    told = f"Now **{gap[shown]:.2f}**."
    if found.other is not None:
        beside = _gap(found.other)
        lines.append(Line(options.beside, epochs, beside, "vermilion", "dashed", until=shown, dot=(shown, beside[shown])))
        table[f"gap, {options.beside}"] = beside
        told = f"Now **{gap[shown]:.2f}**, with {options.beside} **{beside[shown]:.2f}**."
    chart_card(
        "Held out minus train",
        charts.curves(lines, x_name="epoch", y_name="gap (stars)", x_end=epochs[-1], y_ends=(-0.5, 1.5), height=170),
        pd.DataFrame(table),
        key="lesson-gap",
        alt="The gap between held-out and training error by epoch, of the chosen network solid, of the other one dashed",
        caption=f"{told} What a network learns by heart opens it.",
        height=170,
    )


def _gap(fitted: Fitted) -> np.ndarray:
    return _part(fitted, "held_out") - _part(fitted, "known")


def _part(fitted: Fitted, part: str) -> np.ndarray:
    return np.array([getattr(frame, part) for frame in fitted.frames])
