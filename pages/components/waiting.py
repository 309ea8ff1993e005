"""The queue on the Runs page: who waits for what, when each begins, and buttons to reorder it."""

from __future__ import annotations

import streamlit as st

from engine import background, queue
from engine.settings import settings
from engine.store import Run
from engine.store.line import MOVES, Move
from pages.components import titles, words
from pages.components.session import ask, move, owner, store

SECONDS = 2.0
SHOWN = 5
"""So many of those that wait stand in sight, the others behind a line."""
LABELS = {"front": ("First", "vertical_align_top"), "up": ("Up", "arrow_upward"), "down": ("Down", "arrow_downward")}


def turns_now() -> list[queue.Turn]:
    """The queue as it was at most `SECONDS` ago: a class that waits looks at it together."""
    return _turns(settings().store_url)


@st.cache_resource(ttl=SECONDS, max_entries=4, show_spinner=False)
def _turns(url: str) -> list[queue.Turn]:
    del url  # what the answer depends on
    return queue.queue(store())


def waiting_card() -> None:
    """Every run that waits, in the order in which they begin; nothing where none waits."""
    turns = turns_now()
    if not turns:
        return
    slots = background.slots_now()
    sessions = {turn.run.owner for turn in turns}
    with st.container(border=True):
        st.markdown(f"**Queue** · {words.number_of(len(turns), 'run')} waiting for {words.number_of(len(slots), 'slot')}")
        if len(sessions) > 1:
            st.caption("Sessions take turns; first, up and down move a run among those of its own session.")
        ends = _ends(turns)
        for turn in turns[:SHOWN]:
            _row(turn, len(sessions) > 1, ends)
        if len(turns) > SHOWN:
            with st.expander(f"{len(turns) - SHOWN} more"):
                for turn in turns[SHOWN:]:
                    _row(turn, len(sessions) > 1, ends)


def _ends(turns: list[queue.Turn]) -> dict[Move, set[str]]:
    """Ids of the runs that are where a move would bring them already: the first and the last of their owner's that still wait."""
    waiting = [turn.run for turn in turns if not turn.starting]
    last = {run.owner: run.id for run in waiting}
    first = {run.owner: run.id for run in reversed(waiting)}
    return {"front": {*first.values()}, "up": {*first.values()}, "down": {*last.values()}}


def _row(turn: queue.Turn, several: bool, ends: dict[Move, set[str]]) -> None:
    """One run that waits, with its buttons."""
    run = turn.run
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        place = "now" if turn.starting else f"{turn.position}\\."  # or it would begin a list
        st.markdown(f"{place} **{words.plain(run.name)}** · {words.plain(_about(run))}", width="content")
        st.caption(words.plain(" · ".join([in_words(turn), *([_whose(run)] if several else [])])), width="stretch")
        for where in MOVES:
            label, icon = LABELS[where]
            key = f"queue-{where}-{run.id}"
            idle = turn.starting or run.id in ends[where]
            st.button(label, icon=f":material/{icon}:", key=key, type="tertiary", disabled=idle, on_click=move, args=(run.id, where))
        st.button("Cancel", icon=":material/close:", key=f"queue-stop-{run.id}", type="tertiary", on_click=ask, args=([run.id], "stop"))


def in_words(turn: queue.Turn) -> str:
    """What a run waits for, and until when: "waits for a CPU slot · starts in about 3 min"."""
    return queue.when(turn) if turn.starting else f"waits for {queue.KINDS[turn.kind]} · {queue.when(turn)}"


def of(run: Run) -> str:
    """The same of one run, with its place; "" where it does not wait any more."""
    found = next((turn for turn in turns_now() if turn.run.id == run.id), None)
    if found is None:
        return ""
    return in_words(found) if found.starting else f"number {found.position} in the queue · {in_words(found)}"


def _about(run: Run) -> str:
    return f"{titles.model_title(run.config)} on {titles.dataset_title(str(run.config.get('dataset', {}).get('name')))}"


def _whose(run: Run) -> str:
    if run.owner == owner():
        return "yours"
    return "command line" if run.owner == "cli" else "another session"
