"""Plays a training that has been computed, epoch by epoch: play, pause, one step, back to the start, or any epoch by its slider."""

from __future__ import annotations

import time

import streamlit as st

FRAME = 0.25
"""Seconds that an epoch is shown while it plays."""
_PLAYING = "player.playing"


def playing(name: str) -> bool:
    """Whether the lesson of this name plays."""
    return st.session_state.get(_PLAYING, ("",))[0] == name


def pace(name: str) -> float | None:
    """Seconds between two looks, None while nothing moves."""
    return FRAME if playing(name) else None


def pause() -> None:
    """Stand still at the epoch that is shown."""
    st.session_state.pop(_PLAYING, None)


def show(name: str, epoch: int | None) -> None:
    """Stand at an epoch; at the last when None."""
    pause()
    st.session_state[_at(name)] = epoch


def controls(name: str, last: int) -> int:
    """Buttons and slider of a training of so many epochs. Returns the epoch to show, 0 for before the first."""
    moving = playing(name)
    at = _now(name, last)
    left, right = st.columns([1, 1.4], gap="medium", vertical_alignment="bottom")
    with left.container(horizontal=True, gap="small"):
        if moving:
            st.button("Pause", icon=":material/pause:", type="primary", shortcut="P", on_click=_stop, args=(name, last), key="player.pause")
        else:
            again = "Play" if at < last else "Play from 0"
            st.button(
                again, icon=":material/play_arrow:", type="primary", shortcut="P", on_click=_play, args=(name, last), key="player.play"
            )
        st.button("Step", icon=":material/skip_next:", on_click=_step, args=(name, last), disabled=at >= last, key="player.step")
        st.button("Reset", icon=":material/replay:", on_click=show, args=(name, 0), disabled=at == 0, key="player.reset")
    key = f"player.epoch.{name}"
    st.session_state[key] = at
    # While it moves, a browser that lags behind sends a former epoch back, which is nobody's choice.
    right.slider("Epoch", 0, last, key=key, disabled=moving, on_change=None if moving else lambda: show(name, st.session_state[key]))
    return at


def _now(name: str, last: int) -> int:
    if playing(name):
        _, start, moment = st.session_state[_PLAYING]
        at = min(last, start + int((time.monotonic() - moment) / FRAME))
        if at == last:
            show(name, last)
        return at
    kept = st.session_state.get(_at(name))
    return last if kept is None else min(kept, last)


def _play(name: str, last: int) -> None:
    at = _now(name, last)
    st.session_state[_PLAYING] = (name, 0 if at >= last else at, time.monotonic())


def _stop(name: str, last: int) -> None:
    show(name, _now(name, last))


def _step(name: str, last: int) -> None:
    show(name, min(last, _now(name, last) + 1))


def _at(name: str) -> str:
    return f"player.at.{name}"
