"""What moves on the Train page: one fragment that looks at the run each second and draws everything that follows from it."""

from __future__ import annotations

import math
import time
from typing import Any

import pandas as pd
import streamlit as st

from engine.config import RunConfig, differences, parse
from engine.errors import InputError
from engine.store import ACTIVE, Run
from pages.components import address, charts, crowd, monitored, run_charts, series, status, titles, words
from pages.components.cards import badge, download
from pages.components.discreet import log_line
from pages.components.frame import mistakes_as_sentences
from pages.components.network import network_card
from pages.components.session import look_at, store
from pages.components.watched import watched_card

SECOND = 1.0
BEGINNING = 0.3
"""Seconds between two looks until the first epochs are done: that is when a person waits for something to happen."""
LOG_LINES = 8
_FROZEN, _LOOKED, _SHOWN = "frozen", "looked", "shown"


def panel(run: Run, draft: RunConfig | None, shape: tuple[int, int] | None) -> None:
    """Everything right of the form for an opened run; it looks again each second while the run can move.

    Args:
        draft: what the form holds, for the picture of the network; None while it is not valid.
        shape: users and items of the draft's split, where known.
    """
    drawn = _outside(run)
    every = crowd.every(_usual(run)) if run.state in ACTIVE else None
    st.fragment(_turn, run_every=every, key=f"live.{run.id}")(run.id, drawn, draft, shape)


def _usual(run: Run) -> float:
    return SECOND if run.epoch > 1 else BEGINNING


def _outside(run: Run) -> tuple[str, str, float | None]:
    """What the parts of the page outside the fragment (buttons, polling, the line under the title) follow from."""
    # A page drawn anew takes half a second: not between the click and the first points.
    active = run.state in ACTIVE
    return "active" if active else run.state, run.want, crowd.every(_usual(run)) if active else None


def _turn(run_id: str, drawn: tuple[str, str, float | None], draft: RunConfig | None, shape: tuple[int, int] | None) -> None:
    with mistakes_as_sentences(), crowd.look(SECOND if drawn[-1] else None):
        run = look_at(run_id)
        if _outside(run) != drawn:
            st.rerun()
        frame = _frame(run)
        if st.session_state.pop(_LOOKED, False):
            address.write(draft)
        status.status_line(run, frame)
        status.tiles(run, frame)
        status.final_result(run)
        centre, right = st.columns([2.1, 1], gap="small")
        with centre:
            if titles.trains(run.config):
                _curves(run, frame)
            else:
                status.fitted_card(run)
            _below(run, frame)
        with right:
            config = draft or parse(run.config)
            network_card(config, shape)
            watched_card(run)


def _frame(run: Run) -> pd.DataFrame:
    """The run's curves; up to where they were last shown while they are frozen."""
    frame = series.fetch(run.id)
    # Their end and not the curves: each tab would keep megabytes of its own.
    shown_id, step, names = st.session_state.get(_SHOWN, ("", -1, frozenset()))
    if st.session_state.get(_FROZEN) and shown_id == run.id:
        return frame[(frame["step"] < step) | (frame["step"] == step) & frame["name"].isin(names)]
    step = series.last_step(frame)
    # More may come of the same step: what was measured at an epoch's end is written after its last batch.
    st.session_state[_SHOWN] = run.id, step, frozenset(frame.loc[frame["step"] == step, "name"])
    return frame


def _curves(run: Run, frame: pd.DataFrame) -> None:
    look: dict[str, Any] = {"axis": address.view("x"), "log": address.view("log") == "true", "smooth": smoothing()}
    with st.container(border=True):
        _chart_controls(run)
        charts.draw(run_charts.held_out(run, frame, **look), key="held-out", alt=run_charts.held_out_alt(run))
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown("**Training objective**", width="content")
            refed = "first pass — · re-feed pass ··· · never on the RMSE axis"
            st.caption(refed if titles.rates(run.config) else "the model's own loss, mean per user", width="content")
        option = run_charts.objective(run, frame, **look, batches=True, height=200)
        charts.draw(option, key="objective", alt=run_charts.OBJECTIVE_ALT, height=200)


