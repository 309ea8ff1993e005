"""Every setting of a sweep in a table, the best first; a click leads to its runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from engine.config import format_value
from engine.sweeps import SweepConfig, Trial
from engine.sweeps.analysis import ranked
from pages.components import monitored
from pages.components.cards import card_title

CHIPS = {
    "waiting": "#6B7280",
    "running": "#00805C",
    "paused": "#A66F00",
    "finished": "#0072B2",
    "pruned": "#6B7280",
    "stopped": "#6B7280",
    "failed": "#C24D00",
    "deleted": "#6B7280",
}
"""Colours of the chips, dark enough for their white letters."""
CLICKED, _GO = "sweep-open", "sweep.go"
MOST = 10
"""Runs that the Runs page compares at a time."""


def follow_click() -> None:
    """Go to the runs of the setting that was clicked a moment ago."""
    runs = st.session_state.pop(_GO, None)
    if runs and len(runs) == 1:
        st.switch_page("pages/runs.py", query_params={"run": runs[0]})
    elif runs:
        st.switch_page("pages/runs.py", query_params={"runs": ",".join(runs[:MOST])})


def card(config: SweepConfig, trials: Sequence[Trial], metric: str) -> None:
    """The table."""
    shown = ranked(trials, metric)
    with st.container(border=True, gap="xsmall"):
        card_title("Settings, the best first", tidy(shown, config, metric), key="sweep-settings")
        columns = _columns(config, metric, shown)
        st.dataframe(
            pd.DataFrame([_row(trial, config) for trial in shown]),
            key="sweep-table",
            hide_index=True,
            column_config=columns,
            column_order=[*columns],
            height=390 if len(shown) > 10 else "content",
            placeholder="–",
            alt="Settings of the sweep with their values, the best first",
        )
        several = "the runs of its repetitions side by side" if config.repeats > 1 else "its run"
        st.caption(f"Click → for {several}. What was stopped early shows the epoch, and its metric then.")


def tidy(trials: Sequence[Trial], config: SweepConfig, metric: str) -> pd.DataFrame:
    """One row per setting, as the download has it."""
    rows = []
    for trial in trials:
        settings = {path: plain(trial.settings.get(path)) for path in config.axes}
        values = {metric: trial.mean, "sd": trial.sd, "runs": len(trial.runs)}
        rows.append({"setting": trial.number, "state": trial.state, **settings, **values, "error": trial.error})
    return pd.DataFrame(rows)


def plain(value: Any) -> Any:
    """A value as a table and an axis show it: a list as text."""
    return value if value is None or isinstance(value, bool | int | float | str) else format_value(value)


def _row(trial: Trial, config: SweepConfig) -> dict[str, Any]:
    epochs = [f"{run.epoch} / {run.epochs}" for run in trial.runs]
    return {
        "open": "→" if trial.runs else "",
        "setting": trial.number,
        "state": [trial.state],
        "value": None if trial.mean is None else f"{trial.mean:.4f}" + (f" ± {trial.sd:.4f}" if trial.sd is not None else ""),
        **{path: _said(trial.settings.get(path)) for path in config.axes},
        "runs": f"{sum(run.state == 'finished' for run in trial.runs)} / {config.repeats}",
        "epochs": epochs[0] if len(epochs) == 1 else None,
        "remark": _remark(trial),
    }


def _said(value: Any) -> str | None:
    return None if value is None else {True: "on", False: "off"}[value] if isinstance(value, bool) else str(plain(value))


def _remark(trial: Trial) -> str | None:
    if trial.state == "pruned" and trial.runs[0].pruned is not None:
        epoch, value = trial.runs[0].pruned
        return f"{value:.4f} after epoch {epoch}"
    return trial.error


def _columns(config: SweepConfig, metric: str, trials: Sequence[Trial]) -> dict[str, Any]:
    column = st.column_config

    def click() -> None:
        clicked = st.session_state[CLICKED]
        if clicked is not None and clicked["row"] < len(trials):
            st.session_state[_GO] = [run.id for run in trials[clicked["row"]].runs]

    found: dict[str, Any] = {
        "open": column.ButtonColumn("→", width=44, pinned=True, type="tertiary", on_click=click, key=CLICKED, help="Open its runs."),
        "setting": column.NumberColumn("no.", width=52, pinned=True, help="In the order of asking, from 0."),
        "state": column.MultiselectColumn("state", options=[*CHIPS], color=[*CHIPS.values()], width=88),
        "value": column.TextColumn(monitored.title(metric), width=140, help=monitored.meaning(metric)),
    }
    for path in config.axes:
        found[path] = column.TextColumn(path.partition(".")[2].replace("_", " "), help=path)
    if config.repeats > 1:
        found["runs"] = column.TextColumn("runs", width=60, help="Repetitions that have finished.")
    else:
        found["epochs"] = column.TextColumn("epoch", width=72)
    if any(_remark(trial) for trial in trials):
        found["remark"] = column.TextColumn("remark", width=300)
    return found
