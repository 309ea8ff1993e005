"""Curves of the chosen runs over each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from engine.comparison import SEED, Band, Curve, band, differing, ground, same_but_seed
from engine.metrics import METRICS, higher_is_better
from engine.store import Run
from pages.components import charts, linked, monitored, series, titles, words
from pages.components.cards import chart_card
from pages.components.charts import Line, Rule
from pages.components.compare.looks import Look, empty, looks, metric_menu, several_grounds
from pages.components.frame import say
from pages.components.run_charts import baseline_rules
from pages.components.session import store

OBJECTIVE = "loss"
HEIGHT = 420
TOLD = 4
"""Settings by which a line is told from the others; more are in the settings' own view."""
POINTS = 500
"""Epochs of a band that are drawn; more are thinned evenly."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """One run, or the runs of one configuration under several seeds, with what is drawn of them: by part, `validation` and `train`.

    Attributes:
        name: at the end of the line.
        curves: part → a curve for each run.
    """

    name: str
    runs: list[Run]
    look: Look
    curves: dict[str, list[Curve]]


def curves(chosen: Sequence[Run]) -> None:
    """The card of curves with its controls, and what each run reached."""
    if not chosen:
        empty("how they learned, one curve over the other")
        return
    known = {run.id: _points(store().url, run.id, run.state, run.step) for run in chosen}
    metrics = _metrics(known.values())
    if not metrics:
        say("info", "Nothing was measured yet: curves appear with the first epoch.", icon="hourglass_empty")
        return
    metric, axis, weight, log, seeds, train = _controls(metrics, chosen)
    several_grounds(chosen, metric)
    groups = same_but_seed(chosen) if seeds else [[run] for run in chosen]
    look = looks([group[0] for group in groups])
    everything = [_drawn(group, look[group[0].id], known, metric, axis, train) for group in groups]
    drawn = [one for one in everything if one.curves]
    chart_card(
        _title(metric),
        _option(drawn, _svd(chosen, metric), metric, axis, weight, log),
        _table(drawn, weight),
        key="compare-curves",
        alt=f"{_title(metric)} over {series.AXES[axis]}: {', '.join(one.name for one in drawn)}",
        caption=_caption(drawn, metric, weight),
        height=HEIGHT,
    )
    _reached(drawn, metric)
    silent = [one.name for one in everything if not one.curves]
    if silent:
        st.caption(f"Without {_title(metric)}: {words.plain(', '.join(silent))}.")


def _controls(metrics: list[str], chosen: Sequence[Run]) -> tuple[str, str, float, bool, bool, bool]:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        with st.container(width=190):
            metric = metric_menu(metrics, _usual(metrics, chosen))
        with st.container(width=210):
            axis = linked.segments("Over", [*series.AXES], "compare_x")
        with st.container(width=170):
            about = "Weight of the past in the drawn line. What was measured stays faintly behind it, and no number below is smoothed."
            weight = linked.bound(st.slider, "Smoothing", 0.0, 0.95, 0.0, 0.05, key="compare_smooth", help=about)
        log = linked.bound(st.toggle, "log", key="compare_log", help="Logarithmic axis of the metric.")
        about = "Runs that differ in the seed alone become their mean, with a band of one standard deviation."
        seeds = linked.bound(st.toggle, "group seeds", key="compare_seeds", help=about)
        about = "The same metric on the training ratings, dashed, where it was measured."
        train = linked.bound(st.toggle, "train", True, key="compare_train", help=about)
    return metric, axis, weight, log, seeds, train


@st.cache_data(max_entries=64, show_spinner=False)
def _points(url: str, run_id: str, state: str, step: int) -> pd.DataFrame:
    """What a run measured at the end of its epochs; `state` and `step` tell whether it may have changed."""
    config = store().get(run_id).config.get("evaluation", {})
    cutoffs = {config.get("k", 10), *(config.get("more_k") or ())}
    names = [f"validation/{name}{cut}" for name in METRICS for cut in ("", *(f"@{k}" for k in cutoffs))]
    return store().metrics(run_id, names=[*names, "train/rmse", "train/loss"])


def _metrics(frames: Any) -> list[str]:
    """What can be drawn: metrics on the validation ratings, those that most runs have first; then the objective."""
    found = Counter(name.removeprefix("validation/") for frame in frames for name in frame["name"].unique() if name != "train/rmse")
    names = [name for name, _ in found.most_common() if name != "train/loss"]
    return names + ([OBJECTIVE] if "train/loss" in found else [])


def _usual(metrics: list[str], chosen: Sequence[Run]) -> str:
    """The metric that picks the epochs of most of the runs."""
    picked = Counter(monitored.metric(run) for run in chosen).most_common(1)[0][0]
    return picked if picked in metrics else metrics[0]


def _title(metric: str) -> str:
    return "Training objective" if metric == OBJECTIVE else f"Held-out {monitored.title(metric)}"


def _drawn(group: list[Run], look: Look, known: dict[str, pd.DataFrame], metric: str, axis: str, train: bool) -> Drawn:
    parts = {"train": "train/loss"} if metric == OBJECTIVE else {"validation": f"validation/{metric}"}
    if train and metric != OBJECTIVE:
        parts["train"] = f"train/{metric}"
    found: dict[str, list[Curve]] = {}
    for part, name in parts.items():
        curves = [_curve(known[run.id], name, axis) for run in group]
        if all(len(curve.x) for curve in curves):
            found[part] = curves
    first = group[0].name
    return Drawn(first if len(group) == 1 else f"{first} ×{len(group)}", group, look, found)


def _curve(frame: pd.DataFrame, name: str, axis: str) -> Curve:
    rows = frame[frame["name"] == name]
    return Curve(rows["epoch"].round().to_numpy(float), *series.line(frame, name, axis))


def _svd(chosen: Sequence[Run], metric: str) -> list[Rule]:
    """What plain SVD reaches on the same ratings, where they are the same for all."""
    if len({ground(run, metric) for run in chosen}) != 1:
        return []
    return [rule for rule in baseline_rules(chosen[0], metric) if rule.name == "SVD"]


def _option(drawn: Sequence[Drawn], svd: list[Rule], metric: str, axis: str, weight: float, log: bool) -> dict[str, Any]:
    lines: list[Line] = []
    rules = [*svd]
    bands: list[int] = []
    for one in drawn:
        for part, found in one.curves.items():
            main = part == "validation" or metric == OBJECTIVE
            if main and len(found[0].x) == 1 and not titles.trains(one.runs[0].config):
                rules.append(Rule(one.name, float(found[0].y[0])))
                continue
            whole = band(found)
            if len(found) > 1 and main:
                bands.append(len(lines))
                lines += _edges(whole, one)
            lines += _lines(one, part, whole, metric, weight, main)
    unit = "loss" if metric == OBJECTIVE else monitored.axis(metric)
    option = charts.curves(lines, x_name=series.AXES[axis], y_name=unit, rules=rules, log=log, height=HEIGHT)
    for place in bands:
        _fill(option["series"][place], option["series"][place + 1])
    return option


def _lines(one: Drawn, part: str, whole: Band, metric: str, weight: float, main: bool) -> list[Line]:
    """A run's line, or the mean of its seeds', with what was measured faintly behind it where it is smoothed."""
    best = _best(whole.mean, metric) if main and metric != OBJECTIVE else None
    dot = None if best is None or weight else (float(whole.x[best]), float(whole.mean[best]))
    name = one.name if main else f"{one.name}, {part}"
    look: dict[str, Any] = {"colour": one.look.colour, "symbol": one.look.symbol, "dash": "solid" if main else "dashed"}
    line = Line(name, whole.x, whole.mean, dot=dot, labelled=main, **look)
    if not weight:
        return [line]
    return [replace(line, name=f"{name}, measured", faint=True), replace(line, y=series.smoothed(whole.mean, weight))]


def _edges(whole: Band, one: Drawn) -> list[Line]:
    """The lower and the upper end of a band, as lines that `_fill` turns into one area."""
    some = np.unique(np.linspace(0, len(whole.x) - 1, min(POINTS, len(whole.x))).astype(int))
    ends = [("lower", whole.mean - whole.sd), ("upper", whole.mean + whole.sd)]
    return [Line(f"{one.name}, {end}", whole.x[some], y[some], colour=one.look.colour, labelled=False) for end, y in ends]


def _fill(lower: dict[str, Any], upper: dict[str, Any]) -> None:
    """Turns two lines into the area between them: the upper one stands on the lower one."""
    unseen = {"lineStyle": {"opacity": 0}, "stack": lower["name"], "silent": True, "tooltip": {"show": False}, "showSymbol": False, "z": 1}
    upper["data"] = [[x, None if a is None or b is None else b - a] for (x, b), (_, a) in zip(upper["data"], lower["data"], strict=True)]
    lower |= unseen
    upper |= {**unseen, "areaStyle": {"color": upper["color"], "opacity": 0.2}}


def _best(y: np.ndarray, metric: str) -> int | None:
    if not np.isfinite(y).any():
        return None
    return int(np.nanargmax(y) if higher_is_better(metric) else np.nanargmin(y))


def _caption(drawn: Sequence[Drawn], metric: str, weight: float) -> str:
    parts = []
    if any(len(one.curves) > 1 for one in drawn):
        parts.append("Solid: validation, dashed: train.")
    if metric != OBJECTIVE and not weight:
        parts.append("The mark on a line is its best epoch.")
    if weight:
        parts.append("Smoothed; what was measured is faint behind.")
    groups = [one for one in drawn if len(one.runs) > 1]
    if groups:
        counted = ", ".join(f"{len(one.runs)} of {one.runs[0].name}" for one in groups)
        parts.append(f"Band: mean ± one standard deviation over seeds ({counted}), as far as all of them go.")
    if any(not titles.trains(one.runs[0].config) for one in drawn):
        parts.append("Dotted: fitted in one step.")
    return words.plain(" ".join(parts))


def _reached(drawn: Sequence[Drawn], metric: str) -> None:
    """What was measured, never smoothed."""
    if metric == OBJECTIVE:
        return
    rows = []
    apart = differing([one.runs[0] for one in drawn])
    for one in drawn:
        found = one.curves.get("validation")
        if found is None:
            continue
        places = [_best(curve.y, metric) for curve in found]
        best = np.array([np.nan if place is None else curve.y[place] for curve, place in zip(found, places, strict=True)])
        epochs = [str(int(curve.epochs[place])) for curve, place in zip(found, places, strict=True) if place is not None]
        last = np.array([curve.y[-1] for curve in found])
        rows.append(
            {
                "run": one.name,
                "differs in": _told(one, apart),
                "seeds": len(found),
                "best": _spread(best),
                "at epoch": ", ".join(epochs),
                "last": _spread(last),
            }
        )
    if rows:
        st.dataframe(
            pd.DataFrame(rows), hide_index=True, height="content", alt=f"Best and last {_title(metric)} of each line, not smoothed"
        )
        st.caption("Best and last as measured; of several seeds their mean ± one standard deviation.")


def _told(one: Drawn, apart: dict[str, dict[str, Any]]) -> str:
    """The settings that tell this line from the others."""
    first = one.runs[0].id
    mine = {path: values[first] for path, values in apart.items() if first in values and (path != SEED or len(one.runs) == 1)}
    said = [titles.setting(path, value) for path, value in mine.items()]
    return ", ".join(said[:TOLD]) + (f" and {len(said) - TOLD} more" if len(said) > TOLD else "")


def _spread(values: np.ndarray) -> str:
    if len(values) == 1:
        return words.measured(float(values[0]))
    return f"{words.measured(float(values.mean()))} ± {values.std(ddof=1):.4f}"


def _table(drawn: Sequence[Drawn], weight: float) -> pd.DataFrame:
    """Every point that is drawn."""
    parts = []
    for one in drawn:
        for part, found in one.curves.items():
            whole = band(found)
            table = pd.DataFrame({"run": one.name, "part": part, "epoch": whole.epochs, "x": whole.x, "value": whole.mean})
            table["sd"], table["seeds"] = whole.sd, whole.curves
            parts.append(table.assign(smoothed=series.smoothed(whole.mean, weight)) if weight else table)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
