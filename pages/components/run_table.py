"""All runs in one table that keeps itself up to date, filters for it, and what can be done with the chosen rows."""

from __future__ import annotations

import hashlib
from typing import Any

import pandas as pd
import streamlit as st

from engine import background
from engine.config import differences, parse
from engine.errors import InputError
from engine.store import Run
from engine.store.states import STATES
from pages.components import linked, monitored, titles, words
from pages.components.frame import say_later, say_what_was_kept
from pages.components.session import ACTIVE, ask, store

SECONDS = 2.0
SHOWN = 500
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

PICKED, DELETING = "runs.picked", "runs.deleting"


def runs_now() -> list[Run]:
    """The newest runs, with states that are true: a process that is gone is noticed."""
    background.reconcile(store())
    return store().list(limit=SHOWN)


def table(active: bool) -> None:
    """Filters, buttons and table; looks again every two seconds while a run is active."""
    st.fragment(_turn, run_every=SECONDS if active else None, key="runs-table")(active)


def _turn(active: bool) -> None:
    runs = runs_now()
    if any(run.state in ACTIVE for run in runs) != active:
        st.rerun()
    known = titles.dataset_titles()
    shown = _filtered(runs, known)
    say_what_was_kept()
    picked = [run for run in shown if run.id in set(st.session_state.get(PICKED, ()))]
    _actions(picked)
    if not shown:
        st.caption("No run fits the filters.")
        return
    rows = pd.DataFrame([_row(run, known) for run in shown])
    ids = [run.id for run in shown]
    # Rows are chosen by their place: a table with other rows is another widget, which starts with the same runs chosen.
    key = f"runs-{hashlib.sha256(' '.join(ids).encode()).hexdigest()[:12]}"
    st.dataframe(
        rows,
        key=key,
        hide_index=True,
        on_select=lambda: _pick(key, ids),
        selection_mode="multi-row",
        selection_default={"selection": {"rows": [place for place, run in enumerate(shown) if run in picked]}},
        column_config=_columns(),
        column_order=[*_columns()],
        height="auto" if len(rows) > 8 else "content",
        placeholder="–",
        alt="Runs, newest first",
    )
    st.caption(
        f"{len(shown):,} of {len(runs):,} runs, newest first. Tick rows on the left to act on them. RMSEs are in rating "
        "units. “Against SVD” compares on the same test ratings; the run's own page gives pairs, users and interval."
    )


def _filtered(runs: list[Run], known: dict[str, str]) -> list[Run]:
    left, right = st.columns([1.6, 1], gap="medium")
    with left:
        states = st.pills("State", [*STATES], selection_mode="multi", key="runs_state", bind="query-params", wrap=True)
    shown = {name: titles.dataset_title(name, known) for name in {_dataset(run) for run in runs}}
    # Files in different folders may bear the same name.
    shown = {name: title if [*shown.values()].count(title) == 1 else name for name, title in shown.items()}
    with right:
        names = sorted(shown, key=shown.__getitem__)
        wanted = linked.several("Dataset", names, "runs_dataset", naming=shown.__getitem__, empty="all datasets")
    return [run for run in runs if (not states or run.state in states) and (not wanted or _dataset(run) in wanted)]


def _dataset(run: Run) -> str:
    return str(run.config.get("dataset", {}).get("name"))


