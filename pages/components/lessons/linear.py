"""Lesson 2: everybody's place in the SVD's plane as network and SVD see it, the angle between both, and their errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from engine.lessons.linear import PLANE, USERS, Linear, Moment, Options
from pages.components import charts
from pages.components.cards import chart_card
from pages.components.charts import Line, Rule
from pages.components.plots import Dots, plane

ORDINALS = ("first", "second")


def draw(options: Options, found: Linear, shown: int) -> None:
    """Three cards."""
    left, right = st.columns([1.08, 1], gap="small")
    with left:
        _plane_card(options, found, shown)
    with right:
        _angle_card(options, found, shown)
        _error_card(options, found, shown)


def _plane_card(options: Options, found: Linear, shown: int) -> None:
    moment = found.frames[shown]
    names = [f"SVD’s {place} direction, most of all {genre} (stars)" for place, genre in zip(ORDINALS, found.genres, strict=True)]
    people = [f"person {person + 1}" for person in range(USERS)]
    series = [
        Dots("SVD", found.places[:, 0], found.places[:, 1], _texts(people, "SVD", found.places), colour="vermilion", size=10, ringed=True),
        Dots("network", moment.places[:, 0], moment.places[:, 1], _texts(people, "network", moment.places), size=7),
    ]
    radius = 2 * math.ceil(0.5 * max(np.abs(found.places).max(), *(np.abs(one.places).max() for one in found.frames)))
    option = plane(series, x_name=names[0], y_name=names[1])
    option["legend"]["data"] = [one.name for one in series]
    for axis in ("xAxis", "yAxis"):
        option[axis] |= {"min": -radius, "max": radius, "interval": 2, "scale": False}
    option["series"] += _axes(moment, radius)
    table = {
        f"{who}, direction {axis + 1}": places[:, axis]
        for who, places in (("SVD", found.places), ("network", moment.places))
        for axis in range(PLANE)
    }
    lengths = np.linalg.norm(moment.axes, axis=1)
    out = "" if (lengths > 0.995).all() else " A shorter arrow points out of the picture."
    chart_card(
        f"{USERS} people, epoch {shown}",
        option,
        pd.DataFrame({"person": people, **table}),
        key="lesson-plane",
        alt=f"Everybody's place by the SVD as rings and by the network as dots, in the SVD's plane, after epoch {shown}",
        caption=f"Ratings less each film’s mean, rebuilt from {_numbers(options.rank)}. **Ring:** by the SVD. **Dot:** by the network. "
        f"{'**Arrow:** the axis' if options.rank == 1 else '**Arrows:** the axes'} of its code.{out}",
        height=440,
    )


def _texts(people: list[str], who: str, places: np.ndarray) -> list[str]:
    return [f"{person}, {who}: {x:.1f} and {y:.1f}".replace("-", "−") for person, (x, y) in zip(people, places, strict=True)]


def _axes(moment: Moment, radius: int) -> list[dict[str, Any]]:
    """The code's axes as arrows, which reach the circle where they lie in the plane."""
    colours = charts.palette()
    turn = np.linspace(0, 2 * np.pi, 73)
    circle = (np.stack([np.cos(turn), np.sin(turn)], axis=1) * 0.9 * radius).round(3).tolist()
    quiet: dict[str, Any] = {"silent": True, "animation": False, "symbol": "none", "tooltip": {"show": False}}
    arrows = [
        {"coords": [[0, 0], (axis * 0.9 * radius).round(3).tolist()], "name": f"axis {number} of the code"}
        for number, axis in enumerate(moment.axes.astype(float), 1)
    ]
    return [
        {**quiet, "type": "line", "name": "circle", "data": circle, "lineStyle": {"color": colours["grey"], "type": "dotted", "width": 1}},
        {
            **quiet,
            "type": "lines",
            "name": "code",
            "coordinateSystem": "cartesian2d",
            "data": arrows,
            "symbol": ["none", "arrow"],
            "symbolSize": 9,
            "lineStyle": {"color": colours["ink"], "width": 2, "opacity": 0.9},
        },
    ]


def _angle_card(options: Options, found: Linear, shown: int) -> None:
    epochs = np.arange(len(found.frames), dtype=float)
    angles = np.array([one.angle for one in found.frames])
    chart_card(
        "Angle between the two",
        charts.curves(
            [Line("angle", epochs, angles, until=shown, dot=(shown, angles[shown]))],
            x_name="epoch",
            y_name="largest angle (°)",
            x_end=epochs[-1],
            y_ends=(0, 100),
            height=200,
        ),
        pd.DataFrame({"epoch": epochs, "largest angle, degrees": angles}),
        key="lesson-angle",
        alt="The largest angle between the network's and the SVD's subspace by epoch",
        caption=f"Now **{angles[shown]:.1f}°**; 0° means that both keep the same {('line', 'plane', 'space')[options.rank - 1]}.",
        height=200,
    )


def _error_card(options: Options, found: Linear, shown: int) -> None:
    epochs = np.arange(len(found.frames), dtype=float)
    known, hidden = (np.array([getattr(one, part) for one in found.frames]) for part in ("known", "hidden"))
    lines = [Line("known" if options.missing else "network", epochs, known, until=shown, dot=(shown, known[shown]))]
    rules = [Rule("SVD, known" if options.missing else "SVD", found.known)]
    table = {"epoch": epochs, "network, known": known, "SVD, known": found.known}
    now = f"Network **{known[shown]:.3f}**, SVD **{found.known:.3f}**"
    if options.missing:
        lines.append(Line("missing", epochs, hidden, colour="vermilion", dash="dashed", until=shown, dot=(shown, hidden[shown])))
        rules.append(Rule("SVD, missing", found.hidden))
        table |= {"network, missing": hidden, "SVD, missing": found.hidden}
        now = f"Network **{known[shown]:.2f}** known, **{hidden[shown]:.2f}** missing; SVD **{found.known:.2f}** and **{found.hidden:.2f}**"
    chart_card(
        "Reconstruction error",
        charts.curves(lines, rules=rules, x_name="epoch", y_name="RMSE (stars)", x_end=epochs[-1], y_ends=(0.25, 1.25), height=200),
        pd.DataFrame(table),
        key="lesson-error",
        alt="RMSE of the network by epoch with the SVD's as a rule; over known ratings solid, over missing ones dashed",
        caption=f"{now}.",
        height=200,
    )


def _numbers(rank: int) -> str:
    return "one number each" if rank == 1 else f"{('two', 'three')[rank - 2]} numbers each"
