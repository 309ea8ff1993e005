"""Lesson 1: what an unobserved rating costs, with one guess for every cell of a small matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from engine.lessons.lesson import Options as LessonOptions

USERS, ITEMS = 6, 8
GUESSES = np.linspace(0, 5, 51)


class Options(LessonOptions):
    """Controls of the lesson."""

    guess: float = Field(
        2.0, ge=0, le=5, title="One guess for every cell", description="What a very simple model predicts.", json_schema_extra={"step": 0.1}
    )
    observed: float = Field(
        0.4, ge=0.1, le=1, title="Share of rated cells", description="In real data it is 0.01 to 0.06.", json_schema_extra={"step": 0.1}
    )
    masked: bool = Field(True, title="Mask what nobody rated", description="Off: a cell without a rating counts as a rating of 0.")


@dataclass(frozen=True, eq=False)
class MaskedLoss:
    """Losses of one guess for every cell.

    Attributes:
        ratings: users × items, 0 where nobody rated.
        rated: the mask, bool, users × items.
        errors: squared error that each cell adds to the chosen loss, NaN where it is masked.
        masked, unmasked: mean squared error of each of `GUESSES`, over rated cells and over all.
        best_masked, best_unmasked: the guess with the lowest, which is the mean of what the loss sees.
    """

    ratings: np.ndarray
    rated: np.ndarray
    errors: np.ndarray
    masked: np.ndarray
    unmasked: np.ndarray
    best_masked: float
    best_unmasked: float


def compute(options: Options) -> MaskedLoss:
    """Masked MSE Σ m (r − g)² / Σ m of a guess g, beside the mean over all cells (Sedhain et al. 2015, “AutoRec”, equation 2)."""
    rng = np.random.default_rng(3)
    full = np.clip(np.rint(rng.normal(3.7, 1.1, (USERS, ITEMS))), 1, 5)
    # Cells have one order for good: raising the share only adds ratings.
    place = rng.permutation(USERS * ITEMS).reshape(USERS, ITEMS)
    rated = place < max(1, round(options.observed * USERS * ITEMS))
    ratings = np.where(rated, full, 0.0)
    errors = np.where(rated | (not options.masked), (ratings - options.guess) ** 2, np.nan)
    squares = (ratings[..., None] - GUESSES) ** 2
    return MaskedLoss(
        ratings, rated, errors, squares[rated].mean(0), squares.mean((0, 1)), float(ratings[rated].mean()), float(ratings.mean())
    )
