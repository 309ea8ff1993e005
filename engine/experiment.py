"""What a configuration amounts to: its split, the baselines beside it and, after a run, its trained model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine import datasets, disk, footprint
from engine.config import RunConfig, parse
from engine.datasets.sources import fetch
from engine.errors import InputError, unknown
from engine.evaluation import choose_rank, rates
from engine.groups import check_group, restrict
from engine.judging import refuse_rating_errors
from engine.models import BiasConfig, PopularityConfig, SVDConfig, build
from engine.models.contract import ClosedForm, Recommender
from engine.models.ease import require_memory
from engine.models.svd import SVD, highest_rank
from engine.preprocessing import preprocess
from engine.splits import Split, check_options, make_split
from engine.store import Run, RunStore


def check(config: RunConfig) -> None:
    """Answers at once what would fail a run for sure, without reading any ratings.

    Raises:
        InputError: there is no such dataset, file or upload, or nobody has brought the files that cannot be downloaded; a split by
            time is asked of data without timestamps; the rank is above what the data allows; the run needs more memory than the
            machine has, or more disk than is left (of a file, as far as that can be told without it); ratings are binarised, and an
            error of ratings is to pick the best epoch.
    """
    if config.preprocessing.binarise is not None:
        refuse_rating_errors(config)
    name = config.dataset.name
    if datasets.is_path(name):
        if not datasets.available(name):
            raise InputError(f"There is no file {name}.")
        # How many users and items it has is known once it is read: the run looks again. This is what the smallest would need.
        disk.require(footprint.footprint(config, (1, 1), 1).disk, "A run")
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
    share = shape[0] * shape[1] / max(1, dataset.n_users * dataset.n_items)
    footprint.require(config, shape, int(dataset.n_ratings * share))


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
