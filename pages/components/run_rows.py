"""What the table of runs says of each of them, and how its columns look."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import pandas as pd
import streamlit as st

from engine.config import differences, parse
from engine.errors import InputError
from engine.store import Run
from pages.components import monitored, titles

STAR, NO_STAR = "★", "☆"
CLICKED = "runs-star"
CHIPS = {
    "queued": "#6B7280",
    "running": "#00805C",
    "paused": "#A66F00",
    "finished": "#0072B2",
    "stopped": "#6B7280",
    "failed": "#C24D00",
    "crashed": "#C24D00",
}
VERDICTS = {
    titles.BETTER.format("SVD"): "#00805C",
    titles.UNDECIDED: "#6B7280",
    titles.NOT_BETTER.format("SVD"): "#C24D00",
}
"""Colours of the chips, dark enough for their white letters."""

OWN_COLUMN = ("dataset.name", "split.kind", "model.name", "model.layers")
"""Fields that have a column of their own, so that they are not listed among the settings."""


def row(run: Run, known: dict[str, str]) -> dict[str, Any]:
    """One row of the table; `known`: titles of datasets by name."""
    summary = run.summary or {}
    metrics, baselines = summary.get("metrics", {}), summary.get("baselines", {})
    test, metric = metrics.get("test", {}), monitored.metric(run)
    chosen, judged = metrics.get("validation", {}).get(metric), _judged_by(summary, metric)
    split = run.config.get("split", {})
    return {
        "star": STAR if run.starred else NO_STAR,
        "name": run.name,
        "state": [run.state],
        "dataset": titles.dataset_title(str(run.config.get("dataset", {}).get("name")), known),
        "split": titles.split_title(str(split.get("kind")), split),
        "model": titles.model_title(run.config),
        "epoch": f"{run.epoch} / {run.epochs}" if titles.trains(run.config) else None,
        "best": summary.get("best_epoch") if titles.trains(run.config) else None,
        "validation": None if chosen is None else f"{monitored.title(metric)} {chosen:.4f}",
        "test": f"{monitored.title(judged)} {test[judged]:.4f}" if judged in test else None,
        "rmse_clipped": test.get("rmse_clipped"),
        "svd": f"{baselines['svd'][judged]:.4f}" if judged in test and judged in baselines.get("svd", {}) else None,
        "against": _against(summary, judged),
        "seconds": summary.get("seconds_per_epoch"),
        "tags": run.tags,
        "note": run.remark or None,
        "created": pd.Timestamp(run.created, unit="s", tz="UTC"),
        "settings": [titles.setting(path, value) for path, value in changed(run).items() if path not in OWN_COLUMN],
    }


def changed(run: Run) -> Mapping[str, Any]:
    """Settings that are not at their defaults, by field path; none of a run of an older version."""
    return _changed(json.dumps(run.config, sort_keys=True))


@lru_cache(maxsize=2_000)
def _changed(config: str) -> Mapping[str, Any]:
    try:
        return differences(parse(json.loads(config)))
    except InputError:
        return {}


def _judged_by(summary: dict[str, Any], metric: str) -> str:
    """The metric by which a run and SVD are compared on the test ratings: RMSE, or of a run without one what picks its epochs."""
    return "rmse" if "rmse" in summary.get("metrics", {}).get("test", {}) else metric


def _against(summary: dict[str, Any], metric: str) -> list[str] | None:
    """The verdict on run and SVD by the metric of `_judged_by`."""
    if pair := summary.get("difference", {}).get("svd"):
        return [titles.verdict(*pair)[0]]
    test, svd = summary.get("metrics", {}).get("test", {}), summary.get("baselines", {}).get("svd", {})
    apart = monitored.difference(metric, test, svd)
    return [monitored.verdict(metric, apart)[0]] if apart else None


def columns(star: Callable[[], None]) -> dict[str, Any]:
    """How the columns look, in their order: what a window of 1440 pixels has room for ends with the settings.

    Args:
        star: called when a star is clicked, whose row is then found under CLICKED in the session.
    """
    column = st.column_config
    error: dict[str, Any] = {"format": "%.4f", "width": 74}
    return {
        "star": column.ButtonColumn("★", width=44, pinned=True, type="tertiary", on_click=star, key=CLICKED, help="Click to star a run."),
        "name": column.TextColumn("name", pinned=True, width=116),
        "state": column.MultiselectColumn("state", options=[*CHIPS], color=[*CHIPS.values()], width=82),
        "model": column.TextColumn("model", width=190, help="The model, with the widths of a network's layers up to the code."),
        "test": column.TextColumn(
            "test", width=112, help="Read once, at the end: RMSE in rating units, or of a run without one the metric of “best validation”."
        ),
        "svd": column.TextColumn("SVD's", width=62, help="The same of the SVD beside the run, on the same test ratings, not clipped."),
        "against": column.MultiselectColumn(
            "against SVD",
            options=[*VERDICTS],
            color=[*VERDICTS.values()],
            width=140,
            help="Whether the 95 % interval of the difference between the two figures on the left covers 0.",
        ),
        "tags": column.ListColumn("tags", width=110, help="Written on the run's page."),
        "settings": column.ListColumn("not at their defaults", width=300),
        "dataset": column.TextColumn("dataset"),
        "split": column.TextColumn("split", help="Scheme and share that is tested; by time: the earlier share, which is learned from."),
        "epoch": column.TextColumn("epoch", width=62, help="Epochs done, of those asked for; none for a model that is fitted in one step."),
        "best": column.NumberColumn("best", width=44, help="The epoch whose weights are kept: the best on validation."),
        "validation": column.TextColumn(
            "best validation", width=118, help="The metric that picks the best epoch, and its value there, on the validation ratings."
        ),
        "rmse_clipped": column.NumberColumn("clipped", help="Test RMSE with predictions clipped to the rating scale.", **error),
        "seconds": column.NumberColumn("s / epoch", format="%.2f", width=72, help="Median seconds per epoch."),
        "created": column.DatetimeColumn("created", format="distance", width=116),
        "note": column.TextColumn("note", width=240),
    }
