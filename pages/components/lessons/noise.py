"""Lesson 6: one person's row as it enters the network, and the held-out error beside that of zeros without noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from engine.lessons.noise import PERSON, SHOWN, USERS, Noise, Options
from pages.components import charts
from pages.components.cards import chart_card
from pages.components.charts import Line
from pages.components.plots import Cell, matrix

COLUMNS = ("rated", "goes in", "comes out", "would rate")
SIGNS = {"rated": "", "default": "○ ", "noised": "~ ", "hidden": "✕ "}


def draw(options: Options, found: Noise, shown: int) -> None:
    """Two cards."""
    left, right = st.columns([1, 1.15], gap="small")
    with left:
        _row_card(options, found, shown)
    with right:
        _error_card(options, found, shown)


def _row_card(options: Options, found: Noise, shown: int) -> None:
    frame = found.frames[shown]
    entering = frame.kept
    columns = (found.rated, entering.values, frame.outputs[PERSON], found.expected)
    films = found.titles[:SHOWN]
    cells = []
    for film in range(SHOWN):
        for place, values in enumerate(columns):
            value = float(values[film])
            known = bool(np.isfinite(found.rated[film]))
            sign = SIGNS[entering.kinds[film]] if place == 1 else ""
            text = f"{sign}{value:.1f}" if np.isfinite(value) else "·"
            colour = min(5.0, max(0.0, value)) if np.isfinite(value) else 0.0
            cells.append(Cell(film, place, text, colour, framed=known and place < 2))
    table = {name: values[:SHOWN] for name, values in zip(COLUMNS, columns, strict=True)}
    noise = (
        ""
        if options.noise == "none"
        else " In this epoch’s noise: **~** changed, **✕** taken away; what comes out is of the row without it."
    )
    chart_card(
        f"One person, epoch {shown}",
        matrix(films, COLUMNS, cells, row_name="", column_name="", scale=(0, 5)),
        pd.DataFrame({"film": films, **table, "kind": entering.kinds[:SHOWN]}),
        key="lesson-row",
        alt=f"One person's ratings of {SHOWN} films, what enters the network, what comes out, and what the person would rate",
        caption=f"In stars. Framed: rated. **○** nobody rated: the default is read.{noise}",
        height=340,
    )


def _error_card(options: Options, found: Noise, shown: int) -> None:
    epochs = np.arange(len(found.frames), dtype=float)
    error = np.array([frame.validation for frame in found.frames])
    plain = options.default == "zero" and options.noise == "none"
    name = _name(options)
    lines = [Line(name, epochs, error, dot=(shown, float(error[shown])))]
    if not plain:
        lines.append(Line("zero", epochs, found.plain, colour="vermilion", dash="dashed", dot=(shown, float(found.plain[shown]))))
    beside = "" if plain else f"; zero without noise ends at **{found.plain[-1]:.2f}**, {_compared(error[-1] - found.plain[-1])}"
    chart_card(
        "Held-out RMSE",
        charts.curves(lines, x_name="epoch", y_name="RMSE (stars)", x_end=epochs[-1], height=340),
        pd.DataFrame({"epoch": epochs, name: error, "zero without noise": found.plain}),
        key="lesson-error",
        alt="Held-out RMSE by epoch: the chosen setting solid, zero without noise dashed",
        caption=f"Of ratings that the network is not shown, {USERS} people. It ends at **{error[-1]:.2f}**{beside}.",
        height=340,
    )


def _name(options: Options) -> str:
    name = f"constant {options.constant:g}" if options.default == "constant" else options.default
    return name if options.noise == "none" else f"{name}, {options.noise}"


def _compared(apart: float) -> str:
    if abs(apart) < 0.005:
        return "the same"
    return f"{abs(apart):.2f} {'higher' if apart < 0 else 'lower'}"
