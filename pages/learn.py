"""Learn: nine lessons, each with one idea, a live picture and things to try."""

from __future__ import annotations

from importlib import import_module

import streamlit as st

from engine.errors import InputError
from engine.lessons import Lesson, lesson, lessons
from pages.components import lesson_controls, player, query
from pages.components.frame import header, mistakes_as_sentences, through_dashboard
from pages.components.share import share_buttons

PAGE = "learn"
LESSON, EPOCH = "lesson", "epoch"


def take_over(address: dict[str, str]) -> list[str]:
    """Takes over an address that came from elsewhere. Returns one sentence for each part that could not be used."""
    st.session_state[PAGE] = None
    wanted = {name: value for name, value in address.items() if name not in (LESSON, EPOCH)}
    if LESSON not in address:
        query.refuse_unknown([LESSON])
        return []
    try:
        one = lesson(address[LESSON])
        st.session_state[PAGE] = one.name
    except InputError as error:
        return [str(error)]
    refused = lesson_controls.take_over(one, wanted)
    epoch = address.get(EPOCH, "")
    if epoch and not epoch.isdecimal():
        refused.append(f"{EPOCH}: it is a whole number from 0 up, not '{epoch}'.")
    player.show(one.name, int(epoch) if epoch.isdecimal() else None)
    return refused


def go(name: str | None) -> None:
    """Opens a lesson, or all of them, from a button."""
    player.pause()
    st.session_state[PAGE] = name


def everything() -> None:
    """All lessons as cards."""
    place = header("Learn", "Nine lessons of about ten minutes: one idea, one picture that moves, something to try.")
    share_buttons(place, {})
    some = list(lessons().values())
    for start in range(0, len(some), 3):
        for column, one in zip(st.columns(3, gap="small"), some[start : start + 3], strict=False):
            with column.container(border=True, height="stretch"):
                st.markdown(f"**{one.number} · {one.title}**")
                st.caption(one.asks)
                st.button("Open", key=f"learn.open.{one.name}", icon=":material/play_lesson:", on_click=go, args=(one.name,))


def one_lesson(one: Lesson) -> None:
    """One lesson: its text and controls on the left, its picture on the right."""
    some = list(lessons().values())
    place = header(one.title, f"Lesson {one.number} of {len(some)} · {one.asks}")
    for label, icon, number in (("Previous", "arrow_back", one.number - 1), ("Next", "arrow_forward", one.number + 1)):
        if 1 <= number <= len(some):
            there = some[number - 1]
            place.button(label, icon=f":material/{icon}:", help=there.title, on_click=go, args=(there.name,), key=f"learn.{label.lower()}")
    place.button("All lessons", icon=":material/apps:", on_click=go, args=(None,), key="learn.all")
    share = place.empty()
    st.fragment(_body, run_every=player.pace(one.name), key=f"lesson.{one.name}")(one, player.playing(one.name))
    with share:
        share_buttons(st.container(), query.written(PAGE) or {})


def _body(one: Lesson, was_playing: bool) -> None:
    if player.playing(one.name) != was_playing:
        st.rerun()
    left, right = st.columns([1, 2.55], gap="medium")
    with left:
        st.markdown(one.idea)
        options = lesson_controls.controls(one)
        found = lesson_controls.computed(one, options)
        with st.container(border=True):
            st.markdown("**Try**")
            st.markdown("\n".join(f"{number}. {text}" for number, text in enumerate(one.tries, 1)))
        st.caption(f"From: {one.source}")
    with right, mistakes_as_sentences():
        frames = getattr(found, "frames", None)
        shown = player.controls(one.name, len(frames) - 1) if frames else None
        picture = import_module(f"pages.components.lessons.{one.name.replace('-', '_')}")
        if shown is None:
            picture.draw(options, found)
        else:
            picture.draw(options, found, shown)
    if not player.playing(one.name):
        at = {EPOCH: str(shown)} if shown is not None and frames and shown != len(frames) - 1 else {}
        query.write(PAGE, {LESSON: one.name, **lesson_controls.to_query(one), **at})


def page() -> None:
    """The page."""
    address = query.arrived(PAGE)
    refused = take_over(address) if address else []
    query.say_some(refused)
    name = st.session_state.get(PAGE)
    if name is None:
        query.write(PAGE, {})
        everything()
    else:
        one_lesson(lesson(name))


through_dashboard()
page()
