"""A published table beside our own figures, as rows for the screen and for a file."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from engine.metrics import definition
from engine.reproduce.leak import leak
from engine.reproduce.wording import OURS, difference, figures, own, printed
from engine.store import ACTIVE, Run
from engine.tables import FIGURES, Row, Table
from pages.components import monitored, words
from pages.components.cards import tile
from pages.components.status import progress_words

SYSTEMS = {
    "1": "1 · Implicit CDAE",
    "2": "2 · DeepRec",
    "3": "3 · Deep-AE assignment",
    "4": "4 · Apps autoencoder",
    "5": "5 · AutoRec study",
    "field": "The field's best",
}
Seeded = tuple[str, int]
"""A row's name and a seed."""

SIZES = {
    "test_pairs": "Held-out ratings that the error is of.",
    "test_users": "Users whom these ratings are of.",
}
"""Figures that say how much a row's error rests on."""

BADGES: dict[str, tuple[Any, str]] = {
    "holds": ("green", ":material/check_circle:"),
    "does not hold": ("orange", ":material/cancel:"),
    "not distinguishable": ("gray", ":material/drag_handle:"),
    "open": ("blue", ":material/hourglass_empty:"),
}
"""Verdict → colour and symbol."""


def title(figure: str, table: Table) -> str:
    """A figure as a column is headed: "test" → "test RMSE"."""
    if figure in ("test", "validation", "train"):
        return f"{figure} {monitored.title(table.metric)}"
    if figure in FIGURES:
        return figure.replace("_", " ").replace("mse", "MSE")
    metric = figure.removeprefix("reconstruction_")
    return ("reconstruction " if metric != figure else "") + monitored.title(metric)


def meaning(figure: str, table: Table) -> str:
    """Definition of a figure; in tables of sums, what these are of."""
    if table.exact:
        return table.published_metric
    if figure in ("test", "validation", "train", "gap"):
        return f"{FIGURES[figure]} {definition(table.metric)}"
    return FIGURES.get(figure) or definition(figure)


def state(row: Row, seeds: int, lacking: Container[Seeded], measured: Container[Seeded], runs: Mapping[Seeded, Run]) -> str:
    """How far the runs of a row are: "finished", "running epoch 3 / 40", of several seeds "2 finished, 1 open".

    Args:
        lacking: what is to be run.
        measured: what has figures; of those that are lacking, these are of other settings.
    """
    if row.quoted:
        return "quoted"
    said: dict[str, int] = {}
    for one in ((row.name, seed) for seed in range(seeds)):
        run = runs.get(one)
        if one not in lacking:
            word = "finished"
        elif run is None:
            word = "open (ours: other settings)" if one in measured else "open"
        else:
            word = f"running {progress_words(run)}" if run.state == "running" else run.state
        said[word] = said.get(word, 0) + 1
    return next(iter(said)) if seeds == 1 else ", ".join(f"{count} {word}" for word, count in said.items())


def diverged(row: Mapping[str, Any]) -> str:
    """Where the runs of a row of a report diverged; nothing where none did."""
    return f"diverged in epoch {', '.join(map(str, row['diverged']))}" if row["diverged"] else ""


def shown(table: Table, report: Mapping[str, Any], states: Mapping[str, str], *, compared: bool) -> pd.DataFrame:
    """The table for the screen: of each figure theirs, ours and, where the data are the same, the difference."""
    made = []
    for row in report["rows"]:
        line: dict[str, Any] = {"row": row["row"], "state": diverged(row) or states[row["row"]]}
        for figure in figures(table):
            line[f"{figure} theirs"] = printed(row["published"][figure]) if figure in row["published"] else None
            line[f"{figure} ours"] = own(table, figure, row)
            line[f"{figure} difference"] = difference(table, figure, row) if compared else None
        line |= {name: row["mean"].get(name) for name in SIZES}
        epochs, dates = [*map(str, row["epochs"])], row["dates"]
        line |= {"seeds": row["seeds"] or None, "epochs": ", ".join(epochs) or None, "date": dates[-1] if dates else None}
        made.append(line | {"note": row["note"] or None})
    return pd.DataFrame(made)


