"""What a configuration amounts to: its split, the baselines beside it and, after a run, its trained model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import psutil

from engine import datasets
from engine.config import RunConfig, parse
from engine.datasets.sources import fetch
from engine.errors import InputError, unknown
from engine.evaluation import choose_rank, rates
from engine.groups import check_group, restrict
from engine.judging import refuse_rating_errors
from engine.models import MODELS, AutoencoderConfig, BiasConfig, ModelConfig, PopularityConfig, SVDConfig, build
from engine.models.configs import parameter_count
from engine.models.contract import ClosedForm, Recommender
from engine.models.ease import require_memory
from engine.models.svd import SVD, highest_rank
from engine.preprocessing import preprocess
from engine.splits import Split, check_options, make_split
from engine.store import Run, RunStore

BYTES_PER_WEIGHT = 16
"""A weight, its gradient and Adam's two moments, in float32."""


def check(config: RunConfig) -> None:
    """Answers at once what would fail a run for sure, without reading any ratings.

    Raises:
        InputError: there is no such dataset, file or upload, or nobody has brought the files that cannot be downloaded; a split by
            time is asked of data without timestamps; the rank is above what the data allows; the network's weights and optimizer
            need more memory than the machine has; ratings are binarised, and an error of ratings is to pick the best epoch.
    """
    if config.preprocessing.binarise is not None:
        refuse_rating_errors(config)
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
    check_options(config.split, name, known[name].has_timestamps)
    if getattr(config.model, "user_features", False) and not known[name].has_user_features:
        raise InputError(f"{name} tells nothing about its users, so model.user_features is not possible: switch it off, or take ml-1m.")
    check_group(config.group, name, known[name].has_user_features)
    _check_size(config, known[name])


def _check_size(config: RunConfig, dataset: datasets.Dataset) -> None:
    sample = config.preprocessing
    shape = (min(dataset.n_users, sample.sample_users or dataset.n_users), min(dataset.n_items, sample.sample_items or dataset.n_items))
    if isinstance(config.model, SVDConfig) and config.model.rank > highest_rank(shape):
        highest = highest_rank(shape)
        raise InputError(f"model.rank is {config.model.rank}, but for {shape[0]:,} users and {shape[1]:,} items it is at most {highest}.")
    if config.model.name == "ease":
        require_memory(shape[1])
    if isinstance(config.model, AutoencoderConfig):
        columns = shape[1] if config.model.orientation == "user" else shape[0]
        require_room(config.model, parameter_count(config.model, columns), shape)


def require_room(model: ModelConfig, weights: int, shape: tuple[int, int]) -> None:
    """Raises InputError when so many weights, with what the optimizer keeps of each, need more memory than the machine has."""
    needed, there = BYTES_PER_WEIGHT * weights, psutil.virtual_memory().total
    if needed > there:
        raise InputError(
            f"{MODELS[model.name].title} for {shape[0]:,} users and {shape[1]:,} items needs about {_size(needed)}, and "
            f"this machine has {_size(there)}: make model.layers and the like smaller, or keep fewer items."
        )


def _size(count: float) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def open_split(config: RunConfig, tell: Callable[[str], None] | None = None) -> Split:
    """Loads, preprocesses and splits the configured dataset. Raises InputError with what is wrong."""
    interactions = datasets.load(config.dataset, tell)
    return restrict(make_split(preprocess(interactions, config.preprocessing), config.split), config.group)


def fit_baselines(split: Split, config: RunConfig) -> dict[str, ClosedForm]:
    """What a run is compared with, fitted on its own training ratings: the SVD whose rank is the best on validation, and the floor.

    The floor is user + item bias; popularity where all ratings are alike, because then a bias tells nothing.
    """
    alike = split.interactions.one_class
    config_of_floor: PopularityConfig | BiasConfig = PopularityConfig() if alike else BiasConfig()
    floor = build(config_of_floor, *split.train.shape)
    assert isinstance(floor, ClosedForm)
    floor.fit(split.train)
    return {config_of_floor.name: floor, "svd": choose_rank(split, config.evaluation.max_rank, config.evaluation.k)}


@dataclass(frozen=True)
class TrainedRun:
    """A run's best model, with all that is needed to use it."""

    run: Run
    config: RunConfig
    split: Split
    model: Recommender
    svd: SVD

    @property
    def rates(self) -> bool:
        """Whether the model is judged by the ratings that it predicts."""
        return rates(self.model, self.split.interactions)


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
    tensors, about = store.load(run.id, "model")
    split = split.joined() if about.get("refitted") else split
    model = build(config.model, split.interactions.n_users, split.interactions.n_items, split.interactions.users)
    model.restore(tensors)
    factors, meta = store.load(run.id, "svd")
    svd = SVD(SVDConfig(**meta["config"]), *split.train.shape)
    svd.restore(factors)
    return TrainedRun(run, config, split, model, svd)