def _actions(picked: list[Run]) -> None:
    """Buttons for the chosen runs: links for one, wishes for any number."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        one = picked[0] if len(picked) == 1 else None
        for label, icon, page in (
            ("Details", "article", "runs"),
            ("Train", "show_chart", "train"),
            ("Recommend", "recommend", "recommend"),
        ):
            if st.button(label, icon=f":material/{icon}:", disabled=one is None, key=f"runs-open-{page}") and one is not None:
                st.switch_page(f"pages/{page}.py", query_params={"run": one.id})
        for label, icon, want, fits in (
            ("Pause", "pause", "pause", {"queued", "running"}),
            ("Resume", "play_arrow", "run", {"paused", "stopped", "failed", "crashed"}),
            ("Stop", "stop", "stop", {"queued", "running", "paused", "crashed"}),
        ):
            some = [run.id for run in picked if run.state in fits]
            st.button(label, icon=f":material/{icon}:", disabled=not some, key=f"runs-{want}", on_click=ask, args=(some, want))
        if st.button("Delete", icon=":material/delete:", disabled=not picked, key="runs-delete"):
            st.session_state[DELETING] = [run.id for run in picked]
            st.rerun()
        st.caption(f"{len(picked)} chosen" if picked else "none chosen", width="content")


def confirm_deletion() -> None:
    """The dialog before runs are deleted, if a person has just asked for it."""
    ids = st.session_state.pop(DELETING, None)
    if ids:
        _dialog(ids)


@st.dialog("Delete for good?", icon=":material/delete:")
def _dialog(ids: list[str]) -> None:
    runs = [run for run in (store().find(run_id) for run_id in ids) if run is not None]
    st.markdown("\n".join(f"- **{words.plain(run.name)}** ({run.state})" for run in runs))
    st.markdown("Their curves, lists, log and weights go too. This cannot be undone.")
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep", key="runs-keep"):
            st.rerun()
        gone = [run.id for run in runs]
        if st.button("Delete", type="primary", key="runs-delete-for-good", on_click=delete, args=(gone,)):
            st.rerun()  # closes the dialog


def delete(ids: list[str]) -> None:
    """Delete runs; what the engine refuses is kept for the page to show, and a page of a run that is gone becomes that of all runs."""
    for run_id in ids:
        try:
            store().delete(run_id)
        except InputError as error:
            say_later(str(error))
    if store().find(st.query_params.get("run", "")) is None:
        st.query_params.pop("run", None)


def _pick(key: str, ids: list[str]) -> None:
    rows = st.session_state[key]["selection"]["rows"]
    st.session_state[PICKED] = [ids[row] for row in rows if row < len(ids)]


def _row(run: Run, known: dict[str, str]) -> dict[str, Any]:
    summary = run.summary or {}
    metrics, baselines = summary.get("metrics", {}), summary.get("baselines", {})
    test, metric = metrics.get("test", {}), monitored.metric(run)
    chosen, judged = metrics.get("validation", {}).get(metric), _judged_by(summary, metric)
    split = run.config.get("split", {})
    try:
        changed = differences(parse(run.config))
    except InputError:  # of an older version
        changed = {}
    return {
        "name": run.name,
        "state": [run.state],
        "dataset": titles.dataset_title(_dataset(run), known),
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
        "created": pd.Timestamp(run.created, unit="s", tz="UTC"),
        "settings": [titles.setting(path, value) for path, value in changed.items() if path not in OWN_COLUMN],
    }


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


def _columns() -> dict[str, Any]:
    """How the columns look, in their order: what a window of 1440 pixels has room for ends with the verdict."""
    column = st.column_config
    error: dict[str, Any] = {"format": "%.4f", "width": 74}
    return {
        "name": column.TextColumn("name", pinned=True, width=116),
        "state": column.MultiselectColumn("state", options=[*CHIPS], color=[*CHIPS.values()], width=82),
        "epoch": column.TextColumn("epoch", width=62, help="Epochs done, of those asked for; none for a model that is fitted in one step."),
        "dataset": column.TextColumn("dataset"),
        "model": column.TextColumn("model", help="The model, with the widths of a network's layers up to the code."),
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
        "split": column.TextColumn("split", help="Scheme and share that is tested; by time: the earlier share, which is learned from."),
        "best": column.NumberColumn("best", width=44, help="The epoch whose weights are kept: the best on validation."),
        "validation": column.TextColumn(
            "best validation", width=118, help="The metric that picks the best epoch, and its value there, on the validation ratings."
        ),
        "rmse_clipped": column.NumberColumn("clipped", help="Test RMSE with predictions clipped to the rating scale.", **error),
        "seconds": column.NumberColumn("s / epoch", format="%.2f", width=72, help="Median seconds per epoch."),
        "created": column.DatetimeColumn("created", format="distance", width=116),
        "settings": column.ListColumn("not at their defaults", width=360),
    }
