"""Start: what Encore is, the demo in one click, presets, and what ran lately."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.config import parse
from engine.presets import DEMO, Preset, preset, presets
from engine.store import Run
from pages.components import monitored, query, titles, words
from pages.components.controls import ago
from pages.components.frame import header, mistakes_as_sentences, through_dashboard
from pages.components.network import network_image
from pages.components.session import store, submit
from pages.components.status import engine_words, progress_words, state_badge
from pages.components.sweep import overview

IN_ONE_SENTENCE = (
    "A lab for autoencoder recommenders: train a network on ratings, watch it learn, and see what it would recommend, with SVD beside it."
)
TRAIN = "pages/train.py"
SHOWN, SWEEPS = 8, 3
"""Runs and sweeps that are listed."""
LOOKED_AT = 100
"""Newest runs, of which those that belong to no sweep are listed."""
FIRST, SAVED = "First steps", "Saved here"
# What the names of presets begin with → the system or study that they repeat.
SYSTEMS = {
    "1": "Implicit CDAE",
    "2": "DeepRec",
    "3": "Deep-AE assignment",
    "4": "Apps autoencoder",
    "5": "AutoRec study",
    "field": "The field's best",
}

through_dashboard()
header("Encore", IN_ONE_SENTENCE)
query.refuse_unknown(())


def demo() -> None:
    """The one-click demo: generated ratings, a small network, done within a minute."""
    config = parse(preset(DEMO).values)
    with st.container(border=True):
        left, right = st.columns([2.2, 1], gap="large", vertical_alignment="center")
        with left:
            st.markdown("#### See it learn")
            st.markdown(
                "A small autoencoder learns the tastes of 2,000 invented people from their ratings of 1,200 invented films. "
                "Nobody can predict these ratings better than their built-in noise, and the chart draws that floor. "
                "One person's list changes as the epochs pass."
            )
            if st.button("Run the demo", type="primary", icon=":material/play_arrow:", key="run-demo"):
                st.switch_page(TRAIN, query_params={"run": submit(config).id})
            said = engine_words()
            st.caption(words.plain(said[0].upper() + said[1:].removesuffix(".") + "."))
        with right:
            network_image(config, (2000, 1200))


def cards() -> None:
    """One card per preset, three in a row, under the system that they repeat."""
    groups: dict[str, list[Preset]] = {}
    for one in presets().values():
        if one.name != DEMO:
            group = SAVED if one.saved else SYSTEMS.get(one.name.partition("-")[0], FIRST)
            groups.setdefault(group, []).append(one)
    if not groups:
        return
    st.markdown("#### Presets")
    for tab, some in zip(st.tabs([*groups]), groups.values(), strict=True):
        for row in range(0, len(some), 3):
            for place, one in zip(tab.columns(3), some[row : row + 3], strict=False):
                card(place, one)


def card(place: DeltaGenerator, one: Preset) -> None:
    """One preset."""
    with place.container(border=True, height="stretch"):
        st.markdown(f"**{words.plain(one.title)}**")
        st.caption(words.plain(one.shows))
        st.page_link(TRAIN, label="Open in Train", icon=":material/tune:", query_params={"preset": one.name})


def recent() -> None:
    """The latest runs, each a link, and the latest sweeps in place of their runs."""
    st.markdown("#### Latest runs")
    runs = [run for run in store().list(limit=LOOKED_AT) if run.sweep is None]
    if not runs:
        st.caption("Nothing has run yet.")
    for run in runs[:SHOWN]:
        row(run)
    if store().sweeps(limit=1):
        st.markdown("#### Latest sweeps")
        overview.latest(SWEEPS)


def row(run: Run) -> None:
    """One run in the list."""
    metric = monitored.metric(run)
    test = ((run.summary or {}).get("metrics", {}).get("test") or {}).get(metric)
    result = f"test {monitored.title(metric)} {test:.4f}" if test is not None else progress_words(run)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.page_link(TRAIN, label=run.name, icon=":material/show_chart:", query_params={"run": run.id})
        state_badge(run)
        parts = (titles.dataset_title(titles.dataset_of(run)), result, ago(run.created))
        st.caption(words.plain(" · ".join(parts)), width="content")


with mistakes_as_sentences():
    demo()
with mistakes_as_sentences():
    cards()
with mistakes_as_sentences():
    recent()
