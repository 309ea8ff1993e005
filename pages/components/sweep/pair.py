"""Whether two settings of a sweep really differ."""

from __future__ import annotations

import math
from collections.abc import Sequence

import streamlit as st

from engine.config import format_value
from engine.metrics import higher_is_better
from engine.sweeps import SweepConfig, Trial
from engine.sweeps.analysis import ranked
from engine.sweeps.difference import Apart, apart
from pages.components import linked, monitored, words
from pages.components.frame import say
from pages.components.session import store


def card(config: SweepConfig, trials: Sequence[Trial], metric: str) -> None:
    """Two menus and a verdict."""
    finished = [trial for trial in ranked(trials, metric) if trial.mean is not None]
    known = {str(trial.number): trial for trial in finished}
    names = [*known]
    with st.container(border=True, gap="small"):
        left, right = st.columns(2, gap="small")
        with left:
            one = linked.select("First setting", names, "sweep_first", default=names[0], naming=lambda name: _named(known[name]))
        with right:
            others = [name for name in names if name != one]
            other = linked.select("Second setting", others, "sweep_second", default=others[0], naming=lambda name: _named(known[name]))
        with st.spinner("Comparing the two user by user …"):
            found = _apart(config.model_dump_json(), metric, known[one], known[other])
        if found is None:
            say("info", f"The two have no finished repetition in common with a test {monitored.title(metric)}, so nothing can be told.")
            return
        _verdict(found, known[one], known[other])


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs={Trial: lambda trial: tuple((run.id, run.finished) for run in trial.runs)})
def _apart(config: str, metric: str, first: Trial, second: Trial) -> Apart | None:
    return apart(SweepConfig.model_validate_json(config), metric, first, second, store())


def _verdict(found: Apart, first: Trial, second: Trial) -> None:
    better = first if found.first_is_better else second
    told = f"setting {better.number} is better" if found.distinguishable else "not distinguishable"
    st.badge(
        told,
        color="green" if found.distinguishable else "gray",
        icon=":material/check_circle:" if found.distinguishable else ":material/drag_handle:",
    )
    interval = f" ± {found.half:.4f} (95 % over {found.over})" if math.isfinite(found.half) else ""
    on = f" on {found.on}" if found.on else ""
    way = "positive" if higher_is_better(found.metric) else "negative"
    st.markdown(
        f"Test {monitored.title(found.metric)} of setting {first.number} minus that of setting {second.number}: "
        f"**{words.signed(found.value)}**{interval}{on}, {words.number_of(found.repeats, 'pair')} of runs with the same seed; "
        f"{way}: the first is better."
    )
    advice = (
        ""
        if found.repeats > 2
        else " With three seeds or more per setting the interval allows for chance in training, too, and is worth more."
    )
    st.caption(
        "Settings are chosen by validation ratings; whether two differ is told on the test ratings, by which neither was chosen, "
        f"on the same users for both.{advice}"
    )


def _named(trial: Trial) -> str:
    settings = ", ".join(f"{path.partition('.')[2].replace('_', ' ')} {format_value(value)}" for path, value in trial.settings.items())
    return f"{trial.number}: {settings} ({trial.mean:.4f})"
