"""Train: configure a network, start it, watch it learn."""

from __future__ import annotations

import streamlit as st

from engine.config import parse
from engine.errors import InputError
from pages.components import address, controls, hidden, live
from pages.components.form import describe, form, rest
from pages.components.frame import header, mistakes_as_sentences, say, through_dashboard
from pages.components.query import say_some
from pages.components.session import look_at, store
from pages.components.share import share_buttons

through_dashboard()
refused = address.read()
top = st.container()
say_some(refused)

run = None
if address.opened():
    try:
        run = look_at(str(address.opened()))
    except InputError as error:  # deleted meanwhile
        address.open_run(None)
        say("warning", str(error))
recent = store().list(limit=30)
shape = controls.shape_of(recent)

left, right = st.columns([1, 3], gap="medium")
with left.container(gap="xsmall"):
    chosen = form(shape)
    controls.buttons(run, chosen, recent)
    rest()
with right:
    if run is not None:
        live.panel(run, chosen, shape)
    else:
        controls.nothing_open(chosen, recent, shape)

query = address.write(chosen)
with top, mistakes_as_sentences():
    shown = parse(run.config) if run is not None else chosen
    sizes = (run.facts or {}).get("sizes") if run is not None else None
    place = header("Train", describe(shown, shape, sizes))
    with place.popover("For a class", icon=":material/school:"):
        hidden.menu()
    share_buttons(place, query, chosen)
