"""Controls of the Train page that a link leaves out, so that a class sees only what the lesson is about: `?hide=optimizer,noise`."""

from __future__ import annotations

import streamlit as st

from engine.errors import InputError, unknown

SECTIONS = {
    "optimizer": "training",
    "objective": "objective",
    "noise": "noise",
    "input": "model",
    "split-options": "split",
    "preprocessing": "preprocessing",
    "group": "group",
    "judging": "evaluation",
    "speed": "speed",
}
"""Names in a link → headings of the form that stand behind the line."""
IN_SIGHT = ("preset", "dataset", "split", "model", "layers", "activation", "dropout", "refeed", "lr")
"""Names in a link of the controls that stand in sight."""
NAMES = (*IN_SIGHT, *SECTIONS)
_KEPT = "hidden"


def take_over(text: str) -> list[str]:
    """Takes over the names of a link. Returns one sentence for each that names no control."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    st.session_state[_KEPT] = tuple(name for name in NAMES if name in names)
    refused: list[InputError] = [unknown("control to hide", name, NAMES) for name in names if name not in NAMES]
    return [str(error) for error in refused]


def now() -> tuple[str, ...]:
    """Names of what is hidden."""
    return st.session_state.get(_KEPT, ())


def is_hidden(name: str) -> bool:
    """Whether a control in sight, or a heading by its section, is left out."""
    return name in now() or any(SECTIONS.get(one) == name for one in now())


def menu() -> None:
    """Which controls the page, and with it its link, leaves out."""
    chosen = st.multiselect(
        "Hide controls, for a class",
        NAMES,
        [*now()],
        key="hide.menu",
        help="They keep the values that they have, and the link leaves them out for whoever opens it.",
        on_change=_take,
    )
    if chosen:
        st.caption("Whoever opens the link sees the page without them.")


def _take() -> None:
    st.session_state[_KEPT] = tuple(name for name in NAMES if name in st.session_state["hide.menu"])
