"""Start, pause, resume, stop; and the page while no run is open."""

from __future__ import annotations

import time

import streamlit as st

from engine.config import RunConfig, parse
from engine.datasets import DATASETS, available, listing
from engine.errors import InputError
from engine.store import ACTIVE, GOES_ON, RESUMABLE, Run
from pages.components import address, draft, titles, words
from pages.components.form import expected
from pages.components.frame import mistakes_said_later, say_what_was_kept
from pages.components.network import network_card
from pages.components.session import ask, store, submit
from pages.components.status import engine_words, state_badge


def buttons(run: Run | None, chosen: RunConfig | None, recent: list[Run]) -> None:
    """The row of buttons under the form.

    Args:
        run: the opened run, or None.
        chosen: what the form holds, None while it is not valid.
        recent: earlier runs, from which the time is estimated.
    """
    active = run is not None and run.state in ACTIVE
    same = run is not None and chosen is not None and _equals(run, chosen)
    st.button(
        "Start",
        type="primary",
        width="stretch",
        shortcut="Mod+Enter",
        disabled=chosen is None or (active and same),
        on_click=_start,
    )
    row = st.container(horizontal=True, gap="small", wrap=False)
    this = [run.id] if run is not None else []
    resumable = run is not None and run.state in RESUMABLE
    if resumable:
        row.button("Resume", width="stretch", shortcut="P", on_click=ask, args=(this, "run"))
    else:
        wanted = run is not None and active and run.want in GOES_ON
        row.button("Pause", width="stretch", shortcut="P", disabled=not wanted, on_click=ask, args=(this, "pause"))
    stoppable = run is not None and (run.state == "paused" or (active and run.want != "stop"))
    row.button("Stop", width="stretch", shortcut="S", disabled=not stoppable, on_click=ask, args=(this, "stop"))
    goes_on = active or resumable
    st.button(
        "One epoch",
        width="stretch",
        shortcut="E",
        icon=":material/skip_next:",
        help="Trains to the end of one more epoch, then pauses." if goes_on else "Starts, and pauses after the first epoch.",
        disabled=chosen is None or (active and run is not None and run.want != "run"),
        on_click=ask if goes_on else _start,
        args=(this, "step") if goes_on else ("step",),
    )
    say_what_was_kept()
    if chosen is not None:
        st.caption(_outlook(run, active, same, chosen, recent))
        base = draft.to_query(chosen) or {"dataset.name": chosen.dataset.name}
        st.page_link("pages/sweep.py", label="Try many settings", icon=":material/travel_explore:", query_params=base)


def shape_of(recent: list[Run]) -> tuple[int, int] | None:
    """Users and items of the draft's split: from a run on the same data, else the whole dataset's; None if neither is known."""
    values = draft.values()
    try:
        wanted = draft.config().model_dump(mode="json")
    except InputError:
        wanted = {}
    for run in recent:
        sizes = (run.facts or {}).get("sizes")
        if sizes and all(run.config.get(part) == wanted.get(part) for part in ("dataset", "preprocessing", "split", "group")):
            return sizes["users"], sizes["items"]
    entry = next((entry for entry in listing() if entry.name == values["dataset.name"]), None)
    return (entry.n_users, entry.n_items) if entry and entry.n_items else None


def nothing_open(chosen: RunConfig | None, recent: list[Run], shape: tuple[int, int] | None) -> None:
    """What stands right of the form while no run is open."""
    centre, right = st.columns([2.1, 1], gap="small")
    with centre.container(border=True):
        st.markdown("#### No run is open")
        st.markdown("Choose a model and press **Start**: its curves appear here while it trains, with SVD beside it.")
        alone = [run for run in recent if run.sweep is None]
        if alone:
            st.markdown("**Or open one of the latest runs**")
        for run in alone[:6]:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.button(run.name, key=f"open.{run.id}", type="tertiary", on_click=_open, args=(run.id,))
                state_badge(run)
                st.caption(f"{words.plain(titles.dataset_title(titles.dataset_of(run)))} · {ago(run.created)}", width="content")
    with right:
        if chosen is not None:
            network_card(chosen, shape)


def ago(moment: float) -> str:
    """1700000000.0 → "5 min ago"."""
    passed = max(0.0, time.time() - moment)
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if passed >= size:
            return f"{int(passed // size)} {name} ago"
    return "just now"


def _outlook(run: Run | None, active: bool, same: bool, chosen: RunConfig, recent: list[Run]) -> str:
    seconds = "" if active else expected(chosen, recent)
    parts = [seconds] if seconds else []
    if active and run is not None:
        parts.append(f"{run.name} is under way" if same else f"Start begins another run beside {run.name}")
    else:
        parts.append(engine_words())
        try:
            if not available(chosen.dataset.name):
                brought = chosen.dataset.name in DATASETS and not DATASETS[chosen.dataset.name].downloadable
                parts.append("the data must be brought: see the Data page" if brought else "the data will be downloaded first")
        except InputError as error:
            parts.append(str(error))
    return words.plain(" · ".join(parts))


def _equals(run: Run, chosen: RunConfig) -> bool:
    try:
        return parse(run.config) == chosen
    except InputError:
        return False


def _start(want: str = "run") -> None:
    with mistakes_said_later():
        chosen = draft.config()  # as it is now: a click may overtake the drawing of the choice before it
        if address.opened():
            run = store().get(str(address.opened()))
            if run.state in ACTIVE and _equals(run, chosen):
                return  # the second click of a double click
        address.open_run(submit(chosen, want=want).id)


def _open(run_id: str) -> None:
    address.open_run(run_id)
    with mistakes_said_later():
        draft.replace(parse(store().get(run_id).config))
