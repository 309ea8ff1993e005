"""The best setting, and what can be made of it: a training, a preset, a file."""

from __future__ import annotations

import re
from collections.abc import Sequence

import streamlit as st

from engine import presets
from engine.config import parse
from engine.errors import InputError
from engine.store import Sweep
from engine.sweeps import SweepConfig, Trial, best_of
from engine.sweeps.report import preset_text, preset_values, preset_words
from pages.components import draft, titles
from pages.components.cards import badge
from pages.components.frame import say

NAME = "sweep.preset"


def card(sweep: Sweep, config: SweepConfig, trials: Sequence[Trial], metric: str) -> None:
    """The best setting's values with the ways to use it; nothing before a setting has finished."""
    first = best_of(trials, metric)
    if first is None:
        return
    chosen = parse(preset_values(config, first))
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.markdown(f"**Best so far: setting {first.number}**", width="content")
            for path, value in first.settings.items():
                badge(titles.setting(path, value), "blue", f"`{path}`")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.page_link(
                "pages/train.py",
                label="Use the best in Train",
                icon=":material/tune:",
                query_params=draft.to_query(chosen) or {"dataset.name": chosen.dataset.name},
            )
            st.download_button(
                "Download as preset",
                lambda: preset_text(sweep, config, first).encode(),
                file_name=f"{sweep.name}.toml",
                mime="application/toml",
                icon=":material/download:",
                key="sweep-preset-file",
                on_click="ignore",
                help="A TOML file as those in assets/presets are.",
            )
            with st.popover("Save as preset", icon=":material/bookmark_add:"):
                _save(sweep, config, first)


def _save(sweep: Sweep, config: SweepConfig, first: Trial) -> None:
    """It then stands in the menu of presets and on the Start page, for everybody who uses this Encore."""
    usual = re.sub(r"[^a-z0-9-]+", "-", sweep.name.lower())
    name = st.text_input("Name of the preset", usual, key=f"{NAME}.{sweep.id}", help="Lower-case letters, digits and '-'.")
    st.caption("It then stands in the menu of presets and on the Start page, for all who use this Encore.")
    if st.button("Save", key="sweep-preset-save", type="primary"):
        try:
            saved = presets.save(name.strip(), *preset_words(sweep, config, first), preset_values(config, first))
        except InputError as error:
            say("error", str(error))
            return
        say("success", f"Saved as preset {saved.name}.")
