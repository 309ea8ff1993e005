"""Lesson 4: one person's films as the network sends them round, how far it is from agreeing with itself, and the held-out error."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import streamlit as st

from engine.lessons.re_feeding import SHOWN, TIMES, USERS, Options, ReFeeding
from pages.components import charts
from pages.components.cards import chart_card
from pages.components.charts import Line, Rule
from pages.components.films import Marks, films

ROUNDS = ("f(y)", "f(f(y))", "f(f(f(y)))")


def draw(options: Options, found: ReFeeding, shown: int) -> None:
    """Three cards."""
    with st.container():  # otherwise the card would fill the height of the text beside it
        _films_card(found, shown)
    left, right = st.columns(2, gap="small")
    with left:
        _distance_card(options, found, shown)
    with right:
        _error_card(options, found, shown)


def _films_card(found: ReFeeding, shown: int) -> None:
    chain = found.frames[shown].chain
    every = np.concatenate([one.chain for one in found.frames])
    marks = [
        *(
            Marks(name, chain[number], "vermilion", size=15 - 3 * number, opacity=0.35 + 0.3 * (number - 1))
            for number, name in enumerate(ROUNDS, 1)
        ),
        Marks("rated", found.rated, "green", "rect", 14, hollow=True),
        Marks("held out", found.missing, "purple", "diamond", 15),
    ]
    ends = (max(-1, min(0, math.floor(every.min()))), min(8, max(6, math.ceil(every.max()))))
    columns = {name: chain[number] for number, name in enumerate(("y = f(x)", *ROUNDS))}
    chart_card(
        f"One person, {SHOWN} films: x → y → f(y) → f(f(y)) …, epoch {shown}",
        films(found.titles, "y = f(x)", chain[0], marks, ends=ends, height=290),
        pd.DataFrame({"film": found.titles, "rated": found.rated, "held out": found.missing, **columns}),
        key="lesson-films",
        alt=f"{SHOWN} films: y as columns; what the network makes of y, once to {TIMES - 1} times, as dots, smaller and stronger each time",
        caption="**Columns:** y. **Dots:** y fed back in, smaller and stronger each time. "
        "On a fixed point, all dots lie on the tops of the columns.",
        height=290,
    )


def _distance_card(options: Options, found: ReFeeding, shown: int) -> None:
    now, off = found.frames[shown], found.off[shown]
    without = f", without re-feeding by {off.spread:.2f}" if options.steps else ""
    chart_card(
        "Distance of f(y) from y",
        _curves(options, found, shown, "distance", "RMS distance (stars)", ()),
        _table(found, "distance"),
        key="lesson-distance",
        alt="Distance of f(y) from y by epoch: with re-feeding solid, without dashed",
        caption=f"Over {USERS} people, all films. {_both(options, now.distance, off.distance)} From person to person, predictions of a "
        f"film differ by {now.spread:.2f}{without}.",
    )


def _error_card(options: Options, found: ReFeeding, shown: int) -> None:
    now, off = found.frames[shown], found.off[shown]
    chart_card(
        "Held-out RMSE",
        _curves(options, found, shown, "held_out", "RMSE (stars)", [Rule("films’ means", found.plain)]),
        _table(found, "held_out"),
        key="lesson-error",
        alt="Held-out RMSE by epoch: with re-feeding solid, without dashed, and that of each film's mean as a rule",
        caption=f"Of f(x). {_both(options, now.held_out, off.held_out)} Each film’s mean for everybody: {found.plain:.2f}.",
    )


def _curves(options: Options, found: ReFeeding, shown: int, part: str, y_name: str, rules: list[Rule] | tuple[()]) -> dict:
    epochs = np.arange(len(found.frames), dtype=float)
    on, off = (np.array([getattr(one, part) for one in some]) for some in (found.frames, found.off))
    lines = [Line("off", epochs, off, "vermilion", "dashed", until=shown, dot=(shown, off[shown]))]
    if options.steps:
        lines.insert(0, Line("on", epochs, on, until=shown, dot=(shown, on[shown])))
    return charts.curves(lines, rules=rules, x_name="epoch", y_name=y_name, x_end=epochs[-1], y_ends=(0.8, 1.4) if rules else (0, 1))


def _both(options: Options, on: float, off: float) -> str:
    return f"Now on **{on:.2f}**, off **{off:.2f}**." if options.steps else f"Now **{off:.2f}**, off."


def _table(found: ReFeeding, part: str) -> pd.DataFrame:
    on, off = ([getattr(one, part) for one in some] for some in (found.frames, found.off))
    return pd.DataFrame({"epoch": np.arange(len(on)), "on": on, "off": off})
