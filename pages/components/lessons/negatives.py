"""Lesson 8: what each sampler draws, and how many pairs blends of popularity and taste get right under it."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import streamlit as st

from engine.lessons.negatives import BLENDS, FILMS, SAMPLERS, USERS, Negatives, Options
from pages.components import charts
from pages.components.cards import card_title, chart_card
from pages.components.charts import Line, Rule

STYLES = {"random": ("green", "dotted"), "softmax": ("vermilion", "dashed"), "popularity": ("blue", "solid")}
MEANING = (
    "Of a person, one film that they watched but that is hidden from the model, and one that they never watched: right is the answer that "
    "gives the watched film the higher score; ties count half."
)


def draw(options: Options, found: Negatives) -> None:
    """Three cards."""
    left, right = st.columns([1, 1.15], gap="small")
    with left:
        _draws_card(options, found)
    with right:
        _accuracy_card(options, found)
    _table_card(options, found)


def _draws_card(options: Options, found: Negatives) -> None:
    rank = np.arange(1, FILMS + 1, dtype=float)
    lines = [
        Line(
            sampler,
            rank,
            100 * found.chances[sampler],
            *STYLES[sampler],
            dot=(1, 100 * float(found.chances[sampler][0])) if chosen else None,
        )
        for sampler in SAMPLERS
        for chosen in [sampler == options.sampler]
    ]
    chart_card(
        "Which film is drawn as the unwatched one",
        charts.curves(lines, x_name=f"{FILMS} films, the most watched first", y_name="chance (%)", x_end=FILMS, height=290),
        pd.DataFrame({"rank": rank, "people who watched it": found.watched, **found.chances}),
        key="lesson-draws",
        alt="Chance of each film to be drawn by each of the three samplers, by the film's rank in popularity",
        caption=f"Drawn by {options.sampler}, the likeliest film comes **{_ratio(found.ratio(options.sampler))}** times as often as "
        "the unlikeliest.",
        height=290,
    )


def _accuracy_card(options: Options, found: Negatives) -> None:
    here = _here(options)
    lines = [
        Line(
            sampler,
            BLENDS,
            found.accuracy[sampler],
            *STYLES[sampler],
            dot=(float(BLENDS[here]), float(found.accuracy[sampler][here])) if sampler == options.sampler else None,
        )
        for sampler in SAMPLERS
    ]
    at = found.accuracy[options.sampler][here]
    chart_card(
        "How many pairs are answered right",
        charts.curves(
            lines,
            x_name="taste in the model (0: popularity alone, 1: taste alone)",
            y_name="accuracy",
            rules=[Rule("guessing", 0.5)],
            x_end=1,
            y_ends=(0.4, 1.0),
            height=290,
        ),
        pd.DataFrame({"taste": BLENDS, **found.accuracy}),
        key="lesson-accuracy",
        alt="Pairwise accuracy under each sampler, from a model of popularity alone to one of taste alone",
        caption=f"Here ({options.sampler}, {BLENDS[here]:.2f}): **{at:.3f}**. Expected over all draws, {USERS} people.",
        meaning=MEANING,
        height=290,
    )


def _table_card(options: Options, found: Negatives) -> None:
    here = _here(options)
    table = pd.DataFrame(
        [
            {
                "drawn by": sampler,
                "likeliest : unlikeliest": found.ratio(sampler),
                **{
                    name: found.accuracy[sampler][place]
                    for name, place in (("popularity alone", 0), ("taste alone", -1), ("this model", here))
                },
                "standard error": found.errors[sampler][here],
            }
            for sampler in SAMPLERS
        ]
    )
    alone = ["popularity alone", "taste alone"]
    best = table[alone].idxmax(axis=1)
    shown = {
        "drawn by": [f"**{sampler}**" for sampler in SAMPLERS],
        "likeliest : unlikeliest": [f"{_ratio(value)} : 1" for value in table["likeliest : unlikeliest"]],
        **{
            name: [f"**{value:.3f}**" if name == one else f"{value:.3f}" for value, one in zip(table[name], best, strict=True)]
            for name in alone
        },
        f"this model ({BLENDS[here]:.2f})": [
            f"{value:.3f} ± {error:.3f}" for value, error in zip(table["this model"], table["standard error"], strict=True)
        ],
    }
    with st.container(border=True, gap="xsmall"):
        card_title("The same models under three tests", table, key="lesson-tests", meaning=MEANING)
        st.table(pd.DataFrame(shown), hide_index=True, border="horizontal", alt="Accuracy of three models under the three samplers")
        st.caption("**Bold**: the better of popularity and taste alone. ±: one standard error over people.")


def _here(options: Options) -> int:
    return int(np.abs(BLENDS - options.taste).argmin())


def _ratio(value: float) -> str:
    if math.isinf(value):
        return "∞"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}"
