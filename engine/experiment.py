"""What a configuration amounts to: its split, the baselines beside it and, after a run, its trained model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psutil

from engine import datasets
from engine.config import RunConfig, parse
from engine.datasets.sources import fetch
from engine.errors import InputError, unknown
from engine.evaluation import choose_rank
from engine.models import AutoencoderConfig, BiasConfig, SVDConfig, build
from engine.models.baselines import Bias
from engine.models.configs import parameter_count
from engine.models.contract import Recommender
from engine.models.svd import SVD, highest_rank
from engine.preprocessing import preprocess
from engine.splits import Split, make_split
from engine.store import Run, RunStore

BYTES_PER_WEIGHT = 16
"""A weight, its gradient and Adam's two moments, in float32."""


def check(config: RunConfig) -> None:
    """Answers at once what would fail a run for sure, without reading any ratings.

    Raises:
        InputError: there is no such dataset, file or upload, or nobody has brought the files that cannot be downloaded; a split by
            time is asked of data without timestamps; the rank is above what the data allows; the network's weights and optimizer
            need more memory than the machine has.
    """
    name = config.dataset.name
    if datasets.is_path(name):
        if not datasets.available(name):
            raise InputError(f"There is no file {name}.")
        return
    known = {dataset.name: dataset for dataset in datasets.listing()}
    if name not in known:
        raise unknown("dataset", name, known)
    published = known[name].published
    if published is not None and not known[name].downloadable:
        fetch(published)
    if config.split.kind in ("time", "last") and not known[name].has_timestamps:
        raise InputError(f"{name} has no timestamps, so split.kind={config.split.kind} is not possible: use 'random' or 'stratified'.")
    _check_size(config, known[name])


def _check_size(config: RunConfig, dataset: datasets.Dataset) -> None:
    sample = config.preprocessing
    shape = (min(dataset.n_users, sample.sample_users or dataset.n_users), min(dataset.n_items, sample.sample_items or dataset.n_items))
    if isinstance(config.model, SVDConfig) and config.model.rank > highest_rank(shape):
        highest = highest_rank(shape)
        raise InputError(f"model.rank is {config.model.rank}, but for {shape[0]:,} users and {shape[1]:,} items it is at most {highest}.")
    if isinstance(config.model, AutoencoderConfig):
        columns = shape[1] if config.model.orientation == "user" else shape[0]
        needed, there = BYTES_PER_WEIGHT * parameter_count(config.model, columns), psutil.virtual_memory().total
        if needed > there:
            raise InputError(
                f"Layers {', '.join(map(str, config.model.layers))} on {columns:,} columns need about {needed / 1e9:,.0f} GB, and this "
                f"machine has {there / 1e9:,.0f} GB: make them smaller, or keep fewer items."
            )


def open_split(config: RunConfig, tell: Callable[[str], None] | None = None) -> Split:
    """Loads, preprocesses and splits the configured dataset. Raises InputError with what is wrong."""
    interactions = datasets.load(config.dataset, tell)
    return make_split(preprocess(interactions, config.preprocessing), config.split)


@dataclass(frozen=True)
class Baselines:
    """User + item bias and the best-ranked SVD, fitted on the run's own training ratings."""

    bias: Bias
    svd: SVD

    def test(self, split: Split, judge: Callable[[Recommender, str], dict[str, float]]) -> dict[str, dict[str, Any]]:
        """Test metrics of each, with the validation metrics inside."""
        return {
            "bias": {**judge(self.bias, "test"), "validation": judge(self.bias, "validation")},
            "svd": {**judge(self.svd, "test"), "rank": self.svd.config.rank, "validation": judge(self.svd, "validation")},
        }


def fit_baselines(split: Split, config: RunConfig) -> Baselines:
    """Bias, and the SVD (centred by bias) whose rank has the lowest validation RMSE."""
    bias = Bias(BiasConfig(), *split.train.shape)
    bias.fit(split.train)
    svd = choose_rank(split, config.evaluation.max_rank)
    return Baselines(bias, svd)


@dataclass(frozen=True)
class TrainedRun:
    """A run's best model, with all that is needed to use it."""

    run: Run
    config: RunConfig
    split: Split
    model: Recommender
    svd: SVD


def load_model(run_id: str, store: RunStore, split: Split | None = None) -> TrainedRun:
    """The best model of a run so far, its split and the SVD beside it.

    Args:
        split: of the run's configuration, where the caller has it already.

    Raises:
        InputError: the run has not learned anything yet.
    """
    run = store.get(run_id)
    config = parse(run.config)
    if not store.has(run.id, "model"):
        raise InputError(f"Run {run.name} has no trained model yet: it is {run.state}.")
    split = split or open_split(config)
    tensors, _ = store.load(run.id, "model")
    model = build(config.model, *split.train.shape)
    model.restore(tensors)
    factors, meta = store.load(run.id, "svd")
    svd = SVD(SVDConfig(**meta["config"]), *split.train.shape)
    svd.restore(factors)
    return TrainedRun(run, config, split, model, svd)
