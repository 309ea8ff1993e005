"""Trained models in the server's memory, ready to answer. The engine's scorer needs torch, which is imported with the first model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from engine.settings import settings
from engine.store import Run
from pages.components.session import store

if TYPE_CHECKING:
    from engine.experiment import TrainedRun
    from engine.recommendations import Service


@dataclass(frozen=True)
class Opened:
    """A trained run, ready to answer.

    Attributes:
        users: ids of all users as people sort them.
    """

    trained: TrainedRun
    service: Service
    users: tuple[str, ...]


def opened(run: Run) -> Opened:
    """The run's best model so far; the latest three are kept in memory."""
    with st.spinner(f"Loading {run.name} …"):
        return _opened(settings().store_url, run.id, (run.state, run.epoch, run.finished))


@st.cache_resource(max_entries=3, show_spinner=False)
def _opened(_url: str, run_id: str, _moment: tuple[Any, ...]) -> Opened:
    from engine.experiment import load_model
    from engine.recommendations import serve

    trained = load_model(run_id, store())
    names = sorted(map(str, trained.split.interactions.users.index), key=_as_people_sort)
    return Opened(trained, serve(trained), tuple(names))


def _as_people_sort(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part.casefold()) for part in re.split(r"(\d+)", name) if part]
