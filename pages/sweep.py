"""Sweep: try many settings at once, and see which of them tell; with `?sweep=` one sweep, live."""

from __future__ import annotations

import streamlit as st

from engine.config import RunConfig
from engine.errors import InputError
from engine.store import Sweep
from pages.components import controls, query, words
from pages.components.form import describe, form, rest
from pages.components.frame import header, mistakes_as_sentences, say, through_dashboard
from pages.components.session import store
from pages.components.share import ENGINE, share_buttons
from pages.components.sweep import builder, overview, plan, view

PURPOSE = "Train many settings in one go, see what helps, and by how much more than chance."


def asked_for() -> Sweep | None:
    """The sweep that the page shows; where there is none of that name, a sentence says so and the plan is shown."""
    name = plan.opened()
    if name is None:
        return None
    try:
        return store().get_sweep(name)
    except InputError as error:
        plan.open_sweep(None)
        say("warning", f"{error} Here are all sweeps.")
        return None


def one(sweep: Sweep) -> None:
    """One sweep's page."""
    place = header(words.plain(sweep.name), view.describe(sweep))
    st.query_params["sweep"] = sweep.id
    view.buttons(sweep)
    view.panel(sweep)
    with place:
        share_buttons(place, st.query_params.to_dict())
    query.remember(plan.PAGE, st.query_params.to_dict())


def planned() -> None:
    """The plan, and the sweeps that there are."""
    top = st.container()
    recent = store().list(("finished",), limit=100)
    shape = controls.shape_of(recent)
    left, right = st.columns([1, 3], gap="medium")
    chosen: RunConfig | None
    with left.container(gap="xsmall"):
        st.caption("What all runs of the sweep share")
        chosen = form(shape)
        rest()
    with right:
        with mistakes_as_sentences():
            builder.builder(recent)
        st.markdown("#### Sweeps so far")
        with mistakes_as_sentences():
            overview.latest()
    parameters = plan.write()
    with top:
        place = header("Sweep", PURPOSE if chosen is None else f"{PURPOSE} {describe(chosen, shape, None)}")
        share_buttons(place, parameters)
        if chosen is not None and plan.axes():
            with place.popover("Copy command", icon=":material/terminal:"):
                st.caption("Starts the same sweep in a terminal.")
                st.code(plan.command(chosen, ENGINE), language="bash", wrap_lines=True)


through_dashboard()
with mistakes_as_sentences():
    query.say_some(plan.read())
    found = asked_for()
    if found is not None:
        one(found)
    else:
        planned()
