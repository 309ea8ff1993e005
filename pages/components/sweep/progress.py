"""The best so far, parallel coordinates and importance of a sweep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from engine.comparison import TooLittle
from engine.store import Sweep
from engine.sweeps import SweepConfig, Trial
from engine.sweeps.analysis import best_so_far, ranked
from pages.components import charts, monitored, words
from pages.components.cards import chart_card
from pages.components.charts import Line
from pages.components.compare import importance as compared
from pages.components.compare.looks import COLOURS, SYMBOLS, Look
from pages.components.compare.parallel import HEIGHT, option
from pages.components.session import store
from pages.components.sweep.table import plain

THICK = 3
"""So many of the best settings stand out among the lines."""


def card(trials: Sequence[Trial], metric: str) -> None:
    """How the best value came about."""
    found = best_so_far(trials, metric)
    if not len(found.values):
        st.caption("The best value so far is drawn here as soon as a setting has finished.")
        return
    x = np.arange(1, len(found.values) + 1, dtype=float)
    lines = [Line("best so far", x, found.best), Line("settings", x, found.values, colour="grey", labelled=False)]
    drawn = charts.curves(lines, x_name="settings that have finished, in their order", y_name=monitored.axis(metric))
    points = [
        {"value": [float(at), float(value)], "name": f"setting {number}: {value:.4f}"}
        for at, number, value in zip(x, found.numbers, found.values, strict=True)
    ]
    drawn["series"][0] |= {"step": "end"}
    drawn["series"][1] = {
        "type": "scatter",
        "name": "settings",
        "data": points,
        "symbolSize": 7,
        "color": charts.palette()["grey"],
        "emphasis": {"disabled": True},
        "z": 4,
    }
    chart_card(
        f"Best {monitored.title(metric)} so far",
        drawn,
        pd.DataFrame({"finished": x.astype(int), "setting": found.numbers, metric: found.values, "best": found.best}),
        key="sweep-best",
        alt=f"Best validation {monitored.title(metric)} so far over {len(x)} settings, now {found.best[-1]:.4f}",
        caption="Each dot is a setting, the line the best up to there; by validation, where the best of many looks better than it is.",
        meaning=monitored.meaning(metric),
    )


def parallel(config: SweepConfig, trials: Sequence[Trial], metric: str) -> None:
    """Every finished setting as a line through its values to the metric; the best ones stand out."""
    finished = [trial for trial in ranked(trials, metric) if trial.mean is not None]
    names = [f"setting {trial.number}" for trial in finished]
    columns = {path: [plain(trial.settings.get(path)) for trial in finished] for path in config.axes}
    table = pd.DataFrame(columns, dtype=object)
    table[metric] = np.array([trial.mean for trial in finished], float)
    look = {name: Look(COLOURS[place], SYMBOLS[0]) for place, name in enumerate(names[:THICK])}
    table.insert(0, "setting", [trial.number for trial in finished])
    chart_card(
        f"Settings and validation {monitored.title(metric)}",
        option(names, table, [*config.axes], metric, look),
        table,
        key="sweep-parallel",
        alt=f"Parallel coordinates of {len(finished)} settings: {', '.join(config.axes)}, {monitored.title(metric)}",
        caption=f"{words.number_of(len(finished), 'finished setting')}; the best {min(THICK, len(finished))} are thick and in colour. "
        "Drag along an axis to pick lines.",
        height=HEIGHT,
    )


def importance(sweep: Sweep, metric: str) -> None:
    """Which fields tell in the metric: the one measure of it that Encore has, over the sweep's finished runs."""
    try:
        compared.card(store().runs_of(sweep.id), metric, "validation", key="sweep-importance")
    except TooLittle as error:
        st.caption(words.plain(f"{error.why} More settings or seeds may tell: “Plan the same” begins such a sweep."))
