"""Trained models in the server's memory, ready to answer. The engine's scorer needs torch, which is imported with the first model."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from engine.config import parse
from engine.settings import settings
from engine.store import Run
from pages.components.frame import say
from pages.components.session import store

if TYPE_CHECKING:
    from engine.experiment import TrainedRun
    from engine.recommendations import Advisor, Service
    from engine.recommendations.search import TitleSearch
    from engine.splits import Split

NEWEST = 200
"""So many of the newest runs stand in a menu, as far as they have a model."""
MENU = 20
"""Most ratings that a menu offers; of more, one is typed."""


@dataclass(frozen=True)
class Opened:
    """A trained run, ready to answer.

    Attributes:
        users: ids of all users as people sort them.
        advisor, svd: the run's model and the SVD beside it, asked for lists.
        search: over the titles.
        values: the different ratings that there are, ascending; empty where there are more than MENU.
    """

    trained: TrainedRun
    service: Service
    users: tuple[str, ...]
    advisor: Advisor
    svd: Advisor
    search: TitleSearch
    values: tuple[float, ...]


def with_a_model(wanted: Run | None) -> list[Run]:
    """Runs whose model can be asked, the newest first; the wanted one, however old, too, or why it cannot be asked yet."""
    runs = [run for run in store().list(limit=NEWEST) if store().has(run.id, "model")]
    if wanted is None or wanted.id in {run.id for run in runs}:
        return runs
    if store().has(wanted.id, "model"):
        return [*runs, wanted]
    say("warning", f"Run {wanted.name} has no trained model yet: it is {wanted.state}.", icon="hourglass_empty")
    label = f"Look at {wanted.name}"
    st.page_link("pages/train.py", label=label, icon=":material/show_chart:", query_params={"run": wanted.id})
    return runs


def first_choice(runs: Sequence[Run]) -> Run:
    """The run that a menu begins with: the first that has finished, of runs from the newest to the oldest."""
    return next((run for run in runs if run.state == "finished"), runs[0])


def opened(run: Run) -> Opened:
    """The run's best model so far, which changes at its checkpoints; the latest six are kept in memory."""
    with st.spinner(f"Loading {run.name} …"):
        return _opened(settings().store_url, run.id, store().changed(run.id, "model"), run.state == "finished")


@st.cache_resource(max_entries=6, show_spinner=False)
def _opened(url: str, run_id: str, changed: float, finished: bool) -> Opened:
    from engine.experiment import load_model
    from engine.recommendations import SVD, Advisor, serve
    from engine.recommendations.search import TitleSearch

    trained = load_model(run_id, store(), split_of(store().get(run_id)))
    names = sorted(map(str, trained.split.interactions.users.index), key=_as_people_sort)
    advisor, svd = Advisor(run_id, trained), Advisor(SVD, trained)
    values = np.unique(trained.split.interactions.ratings.data)
    offered = tuple(values.tolist()) if len(values) <= MENU else ()
    return Opened(trained, serve(trained), tuple(names), advisor, svd, TitleSearch(trained.split.interactions), offered)


def split_of(run: Run) -> Split:
    """The run's split, shared with all runs that have the same."""
    config = parse(run.config).model_dump(mode="json")
    parts = json.dumps({section: config[section] for section in ("dataset", "preprocessing", "split", "group")})
    return _split(repr(settings()), parts, (run.facts or {}).get("split_fingerprint"))


@st.cache_resource(max_entries=3, show_spinner=False)
def _split(where: str, parts: str, fingerprint: str | None) -> Split:
    from engine.experiment import open_split

    return open_split(parse(json.loads(parts)))


def _as_people_sort(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part.casefold()) for part in re.split(r"(\d+)", name) if part]
