"""Where the chosen runs' settings differ, with what they reached on top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from engine.comparison import differing, figure, metrics_of, usual_metric
from engine.config import format_value
from engine.metrics import higher_is_better
from engine.store import Run
from pages.components import monitored, titles, words
from pages.components.cards import card_title
from pages.components.compare.looks import empty, several_grounds

BEST = " ✓"


def settings(chosen: Sequence[Run]) -> None:
    """The card with the table."""
    if not chosen:
        empty("where their settings differ, and what they reached", fewest=2)
        return
    metric = usual_metric(chosen)
    if metric is not None:
        several_grounds(chosen, metric)
    apart = differing(chosen)
    names = {run.id: run.name for run in chosen}
    figures = pd.DataFrame([_figures(chosen, name) for name in metrics_of(chosen)])
    rows = {path: {"": path, **{name: _value(path, values, run_id) for run_id, name in names.items()}} for path, values in apart.items()}
    # What only some of the models have, and these alike, says no more than that the models differ.
    alike = [path for path, values in apart.items() if len({*map(format_value, values.values())}) == 1 and len(values) < len(chosen)]
    told, others = (pd.DataFrame([row for path, row in rows.items() if (path in alike) == which]) for which in (False, True))
    whole = pd.concat([figures, told, others], ignore_index=True)
    with st.container(border=True, gap="xsmall"):
        card_title("What differs", whole, key="compare-settings")
        if not figures.empty:
            st.caption(f"Test figures, read once at the end;{BEST} marks the best of a row.")
            _grid(figures, "Test figures of the chosen runs")
        if len(chosen) == 1:
            st.caption("Tick a second run to see where the settings differ.")
        elif not apart:
            st.markdown("**The settings are identical**, down to the seed.")
        else:
            st.caption(f"Settings that differ: {len(told)}. “–”: this model or split has no such setting.")
            _grid(told, "Settings in which the chosen runs differ")
        if not others.empty:
            with st.expander(f"{words.number_of(len(others), 'setting')} that only some of these models or splits have, and these alike"):
                _grid(others, "Settings that only some of the models have")


def _grid(table: pd.DataFrame, alt: str) -> None:
    look: Any = {"": st.column_config.TextColumn(width=170, pinned=True)}
    st.dataframe(table, hide_index=True, height="content", column_config=look, alt=alt)


def _figures(runs: Sequence[Run], metric: str) -> dict[str, str]:
    values = {run.name: figure(run, metric) for run in runs}
    known = [value for value in values.values() if value is not None]
    best = (max if higher_is_better(metric) else min)(known)
    judges = len(known) > 1 and not metric.startswith(("novelty", "coverage"))
    return {
        "": monitored.title(metric),
        **{name: "–" if value is None else f"{value:.4f}{BEST if judges and value == best else ''}" for name, value in values.items()},
    }


def _value(path: str, values: dict[str, object], run_id: str) -> str:
    if run_id not in values:
        return "–"
    return "not set" if values[run_id] is None else format_value(titles.public(path, values[run_id]))
