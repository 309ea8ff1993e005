"""Lesson 7: what one person's row shows and hides, the error of each part, and the same two errors measured on real ratings."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import streamlit as st

from engine.lessons.leakage import PARTS, PERSON, Leakage, Options, measured
from engine.reproduce import TwoErrors
from pages.components import charts
from pages.components.cards import card_title, chart_card
from pages.components.charts import Line
from pages.components.plots import Cell, matrix

COLUMNS = ("rating", "goes in", "comes out", "apart")
EACH = 4
"""Ratings of each part that are shown, at most."""
STYLES = {"training": ("vermilion", "dashed"), "validation": ("blue", "solid"), "sealed": ("green", "dotted")}


def draw(options: Options, found: Leakage, shown: int) -> None:
    """Three cards."""
    left, right = st.columns([1, 1.3], gap="small")
    with left:
        _row_card(options, found, shown)
    with right:
        _error_card(options, found, shown)
    _measured_card()


def _row_card(options: Options, found: Leakage, shown: int) -> None:
    parts, ratings = found.parts[PERSON], found.ratings[PERSON]
    films = [int(film) for number in range(len(PARTS)) for film in np.flatnonzero(parts == number)[:EACH]]
    rows, cells, table = [], [], []
    for row, film in enumerate(films):
        part = PARTS[parts[film]]
        enters = part == "training" or (part == "validation" and options.leak)
        output = float(found.frames[shown].outputs[PERSON, film])
        values = (float(ratings[film]), float(ratings[film]) if enters else None, output, abs(output - float(ratings[film])))
        rows.append(f"{found.titles[film]}, {part}")
        table.append((found.titles[film], part, *values))
        for column, value in enumerate(values):
            colour = 0.0 if value is None or column == 3 else min(5.0, max(0.0, value))
            cells.append(Cell(row, column, "–" if value is None else f"{value:.1f}", colour, framed=column == 1 and enters))
    chart_card(
        f"One person, epoch {shown}",
        matrix(rows, COLUMNS, cells, row_name="", column_name="", scale=(0, 5)),
        pd.DataFrame(table, columns=["film", "part", *COLUMNS]),
        key="lesson-row",
        alt="Some of one person's ratings in three parts: which of them the network reads, and what comes out",
        caption="In stars. **Framed**: the network reads it, and learns to give it back. **–**: hidden from it.",
        height=340,
    )


def _error_card(options: Options, found: Leakage, shown: int) -> None:
    epochs = np.arange(len(found.frames), dtype=float)
    lines = [
        Line(part, epochs, found.errors[part], colour, dash, dot=(shown, float(found.errors[part][shown])))
        for part, (colour, dash) in STYLES.items()
    ]
    now = {part: f"**{found.errors[part][-1]:.2f}**" for part in PARTS}
    is_shown = "It reads the validation ratings" if options.leak else "It reads the training ratings alone"
    chart_card(
        "Error by part",
        charts.curves(lines, x_name="epoch", y_name="RMSE (stars)", x_end=epochs[-1], y_ends=(0, 2), height=340),
        pd.DataFrame({"epoch": epochs, **found.errors}),
        key="lesson-error",
        alt="RMSE by epoch of training, validation and sealed ratings",
        caption=f"{is_shown}. After the last epoch: training {now['training']}, validation {now['validation']}, sealed {now['sealed']}.",
        height=340,
    )


def _measured_card() -> None:
    found = _measured()
    rows = []
    if leaky := found.get("3-leaky"):
        rows.append(("published, “valid loss”", "what it is shown", leaky.published, math.sqrt(leaky.published), ""))
        rows.append(("trained here alike", "what it is shown", leaky.reconstruction_mse, math.sqrt(leaky.reconstruction_mse), ""))
        rows.append(_unseen("the same network", leaky))
    if honest := found.get("3-honest"):
        rows.append(_unseen("its best epoch", honest))
    table = pd.DataFrame(rows, columns=["network", "asked for", "mean squared error", "RMSE", "RMSE clipped to the scale"])
    with st.container(border=True, gap="xsmall"):
        card_title("Measured on real ratings (ml-latest-small)", table, key="lesson-measured")
        if rows:
            shown = table.assign(**{name: [f"{value:.3f}" for value in table[name]] for name in ("mean squared error", "RMSE")})
            st.table(shown, hide_index=True, border="horizontal", alt="Errors on ratings that a network is shown and is not shown")
            st.caption("In brackets: the 95 % interval over people. Best epoch: of a split that holds out each person’s latest tenth.")
        else:
            st.caption("Nothing is measured yet: the Reproduce page starts it.")
        st.page_link(
            "pages/reproduce.py",
            label="The whole table on the Reproduce page",
            icon=":material/fact_check:",
            query_params={"reproduce_table": "3-leaky"},
        )


def _unseen(network: str, one: TwoErrors) -> tuple[str, str, float, float, str]:
    asked = f"{one.pairs:,} ratings of {one.users} people that it is not shown"
    ends = "" if one.interval is None else f" ({one.interval[0]:.2f} to {one.interval[1]:.2f})"
    return network, asked, one.rmse**2, one.rmse, f"{one.rmse_clipped:.3f}{ends}"


# While a training plays, the lesson is drawn four times a second.
@st.cache_data(ttl=60, show_spinner=False)
def _measured() -> dict[str, TwoErrors]:
    return measured()
