"""Lesson 9: one person's films as two models predict them, what both measures say, and the lists that come of it."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import streamlit as st

from engine.lessons.ranking import LIKED, PERSON, PERSONAL, PLAIN, USERS, Options, Ranking
from engine.metrics import definition
from pages.components.cards import card_title, chart_card
from pages.components.plots import Dots, plane

STYLES = {PERSONAL: ("blue", "circle"), PLAIN: ("vermilion", "triangle")}


def draw(options: Options, found: Ranking) -> None:
    """Three cards."""
    left, right = st.columns([1.15, 1], gap="small")
    with left:
        _plane_card(found)
    with right:
        _measures_card(options, found)
        _lists_card(options, found)


def _plane_card(found: Ranking) -> None:
    truth = found.truth[PERSON]
    series, table = [], {"film": found.titles, "would give": truth}
    for model, (colour, symbol) in STYLES.items():
        predicted = found.predicted[model][PERSON]
        texts = [
            f"{title}: would give {a:.1f}, {model} predicts {b:.1f}" for title, a, b in zip(found.titles, truth, predicted, strict=True)
        ]
        listed = np.isin(np.arange(len(truth)), found.lists[model])
        for name, some in ((f"{model}, in its list", listed), (model, ~listed)):
            chosen = [text for text, one in zip(texts, some, strict=True) if one]
            series.append(Dots(name, truth[some], predicted[some], chosen, colour, symbol, size=10, ringed=name == model))
        table[model] = predicted
    chart_card(
        "One person: predicted and true",
        _with_diagonal(plane(series, x_name="would give (stars)", y_name="predicted (stars)"), found),
        pd.DataFrame(table),
        key="lesson-plane",
        alt="Predictions of both models by what the person would give; films in each model's list are filled",
        caption="On the line, a prediction is right: RMSE asks how far from it the points lie. A list asks only which are the highest.",
        height=420,
    )


def _measures_card(options: Options, found: Ranking) -> None:
    names = {"rmse": "RMSE", "recall": f"Recall@{options.k}", "ndcg": f"NDCG@{options.k}"}
    table = pd.DataFrame(found.metrics).T.rename(columns=names).rename_axis("model").reset_index()
    shown = {"model": [f"**{model}**" for model in table["model"]]}
    for metric, name in names.items():
        best = table[name].min() if metric == "rmse" else table[name].max()
        shown[name] = [f"**{value:.2f}** ✓" if value == best else f"{value:.2f}" for value in table[name]]
    with st.container(border=True, gap="xsmall"):
        meaning = "\n\n".join(definition(metric) for metric in names)
        card_title(f"Both measures, {USERS} people", table, key="lesson-measures", meaning=meaning)
        st.table(pd.DataFrame(shown), hide_index=True, border="horizontal", alt="RMSE, recall and NDCG of both models")
        st.caption("**✓** the better one: of RMSE the lower, of the others the higher.")


def _lists_card(options: Options, found: Ranking) -> None:
    truth = found.truth[PERSON]
    lists = {**found.lists, "best possible": found.ideal}
    table = pd.DataFrame(
        {"rank": np.arange(1, options.k + 1), **{name: [found.titles[film] for film in films] for name, films in lists.items()}}
    )
    shown = {"": [str(rank) for rank in table["rank"]]}
    for name, films in lists.items():
        shown[name] = [f"{':green[**✓**] ' if truth[film] >= LIKED else ''}{found.titles[film]} ({truth[film]:.1f})" for film in films]
    with st.container(border=True, gap="xsmall"):
        card_title("That person's lists", table, key="lesson-lists")
        st.table(pd.DataFrame(shown), hide_index=True, border="horizontal", alt="The films that each model recommends, hits marked")
        st.caption(f"**✓** a hit: the person would give it {LIKED:g} stars or more (in brackets).")


def _with_diagonal(option: dict, found: Ranking) -> dict:
    """With axes that move only for points far out, and the line on which predictions are right."""
    values = np.concatenate([one[PERSON] for one in found.predicted.values()])
    option["xAxis"] |= {"min": 1, "max": 5, "interval": 1}
    option["yAxis"] |= {"min": min(0, math.floor(values.min())), "max": max(7, math.ceil(values.max()))}
    option["series"][0]["markLine"]["data"] = [[{"coord": [1, 1]}, {"coord": [5, 5]}]]
    return option