def _chart_controls(run: Run) -> None:
    """Title row of the upper chart; its settings hold for both charts and go into the page's address."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{run_charts.held_out_title(run)}**", width="stretch")
        # By default and not through the session: what a session sets is shown once, and lost where the page is at once drawn anew.
        shown: dict[str, Any] = {"default": address.view("x"), "required": True, "label_visibility": "collapsed"}
        st.segmented_control("x axis", [*series.AXES], key="x-axis", on_change=_look_otherwise, **shown)
        log = address.view("log") == "true"
        with st.popover(f"smooth {smoothing():g}" + (" · log" if log else ""), type="tertiary"):
            about = "Weight of the past in the drawn line. What was measured stays faintly behind it; numbers are never smoothed."
            st.slider("Smoothing", 0.0, 0.95, smoothing(), 0.05, key="smoothing", on_change=_look_otherwise, help=about)
            st.toggle("Logarithmic y axis", log, key="log-axis", on_change=_look_otherwise)
        st.toggle("freeze", key=_FROZEN, help="Keep the curves as they are, to zoom into them with the wheel; the run goes on.")
        download(lambda: store().metrics(run.id), key=run.name, title="Both charts, with all points")


def smoothing() -> float:
    """How much the curves are smoothed; what a link says wrong is none."""
    try:
        return min(0.95, max(0.0, float(address.view("smooth"))))
    except ValueError:
        return 0.0


def _look_otherwise() -> None:
    st.session_state["view.x"] = st.session_state["x-axis"]
    st.session_state["view.smooth"] = f"{st.session_state['smoothing']:g}"
    st.session_state["view.log"] = "true" if st.session_state["log-axis"] else "false"
    st.session_state[_LOOKED] = True


def _below(run: Run, frame: pd.DataFrame) -> None:
    left, right = st.columns(2, gap="small")
    with left.container(border=True, height="stretch"):
        st.markdown("**What differs from the defaults**")
        _badges(run.config)
    with right.container(border=True, height="stretch"):
        if titles.trains(run.config):
            st.markdown("**Read this curve**")
            st.caption(_reading(run, frame))
        else:
            st.markdown("**Read these numbers**")
            st.caption(_floor(run) or "A network with the same split is judged on the same ratings, so that they can be compared.")
    with st.container(border=True):
        st.markdown("**Log**")
        lines = [
            f"{time.strftime('%H:%M:%S', time.localtime(moment))}  {log_line(text)}"
            for moment, text in store().logs(run.id, last=LOG_LINES)
        ]
        st.code("\n".join(lines) or "nothing yet", language=None, wrap_lines=True)


def _badges(stored: dict[str, Any]) -> None:
    try:
        changed = differences(parse(stored))
    except InputError as error:
        st.caption(words.plain(str(error)))
        return
    if not changed:
        st.caption("Nothing: these are the defaults.")
    with st.container(horizontal=True, gap="xsmall"):
        for path, value in changed.items():
            badge(titles.setting(path, value), meaning=f"`{path}`")


def _reading(run: Run, frame: pd.DataFrame) -> str:
    """What the curves of this run say, in two or three sentences."""
    metric = monitored.metric(run)
    said = "This line says how well the model does on what it has not seen."
    if metric in monitored.WITH_NOISE_FLOOR:
        said = "The dashed line falls because the network remembers; only the solid one says how well it predicts what it has not seen."
    measured = series.per_epoch(frame, f"validation/{metric}")
    best = status.best_epoch(run, frame)
    if any(map(math.isnan, measured.values())):
        return f"{said} Here it broke off: the loss was no longer a number. A smaller learning rate helps."
    if best is not None and measured and max(measured) >= best + 5:
        said += f" Since epoch {best} it has not become better: the network over-fits, and the weights of epoch {best} are kept."
    return f"{said} {_floor(run)}" if measured else said


def _floor(run: Run) -> str:
    floor = (run.facts or {}).get("noise_floor")
    if not floor or monitored.metric(run) not in monitored.WITH_NOISE_FLOOR:
        return ""
    why = "they vary by that much around their true means"
    return f"On ratings that it has not seen, no model can beat the noise floor of {floor:.4f}: {why}."
