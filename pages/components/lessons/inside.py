"""Lesson 3: the network with its weights as edges, one person's films, and the error by epoch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from engine.lessons.inside import FILMS, USERS, Course, Inside, Options
from pages.components import charts, words
from pages.components.cards import chart_card
from pages.components.charts import Line, Rule
from pages.components.films import Marks, films
from pages.components.wiring import Edge, Node, wiring


def draw(options: Options, found: Course, shown: int) -> None:
    """Three cards."""
    with st.container():  # otherwise the card would fill the height of the text beside it
        _network_card(options, found, shown)
    left, right = st.columns(2, gap="small")
    with left:
        _films_card(options, found, shown)
    with right:
        _error_card(found, shown)


def _network_card(options: Options, found: Course, shown: int) -> None:
    now = found.frames[shown]
    same, other = (_signed(value) for value in now.alike)
    silent = "" if not now.silent else f" **{now.silent}** of {options.hidden} units give the same for everybody."
    chart_card(
        f"Person {options.person} in the network, epoch {shown}",
        _network(options, found, now),
        _weights(found, now),
        key="lesson-network",
        alt=f"The network after epoch {shown}: {FILMS} films, {options.hidden} units, {FILMS} films; edges are weights",
        caption="**Edges** are weights: the thicker, the larger; solid blue above 0, dashed orange below. In stars: what goes in "
        "(dashed ring: not rated, so the person’s own mean) and comes out; □ rated, ◆ held out. Point at anything for its numbers.  \n"
        f"Outgoing edges of films of one genre are alike by **{same}**, of two genres by **{other}** (1: the same direction).{silent}",
        height=400,
    )


def _network(options: Options, found: Course, now: Inside) -> dict[str, Any]:
    edges = []
    for film, title in enumerate(found.titles):
        for unit in range(options.hidden):
            into, out = float(now.into[film, unit]), float(now.out[film, unit])
            read, code = float(found.read[film]), float(now.hidden[unit])
            carried = f"{title} → unit {unit + 1}: {_signed(into)} × {read:.1f} stars = {_signed(into * read)}"
            edges.append(Edge(0, film, unit, into, carried))
            carried = f"unit {unit + 1} → {title}: {_signed(out)} × {_signed(code)} = {_signed(out * code)} stars"
            edges.append(Edge(1, unit, film, out, carried))
    strongest = max(float(np.abs(weights).max()) for one in found.frames for weights in (one.into, one.out))
    heads = ["goes in", f"units, {options.activation}", "comes out"]
    return wiring(heads, (_inputs(found), _units(options, now), _outputs(found, now)), edges, strongest=strongest)


def _inputs(found: Course) -> list[Node]:
    nodes = []
    for title, read, rated in zip(found.titles, found.read, found.rated, strict=True):
        known = not np.isnan(rated)
        about = f"{title}: {read:.1f} stars" + ("" if known else ", the person’s mean, for it is not rated")
        nodes.append(Node(f"{read:.1f}", about, "green" if known else "grey", not known, beside=title))
    return nodes


def _units(options: Options, now: Inside) -> list[Node]:
    nodes = []
    for unit, (total, value) in enumerate(zip(now.sums, now.hidden, strict=True), 1):
        about = f"unit {unit}: its sum {_signed(total)}, after {options.activation} {_signed(value)}"
        nodes.append(Node(_signed(value), about, "blue" if value >= 0 else "vermilion", bool(value < 0), size=44))
    return nodes


def _outputs(found: Course, now: Inside) -> list[Node]:
    nodes = []
    for title, value, start, rated, held in zip(found.titles, now.outputs, now.start, found.rated, found.held_out, strict=True):
        truth = f"□ {rated:.1f}" if not np.isnan(rated) else f"◆ {held:.1f}" if not np.isnan(held) else ""
        nodes.append(Node(f"{value:.1f}", f"{title}: begins at {start:.1f}, with what the units add {value:.1f} stars", beside=truth))
    return nodes


def _weights(found: Course, now: Inside) -> pd.DataFrame:
    films_and_units = [(film, unit) for film in range(FILMS) for unit in range(now.into.shape[1])]
    rows = [("in", found.titles[film], unit + 1, now.into[film, unit]) for film, unit in films_and_units]
    rows += [("out", found.titles[film], unit + 1, now.out[film, unit]) for film, unit in films_and_units]
    return pd.DataFrame(rows, columns=["layer", "film", "unit", "weight"])


def _films_card(options: Options, found: Course, shown: int) -> None:
    outputs = found.frames[shown].outputs
    every = np.concatenate([one.outputs for one in found.frames])
    ends = (min(0, max(-1, math.floor(every.min()))), max(6, min(7, math.ceil(every.max()))))
    marks = [Marks("rated", found.rated, "green", "rect", 13, hollow=True), Marks("held out", found.held_out, "vermilion", "diamond", 15)]
    chart_card(
        f"Person {options.person}: ratings and predictions",
        films(found.titles, "predicted", outputs, marks, ends=ends, height=250),
        pd.DataFrame({"film": found.titles, "rated": found.rated, "held out": found.held_out, "predicted": outputs}),
        key="lesson-films",
        alt="The person's films: predictions as columns, ratings that the network sees as squares, held-out ones as diamonds",
        caption="Squares go in. Diamonds do not: a good column reaches them all the same.",
    )


def _error_card(found: Course, shown: int) -> None:
    epochs = np.arange(len(found.frames), dtype=float)
    known, held = (np.array([getattr(one, part) for one in found.frames]) for part in ("known", "held_out"))
    lines = [
        Line("held out", epochs, held, until=shown, dot=(shown, held[shown])),
        Line("train", epochs, known, dash="dashed", until=shown, dot=(shown, known[shown])),
    ]
    chart_card(
        "Error over all people",
        charts.curves(
            lines, rules=[Rule("films’ means", found.plain)], x_name="epoch", y_name="RMSE (stars)", x_end=epochs[-1], y_ends=(0.5, 1.5)
        ),
        pd.DataFrame({"epoch": epochs, "train": known, "held out": held}),
        key="lesson-error",
        alt="RMSE by epoch: held-out ratings solid, training ratings dashed, and that of each film's mean as a rule",
        caption=f"{USERS} people. Held out now **{held[shown]:.2f}**; who predicts each film’s mean for everybody gets {found.plain:.2f}.",
    )


def _signed(value: float) -> str:
    return words.signed(value, 2)
