"""Lesson 1: the matrix with what each cell adds to the loss, and both losses by the guess."""

from __future__ import annotations

import numpy as np
import pandas as pd

from engine.lessons.masked_loss import GUESSES, ITEMS, USERS, MaskedLoss, Options
from pages.components import charts
from pages.components.cards import chart_card
from pages.components.charts import Line
from pages.components.plots import Cell, matrix


def draw(options: Options, found: MaskedLoss) -> None:
    """Two cards."""
    users, items = [f"user {user + 1}" for user in range(USERS)], [f"film {item + 1}" for item in range(ITEMS)]
    cells = [
        Cell(row, column, _cell(rating, error), None if np.isnan(error) else float(error))
        for (row, column), rating, error in zip(np.ndindex(USERS, ITEMS), found.ratings.flat, found.errors.flat, strict=True)
    ]
    loss = float(np.nanmean(found.errors))
    counted = int(np.isfinite(found.errors).sum())
    chart_card(
        "What each cell adds to the loss",
        matrix(users, items, cells, row_name="", column_name=""),
        pd.DataFrame(
            [(users[cell.row], items[cell.column], cell.text, cell.value) for cell in cells],
            columns=["user", "film", "shown", "squared error"],
        ),
        key="lesson-matrix",
        alt=f"{USERS} users and {ITEMS} films; the colour of a cell is its squared error, empty cells count for nothing",
        caption=f"The rating, and below it the squared error of the guess {options.guess:g}. The loss is their mean over "
        f"{counted} of {USERS * ITEMS} cells: **{loss:.2f}**.",
        height=330,
    )
    here = int(np.abs(GUESSES - options.guess).argmin())
    dot = (options.guess, float((found.masked if options.masked else found.unmasked)[here]))
    chart_card(
        "The loss of every guess",
        charts.curves(
            [
                Line("masked", GUESSES, found.masked, dot=dot if options.masked else None),
                Line("all cells", GUESSES, found.unmasked, colour="vermilion", dash="dashed", dot=None if options.masked else dot),
            ],
            x_name="guess (stars)",
            y_name="mean squared error (stars²)",
            x_end=5,
        ),
        pd.DataFrame({"guess": GUESSES, "masked": found.masked, "all cells": found.unmasked}),
        key="lesson-losses",
        alt="Mean squared error by the guess: over rated cells solid, over all cells dashed",
        caption=f"Lowest at **{found.best_masked:.2f}** over rated cells, the mean of the ratings; at **{found.best_unmasked:.2f}** "
        "over all, where every empty cell pulls towards 0.",
    )


def _cell(rating: float, error: float) -> str:
    if np.isnan(error):
        return "·"
    return f"{rating:g}\n{error:.1f}"
