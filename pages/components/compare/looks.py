"""How chosen runs look in every comparison, and what has to be said of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from engine.comparison import ground
from engine.store import Run
from pages.components import linked, monitored, titles, words
from pages.components.frame import say

MOST = 10
"""Runs that are drawn at a time."""
COLOURS = ("blue", "vermilion", "green", "purple", "ink")
SYMBOLS = ("circle", "diamond")


class Look(NamedTuple):
    """A run's colour, by name, and its symbol, by ECharts' name: no two of MOST runs share both."""

    colour: str
    symbol: str


def looks(runs: Sequence[Run]) -> dict[str, Look]:
    """The look of each run, by id."""
    return {run.id: Look(COLOURS[place % len(COLOURS)], SYMBOLS[place // len(COLOURS) % 2]) for place, run in enumerate(runs)}


def empty(what: str, fewest: int = 1) -> None:
    """What stands where too few runs are chosen."""
    some = "one run or more" if fewest == 1 else "two runs"
    with st.container(border=True):
        st.markdown(f"**Tick {some} in the table above** to see {what}.")
        st.caption("The choice is in the address: a link to this page opens with the same runs chosen.")


def several_grounds(runs: Sequence[Run], metric: str) -> None:
    """A warning, where a metric of these runs is not of the same ratings."""
    grounds: dict[str, str] = {}
    for run in runs:
        grounds.setdefault(ground(run, metric), judged_on(run))
    if len(grounds) < 2:
        return
    told = list(dict.fromkeys(grounds.values()))
    where = f": {', '.join(told)}" if len(told) > 1 else ", by seed or preprocessing"
    say(
        "warning",
        f"These runs were judged on different ratings{where}: their {monitored.title(metric)} does not compare.",
        icon="warning",
    )


def judged_on(run: Run) -> str:
    """The data and the split that a run is judged on, in words."""
    split = run.config.get("split", {})
    data = titles.dataset_title(str(run.config.get("dataset", {}).get("name")))
    return f"{data}, {titles.split_title(str(split.get('kind')), split)}"


def left_out(count: int, metric: str, part: str = "test") -> str:
    """A sentence on runs that are not drawn; nothing where there are none."""
    if not count:
        return ""
    return f" Left out: {words.number_of(count, 'run')} without a {part} {monitored.title(metric)}, or measured on other ratings."


def metric_menu(names: Sequence[str], usual: str) -> str:
    """The menu of metrics, one choice for all comparisons; a name in the address that is none is the usual one."""
    return linked.select("Metric", list(names), "compare_metric", default=usual if usual in names else None, naming=monitored.title)
