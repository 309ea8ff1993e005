"""Which runs the table shows, and in which order; all of it in the address."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import streamlit as st

from engine.comparison import figure, metrics_of
from engine.config import format_value
from engine.metrics import higher_is_better
from engine.models import MODELS
from engine.store import Run
from engine.store.states import STATES
from pages.components import linked, monitored, run_rows, titles
from pages.components.discreet import dataset_name

NAMES = ("runs_state", "runs_starred", "runs_find", "runs_dataset", "runs_model", "runs_tag", "runs_sort")
"""Parameters of a link."""
WIDTH = 168
"""Pixels of a menu; as many stand in a row as fit."""
ORDERS: dict[str, tuple[str, Callable[[Run], object]]] = {
    "newest": ("newest first", lambda run: -run.created),
    "oldest": ("oldest first", lambda run: run.created),
    "starred": ("starred first", lambda run: (not run.starred, -run.created)),
    "name": ("name", lambda run: run.name),
    "state": ("state", lambda run: (STATES.index(run.state), -run.created)),
    "model": ("model", lambda run: (model(run), -run.created)),
}
"""What runs can be sorted by besides their test metrics: name in the address → what the menu says, and the key."""


def filtered(runs: Sequence[Run], known: dict[str, str]) -> list[Run]:
    """The runs that fit the filters, sorted; `known`: titles of datasets by name."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        with st.container(width="content"):
            states = linked.bound(st.pills, "State", [*STATES], selection_mode="multi", key="runs_state", wrap=True)
        starred = linked.bound(st.toggle, "starred only", key="runs_starred", help="Runs with a star alone.")
    shown = _dataset_names(runs, known)
    models = {name: MODELS[name].title if name in MODELS else name for name in {model(run) for run in runs}}
    tags = sorted({tag for run in runs for tag in run.tags}, key=str.casefold)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        with st.container(width=WIDTH):
            about = "All words have to stand in the run's name, id, note, tags, dataset, model or a setting that is not at its default."
            wanted = linked.bound(st.text_input, "Find", key="runs_find", placeholder="a word, like dropout 0.5", help=about)
        chosen = []
        for label, names, key, naming in (
            ("Dataset", sorted(shown, key=shown.__getitem__), "runs_dataset", shown.__getitem__),
            ("Model", sorted(models, key=models.__getitem__), "runs_model", models.__getitem__),
            ("Tag", tags, "runs_tag", str),
        ):
            with st.container(width=WIDTH):
                chosen.append(set(linked.several(label, names, key, naming=naming, empty="all")))
        with st.container(width=WIDTH):
            order = _order(runs)
    datasets, kinds, marked = chosen
    found = [
        run
        for run in runs
        if (not states or run.state in states)
        and (not starred or run.starred)
        and (not datasets or dataset(run) in datasets)
        and (not kinds or model(run) in kinds)
        and (not marked or marked & set(run.tags))
        and _says(run, (wanted or "").casefold().split(), known)
    ]
    return _sorted(found, order)


def dataset(run: Run) -> str:
    """Name of the dataset in a run's configuration."""
    return dataset_name(titles.dataset_of(run))


def model(run: Run) -> str:
    """Name of the model in a run's configuration."""
    found = run.config.get("model")
    return str(found.get("name", "–") if isinstance(found, dict) else "–")


def _dataset_names(runs: Sequence[Run], known: dict[str, str]) -> dict[str, str]:
    return {name: titles.dataset_title(name, known) for name in {dataset(run) for run in runs}}


def _order(runs: Sequence[Run]) -> str:
    metrics = [name for name in metrics_of(runs) if name != "novelty" and not name.startswith("coverage")]
    orders = [*ORDERS, *metrics]
    naming = {name: said for name, (said, _) in ORDERS.items()} | {name: f"test {monitored.title(name)}" for name in metrics}
    return linked.select("Sorted by", orders, "runs_sort", naming=lambda name: naming.get(name, name))


def _sorted(runs: list[Run], order: str) -> list[Run]:
    """By one of ORDERS, or by a test metric, best first and runs without it last."""
    if order in ORDERS:
        return sorted(runs, key=ORDERS[order][1])  # type: ignore[arg-type]
    sign = -1 if higher_is_better(order) else 1

    def worth(run: Run) -> float:
        value = figure(run, order)
        return math.inf if value is None or math.isnan(value) else sign * value

    return sorted(runs, key=worth)


def _says(run: Run, words: Sequence[str], known: dict[str, str]) -> bool:
    """Whether every word stands somewhere in what is told of a run."""
    if not words:
        return True
    settings = [
        f"{path} {titles.setting(path, value)} {format_value(titles.public(path, value))}" for path, value in run_rows.changed(run).items()
    ]
    told = [run.name, run.id, run.remark, *run.tags, titles.dataset_title(dataset(run), known), titles.model_title(run.config), *settings]
    text = "\n".join(told).casefold()
    return all(word in text for word in words)
