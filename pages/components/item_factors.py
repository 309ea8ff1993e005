"""What models have learned of items, kept in the server's memory: of a trained run, or of the SVD of a whole dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from engine.datasets import available, listing
from engine.item_map import Flat, ItemMap, item_map, principal
from engine.models import MODELS
from engine.settings import settings
from engine.store import Run
from pages.components import loaded, scorer, titles
from pages.components.session import store

if TYPE_CHECKING:
    from engine.interactions import Interactions

OF_DATASET = "svd:"
"""Begins the name of a dataset's SVD among the sources."""
LISTED = 200
WITHOUT = ("itemknn", "bias", "mean", "popularity")
"""Models that learn no factors of items."""


def sources() -> dict[str, str]:
    """Everything with factors of items: name in the address → what the menu says; finished runs, then the SVD of each dataset here."""
    runs = [run for run in store().list(limit=LISTED) if model_of(run) not in WITHOUT and store().has(run.id, "model")]
    data = [entry for entry in listing() if available(entry.name)]
    return {run.id: titles.run_title(run) for run in runs} | {
        f"{OF_DATASET}{entry.name}": f"{MODELS['svd'].title} of {entry.title}, all ratings" for entry in data
    }


def model_of(run: Run) -> str:
    """Name of the model in a run's configuration."""
    return str(run.config.get("model", {}).get("name"))


def map_of(source: str) -> ItemMap:
    """The most rated items with their factors; `source` as `sources` names it. Raises InputError."""
    if source.startswith(OF_DATASET):
        name = source.removeprefix(OF_DATASET)
        return _of_dataset(loaded.ratings(name), name, _version(source))
    return _of_run(store().get(source).id, _version(source))


def principal_of(source: str, fewest: int) -> Flat:
    """The items with at least so many ratings in the two directions in which they differ most. Raises InputError."""
    return _principal(source, fewest, _version(source))


def _version(source: str) -> str:
    """What else the factors depend on."""
    changed = 0.0 if source.startswith(OF_DATASET) else store().changed(source, "model")
    return f"{settings()!r} {changed}"


@st.cache_resource(max_entries=6, show_spinner="Reading what the model has learned …")
def _of_run(run_id: str, version: str) -> ItemMap:
    from engine.experiment import load_model

    trained = load_model(run_id, store(), scorer.split_of(store().get(run_id)))
    return item_map(trained.model.item_factors(trained.split.visible), trained.split.interactions)


@st.cache_resource(max_entries=6, show_spinner=False)
def _of_dataset(_data: Interactions, name: str, version: str) -> ItemMap:
    return item_map(loaded.spectrum_of(name, "bias").model.item_factors(_data.ratings), _data)


@st.cache_data(max_entries=32, show_spinner="Laying the items flat …")
def _principal(source: str, fewest: int, version: str) -> Flat:
    return principal(map_of(source).at_least(fewest).factors)
