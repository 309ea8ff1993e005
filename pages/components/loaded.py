"""Datasets, splits and decompositions that pages show: read once per server, shared by all tabs, the oldest forgotten."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from engine import datasets
from engine.config import RunConfig, parse
from engine.datasets import DatasetConfig, is_path
from engine.errors import InputError, unknown
from engine.interactions import Interactions
from engine.profile import Profile, Tail, item_table, over_time, profile, rating_counts, tail
from engine.settings import settings
from engine.splits import Split, make_split
from pages.components import titles

if TYPE_CHECKING:
    from engine.decomposition import Factors, RankCurve, Spectrum


@dataclass(frozen=True, eq=False)
class Portrait:
    """What the Data page shows of a dataset; see engine.profile. `periods` is None without timestamps."""

    profile: Profile
    values: pd.DataFrame
    users: Tail
    items: Tail
    table: pd.DataFrame
    periods: pd.DataFrame | None


def ratings(name: str) -> Interactions:
    """The ratings of a registered dataset or a saved upload that is on this machine.

    Raises:
        InputError: see `refuse`.
    """
    if is_path(name) or not datasets.available(name):
        raise refuse(name)
    return _ratings(name, _where())


def refuse(name: str) -> InputError:
    """Why a page does not show the dataset of this name, in one sentence."""
    if is_path(name):
        return InputError(f"A link cannot name a file of this machine ('{name}'): upload it on the Data page.")
    known = titles.dataset_titles()
    if name in known:
        return InputError(f"{known[name]} is not on this machine yet: download it on the Data page.")
    return unknown("dataset", name, known)


def portrait(name: str) -> Portrait:
    """The dataset as the Data page shows it. Raises InputError as `ratings`."""
    return _portrait(ratings(name), name, _where())


def split_of(config: RunConfig) -> Split:
    """The split of a configuration's dataset, without preprocessing. Raises InputError where it is impossible."""
    data = ratings(config.dataset.name)
    return _split(data, config.dataset.name, config.split.model_dump_json(), _where())


def later_part(name: str) -> date | None:
    """The day from which the latest fifth of the ratings was given; None without timestamps. Raises InputError as `ratings`."""
    return _later_part(ratings(name), name, _where())


def spectrum_of(name: str, centring: str) -> Spectrum:
    """All ratings of a dataset decomposed, see engine.decomposition."""
    return _spectrum(ratings(name), name, centring, _where())


def item_map_of(name: str, centring: str) -> pd.DataFrame:
    """The items of a dataset with their factors, see engine.decomposition."""
    return _item_map(spectrum_of(name, centring), ratings(name), name, centring, _where())


def factors_of(name: str, centring: str, rank: int) -> Factors:
    """A and B of a dataset at a rank, see engine.decomposition."""
    from engine.decomposition import factors

    return factors(spectrum_of(name, centring).model, ratings(name), rank)


def decomposed(name: str, rank: int, centring: str) -> dict[str, Any]:
    """A dataset at one rank; of a small one with its reconstruction, see engine.decomposition. Raises InputError."""
    return _decomposed(ratings(name), name, rank, centring, _where())


def rank_curve_of(config: RunConfig, centring: str) -> RankCurve:
    """Seen and held-out error by rank on a configuration's split, up to the highest rank that runs try."""
    highest = config.evaluation.max_rank
    return _rank_curve(split_of(config), config.dataset.name, config.split.model_dump_json(), centring, highest, _where())


def configured(name: str, split: dict[str, object]) -> RunConfig:
    """A configuration of this dataset and split, else with defaults. Raises InputError where an option is out of bounds."""
    return parse({"dataset": {"name": name}, "split": split})


def _where() -> str:
    """What else the content of a name depends on."""
    return repr(settings())


@st.cache_resource(max_entries=4, show_spinner="Reading the ratings …")
def _ratings(name: str, where: str) -> Interactions:
    return datasets.load(DatasetConfig(name=name))


@st.cache_resource(max_entries=8, show_spinner="Counting …")
def _portrait(_data: Interactions, name: str, where: str) -> Portrait:
    periods = None if _data.timestamps is None else over_time(_data.timestamps)
    return Portrait(profile(_data), rating_counts(_data), tail(_data, "users"), tail(_data, "items"), item_table(_data), periods)


@st.cache_resource(max_entries=4, show_spinner="Splitting …")
def _split(_data: Interactions, name: str, options: str, where: str) -> Split:
    return make_split(_data, parse({"split": json.loads(options)}).split)


@st.cache_data(max_entries=8, show_spinner=False)
def _later_part(_data: Interactions, name: str, where: str) -> date | None:
    times = _data.timestamps
    return None if times is None else datetime.fromtimestamp(float(np.quantile(times, 0.8)), UTC).date()


@st.cache_resource(max_entries=8, show_spinner="Decomposing …")
def _spectrum(_data: Interactions, name: str, centring: str, where: str) -> Spectrum:
    from engine.decomposition import spectrum

    return spectrum(_data, "bias" if centring == "bias" else "none")


@st.cache_resource(max_entries=8, show_spinner=False)
def _item_map(_found: Spectrum, _data: Interactions, name: str, centring: str, where: str) -> pd.DataFrame:
    from engine.decomposition import item_map

    return item_map(_found.model, _data)


@st.cache_resource(max_entries=32, show_spinner=False)
def _decomposed(_data: Interactions, name: str, rank: int, centring: str, where: str) -> dict[str, Any]:
    from engine.decomposition import decompose_dataset

    return decompose_dataset(_data, rank, "bias" if centring == "bias" else "none")


@st.cache_resource(max_entries=8, show_spinner="Judging every rank on held-out ratings …")
def _rank_curve(_split: Split, name: str, options: str, centring: str, highest: int, where: str) -> RankCurve:
    from engine.decomposition import rank_curve

    return rank_curve(_split, "bias" if centring == "bias" else "none", highest)