def columns(table: Table, frame: pd.DataFrame) -> dict[str, Any]:
    """Headings of `shown`, each with its definition; columns that would be empty are left out."""
    column = st.column_config
    longest = frame["state"].str.len().max()
    wide = 230 if longest > 24 else 150 if longest > 9 else 84
    found: dict[str, Any] = {
        "row": column.TextColumn("row", pinned=True, width="medium"),
        "state": column.TextColumn("runs", width=wide, help="How far the runs of this row are, for as many seeds as are asked for above."),
    }
    for figure in figures(table):
        name, about = title(figure, table), meaning(figure, table)
        theirs = table.published_metric if figure in ("test", "validation", "train") else about
        found |= {
            f"{figure} theirs": column.TextColumn(f"{name}, published", help=f"As published: {theirs}"),
            f"{figure} ours": column.TextColumn(f"{name}, ours", help=f"{about} Ours: {OURS}."),
            f"{figure} difference": column.TextColumn(
                "ours − published", help=f"{name}: ours minus the published figure. ▲ ours is higher, ▼ ours is lower."
            ),
        }
    found |= {name: column.NumberColumn(name.replace("_", " "), format="localized", width=72, help=about) for name, about in SIZES.items()}
    found |= {
        "seeds": column.NumberColumn("seeds", width=56, help="Repetitions behind our figures."),
        "epochs": column.TextColumn("epochs", width=64, help="Epochs that were trained."),
        "date": column.TextColumn("date", width=92, help="When the latest was measured."),
        "note": column.TextColumn("note", width="large"),
    }
    kept = {"row", "state"}
    return {name: one for name, one in found.items() if name in kept or frame[name].notna().any()}


def of_sums(report: Mapping[str, Any]) -> pd.DataFrame:
    """A table of sums for the screen: each row's figures in one line, and whether all are equal."""
    made = []
    for row in report["rows"]:
        theirs, ours = (" ".join(f"{values[name]:g}" for name in row["published"]) for values in (row["published"], row["mean"]))
        made.append({"row": row["row"], "published": theirs, "ours": ours, "equal": "= equal" if theirs == ours else "≠ not equal"})
        made[-1]["note"] = row["note"] or None
    return pd.DataFrame(made)


def tidy(table: Table, report: Mapping[str, Any], states: Mapping[str, str]) -> pd.DataFrame:
    """The table for a file: one line for each figure of each row, in full precision."""
    made = []
    for row in report["rows"]:
        for figure in dict.fromkeys([*row["published"], *(name for name in figures(table) if name in row["mean"])]):
            published, mean = row["published"].get(figure), row["mean"].get(figure)
            made.append({"table": table.name, "dataset": report["dataset"], "row": row["row"], "figure": figure, "published": published})
            made[-1] |= {"ours": mean, "sd": row["sd"].get(figure), "seeds": row["seeds"], "epochs": "/".join(map(str, row["epochs"]))}
            made[-1] |= {"dates": "/".join(row["dates"]), "state": states[row["row"]], "published_on": table.published_on}
    return pd.DataFrame(made)


def active(runs: Mapping[Seeded, Run]) -> bool:
    """Whether a run of the table is queued or running."""
    return any(run.state in ACTIVE for run in runs.values())


def claim(one: Mapping[str, Any]) -> None:
    """One conclusion of the authors with its verdict and what that rests on."""
    color, icon = BADGES[one["verdict"]]
    with st.container(gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(one["verdict"], color=color, icon=icon)
            st.markdown(words.plain(one["claim"]), width="content")
        sentences = [f"- {words.plain(sentence)}" for sentence in one["evidence"]]
        if len(sentences) > 3:
            with st.expander(f"Evidence: {len(sentences)} comparisons"):
                st.caption("\n".join(sentences))
        elif sentences:
            st.caption("\n".join(sentences))


def lesson(table: Table, report: Mapping[str, Any]) -> None:
    """Of source system 3: the error of reconstruction beside that of prediction, once both are measured."""
    found = leak(table, report["rows"])
    if found is None:
        return
    with st.container(border=True):
        st.markdown("**Reconstruction is not prediction**")
        left, right = st.columns(2)
        with left:
            note = f"RMSE {math.sqrt(found.reconstruction_mse):.3f}, of ratings that are the input; published MSE {found.published:.3f}"
            tile("Reconstruction, mean squared error", f"{found.reconstruction_mse:.3f}", note, meaning("reconstruction_mse", table))
        with right:
            ends = "" if found.interval is None else f", 95 % interval {found.interval[0]:.3f} to {found.interval[1]:.3f}"
            note = f"RMSE {found.rmse_clipped:.3f}{ends}, of {found.pairs:,} unseen ratings of {found.users:,} users"
            tile("Prediction, mean squared error, clipped", f"{found.rmse_clipped**2:.3f}", note, definition("rmse_clipped"))
        for sentence in report["lesson"]:
            st.markdown(words.plain(sentence))
