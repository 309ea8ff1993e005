"""The plan of a sweep: what varies, how it is searched, what that amounts to, and its start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from engine import background
from engine.errors import InputError
from engine.metrics import METRICS
from engine.settings import session_limit
from engine.store import Run
from engine.sweeps import SweepConfig
from engine.sweeps.config import USUAL_TRIALS
from engine.sweeps.starting import Outlook, outlook, start
from engine.sweeps.suggest import suggested
from pages.components import draft, fields, monitored, words
from pages.components.cards import tile
from pages.components.frame import mistakes_said_later, say, say_what_was_kept
from pages.components.session import owner, store
from pages.components.sweep import axis, plan

FIRST_IDEA = ("model.dropout", "training.lr")
METRIC_NAMES = ("auto", *METRICS)


def builder(recent: Sequence[Run]) -> None:
    """Everything right of the form; `recent`: finished runs that tell how long one takes."""
    _varied()
    for path in plan.axes():
        axis.axis(path)
    _search()
    _start_card(recent)


def _varied() -> None:
    offered = plan.offered()
    # What a link asks for stays in the menu; whether it fits the model is told beside the start button.
    shown = [*offered, *(path for path in plan.axes() if path not in offered)]
    key = f"{plan.PREFIX}varied"
    st.session_state[key] = [*plan.axes()]
    st.multiselect(
        "What varies",
        shown,
        key=key,
        format_func=axis.title,
        placeholder="choose fields of the configuration",
        help="Any field on the left, and all behind the line there; what does not vary is as it stands there. Seeds and folds are below.",
        on_change=_take_varied,
    )
    if not plan.axes():
        with st.container(border=True):
            st.markdown("**Choose above what varies**: each field gets a list of values, or a range, and each combination is a setting.")
            if idea := [path for path in FIRST_IDEA if path in offered]:
                names = " and ".join(axis.title(path).partition(" (")[0].lower() for path in idea)
                st.button(f"Begin with {names}", icon=":material/tune:", key=f"{plan.PREFIX}idea", on_click=_vary, args=(idea,))


def _take_varied() -> None:
    _vary(st.session_state[f"{plan.PREFIX}varied"])


def _vary(paths: list[str]) -> None:
    with mistakes_said_later():
        base = draft.config()
        plan.keep_axes(paths, lambda path: suggested(base, path))


def _search() -> None:
    """How it is searched, when it ends, and how often a setting is repeated."""
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
            with st.container(width=230):
                _segments("sampler", ["grid", "random", "tpe"])
            with st.container(width=280):
                _segments("pruner", ["none", "median", "hyperband"])
            with st.container(width=200):
                _metric()
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            for name in ("trials", "minutes", "seeds", "folds", "at_a_time", "seed"):
                with st.container(width=112):
                    _number(name)


def _segments(name: str, known: list[str]) -> None:
    info, key = SweepConfig.model_fields[name], f"{plan.PREFIX}{name}"
    st.session_state[key] = plan.options()[name]
    st.segmented_control(
        info.title or name, known, key=key, required=True, help=info.description, wrap=False, on_change=_take, args=(name,)
    )


def _metric() -> None:
    info, key, now = SweepConfig.model_fields["metric"], f"{plan.PREFIX}metric", plan.options()["metric"]
    st.session_state[key] = now
    known = METRIC_NAMES if now in METRIC_NAMES else (*METRIC_NAMES, now)
    st.selectbox(
        info.title or "metric", known, key=key, format_func=monitored.title, help=info.description, on_change=_take, args=("metric",)
    )


def _number(name: str) -> None:
    info, key = SweepConfig.model_fields[name], f"{plan.PREFIX}{name}"
    value = plan.options()[name]
    if key not in st.session_state:
        st.session_state[key] = float(value) if name == "minutes" and value is not None else value
    how: dict[str, Any] = {"step": 1.0, "format": "%g"} if name == "minutes" else {"step": 1}
    st.number_input(info.title or name, key=key, placeholder=_usual(name), help=info.description, on_change=_take, args=(name,), **how)


def _usual(name: str) -> str:
    """What stands in the place of a number that was not given."""
    now = plan.options()
    if name == "trials" and now["sampler"] == "grid":
        return "all"
    return str(USUAL_TRIALS) if name == "trials" and not now["minutes"] else "none"


def _take(name: str) -> None:
    key = f"{plan.PREFIX}{name}"
    if key in st.session_state:
        value = st.session_state[key]
        plan.put_option(name, SweepConfig.model_fields[name].default if value is None else value)


def _start_card(recent: Sequence[Run]) -> None:
    """What the plan amounts to, and the button; a sentence in their place while something is wrong."""
    planned = found = None
    if plan.axes():
        try:
            planned = plan.config()
            found = outlook(planned, recent, len(background.slots_now()) or 1)
        except InputError as error:
            say("error", fields.with_titles(str(error)))
    if planned is not None and found is not None:
        _outlook(planned, found)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "Start the sweep",
            type="primary",
            icon=":material/play_arrow:",
            key=f"{plan.PREFIX}start",
            disabled=planned is None,
            on_click=_start,
        )
        if found is not None and found.seconds is None:
            st.caption("No earlier run on these ratings tells how long it takes; once its first runs have ended, it says so itself.")
    say_what_was_kept()


def _outlook(planned: SweepConfig, found: Outlook) -> None:
    first, second, third, _ = st.columns(4, gap="small")
    with first:
        left = f"{words.number_of(found.left_out, 'impossible combination')} left out" if found.left_out else ""
        many = "–" if found.settings is None else f"{found.settings:,}"
        tile("settings", many, left or ("as many as the time allows" if found.settings is None else ""), found.why or None)
    with second:
        repeats = f"{planned.repeats} each" if planned.repeats > 1 else "one each"
        tile("runs", "–" if found.runs is None else f"{found.runs:,}", repeats)
    if found.seconds is not None:
        with third:
            at_most = "at most " if planned.pruner != "none" or planned.minutes else ""
            by = "" if found.by is None else f"{'by' if found.alike else 'roughly, by'} {words.plain(found.by.name)}"
            meaning = "Training and judging of all runs, as many side by side as the machine has slots, going by earlier runs."
            tile("time", f"{at_most}{words.duration(found.seconds)}", by, meaning)
    for sentence in found.remarks:
        say("warning", sentence, icon="info")


def _start() -> None:
    with mistakes_said_later():
        plan.open_sweep(start(plan.config(), store(), owner=owner(), most=session_limit()).id)
        background.ensure_daemon()
