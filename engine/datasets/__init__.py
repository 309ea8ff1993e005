"""Where ratings come from: `DATASETS` by name, a person's own files by path, saved uploads as "upload:…".

To add a dataset, write a function that returns `Interactions` and register it here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, field_validator

from engine.datasets import amazon, generated, movielens, netflix, synthetic, toy
from engine.datasets.cache import cached
from engine.datasets.faults import Account
from engine.datasets.preview import Preview, glance, preview
from engine.datasets.reading import Reading
from engine.datasets.rows import Progress
from engine.datasets.sources import Published, find
from engine.datasets.table import read_ratings
from engine.datasets.uploads import PREFIX, Upload, load_upload, save_upload, uploads
from engine.errors import unknown
from engine.interactions import Interactions

__all__ = [
    "DATASETS",
    "Account",
    "Dataset",
    "DatasetConfig",
    "Preview",
    "Reading",
    "Upload",
    "available",
    "glance",
    "is_path",
    "listing",
    "load",
    "preview",
    "save_upload",
    "uploads",
]


@dataclass(frozen=True)
class Dataset:
    """One entry of the list of datasets.

    Attributes:
        name: as in a configuration.
        title, description: for people.
        load: reads it, telling its progress; downloads what is missing.
        n_users, n_items, n_ratings: known before anything is loaded.
        has_timestamps: whether time-based splits can be made.
        has_user_features: whether users come with gender, age and occupation.
        offline: it needs no files.
        published: where its files come from, None for those that need none.
        account: of an upload, what became of its file's rows.
    """

    name: str
    title: str
    description: str
    load: Callable[[Progress], Interactions]
    n_users: int
    n_items: int
    n_ratings: int
    has_timestamps: bool = True
    has_user_features: bool = True
    offline: bool = False
    published: Published | None = None
    account: Account | None = None

    @property
    def downloadable(self) -> bool:
        """Whether it can be fetched from its publisher when it is not on this machine."""
        return self.published is not None and self.published.url is not None


_LICENCE = "From GroupLens, free for research but not for commercial use: https://grouplens.org/datasets/movielens/"


def _published(published: Published, load: Callable[[Progress], Interactions], title: str, description: str, **known: Any) -> Dataset:
    return Dataset(published.name, title, description, load, n_ratings=published.n_ratings, published=published, **known)


_LISTED = (
    Dataset(
        name="synthetic",
        title="Synthetic films",
        description="Generated ratings of invented films by invented people, with a known noise floor that no model can beat.",
        load=lambda _progress: synthetic.load(),
        n_users=2000,
        n_items=1200,
        n_ratings=230_264,
        offline=True,
    ),
    Dataset(
        name="toy",
        title="Toy 18 × 10",
        description="The 18 × 10 matrix of the deep-autoencoder assignment, small enough to follow every number by eye.",
        load=lambda _progress: toy.load(),
        n_users=18,
        n_items=10,
        n_ratings=45,
        has_timestamps=False,
        has_user_features=False,
        offline=True,
    ),
    Dataset(
        name="generated-apps",
        title="Generated app ratings",
        description="2.6 million generated ratings of 240,000 users and 14,000 apps, in the size of a sample of Amazon's apps for Android: "
        "for trying how a model bears it, not for what it finds.",
        load=lambda _progress: generated.load_apps(),
        n_users=generated.AMAZON.users,
        n_items=generated.AMAZON.items,
        n_ratings=generated.AMAZON.ratings,
        has_timestamps=False,
        has_user_features=False,
        offline=True,
    ),
    _published(
        movielens.SMALL,
        partial(movielens.load_csv, movielens.SMALL),
        "MovieLens latest small",
        f"Half-star ratings of films, 1996 to 2018. {_LICENCE}latest/",
        n_users=610,
        n_items=9724,
        has_user_features=False,
    ),
    _published(
        movielens.ML_100K,
        movielens.load_100k,
        "MovieLens 100K",
        f"Whole-star ratings of films, 1997 to 1998, with user features and the published test file u1.test. {_LICENCE}100k/",
        n_users=943,
        n_items=1682,
    ),
    _published(
        movielens.ML_1M,
        movielens.load_1m,
        "MovieLens 1M",
        f"Whole-star ratings of films, 2000 to 2003, with user features. {_LICENCE}1m/",
        n_users=6040,
        n_items=3706,
    ),
    _published(
        movielens.ML_10M,
        movielens.load_10m,
        "MovieLens 10M",
        f"Half-star ratings of films, 1995 to 2009; an archive of 66 MB. {_LICENCE}10m/",
        n_users=69_878,
        n_items=10_677,
        has_user_features=False,
    ),
    _published(
        movielens.ML_20M,
        partial(movielens.load_csv, movielens.ML_20M),
        "MovieLens 20M",
        f"Half-star ratings of films, 1995 to 2015; an archive of 199 MB. {_LICENCE}20m/",
        n_users=138_493,
        n_items=26_744,
        has_user_features=False,
    ),
    _published(
        movielens.ML_25M,
        partial(movielens.load_csv, movielens.ML_25M),
        "MovieLens 25M",
        f"Half-star ratings of films, 1995 to 2019; an archive of 262 MB. {_LICENCE}25m/",
        n_users=162_541,
        n_items=59_047,
        has_user_features=False,
    ),
    _published(
        movielens.ML_32M,
        partial(movielens.load_csv, movielens.ML_32M),
        "MovieLens 32M",
        f"Half-star ratings of films, 1995 to 2023; an archive of 239 MB. {_LICENCE}32m/",
        n_users=200_948,
        n_items=84_432,
        has_user_features=False,
    ),
    _published(
        netflix.NETFLIX,
        netflix.load,
        "Netflix Prize",
        "Whole-star ratings of films by day, 1999 to 2005, 2 GB of text, with the published test file probe.txt. For research only and not "
        "to be passed on, says its README; Netflix no longer offers it, so bring your own copy.",
        n_users=480_189,
        n_items=17_770,
        has_user_features=False,
    ),
    _published(
        amazon.APPS,
        amazon.load_apps,
        "Amazon apps for Android",
        "Whole-star ratings of apps by day, up to 2014; most users rated a single one. Collected by J. McAuley (UCSD), who asks for a "
        "citation and names no licence; to be fetched by hand from https://jmcauley.ucsd.edu/data/amazon/links.html",
        n_users=1_323_884,
        n_items=61_275,
        has_user_features=False,
    ),
)
DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in _LISTED}

CACHED_FROM = 2**22
"""Ratings files of at least this many bytes are kept as arrays once they have been read."""


class _Named(BaseModel):
    name: str = Field(
        "synthetic", title="Dataset", min_length=1, description="A registered dataset, a saved upload, or the path of a ratings file."
    )


class DatasetConfig(Reading, _Named):
    """Which ratings a run reads; all but the name matters for a ratings file only."""

    @field_validator("name")
    @classmethod
    def _absolute(cls, name: str) -> str:
        # The run may be read by a process that works in another folder.
        return str(Path(name).expanduser().absolute()) if is_path(name) else name


def is_path(name: str) -> bool:
    """Whether a dataset's name means a file on this machine; a page must refuse such a name when it comes from a browser."""
    if name in DATASETS or re.fullmatch(PREFIX + r"[a-z0-9-]*", name):
        return False
    return "/" in name or "\\" in name or name.startswith("~") or "." in name


def load(config: DatasetConfig, progress: Progress = None) -> Interactions:
    """The ratings that a configuration names.

    Args:
        progress: called with a sentence now and then.

    Raises:
        InputError: there is no such dataset, it could not be downloaded, or the file is not usable.
    """
    if is_path(config.name):
        return _file(config, progress)
    if config.name.startswith(PREFIX):
        return load_upload(config.name)
    return _registered(config.name).load(progress)


def available(name: str) -> bool:
    """Whether a dataset can be loaded without the network. Raises InputError for an unknown name."""
    if is_path(name):
        return Path(name).expanduser().is_file()
    if name.startswith(PREFIX):
        return name in {upload.name for upload in uploads()}
    published = _registered(name).published
    return published is None or find(published) is not None


def listing() -> list[Dataset]:
    """Every registered dataset and saved upload, with `has_timestamps` as it is for the copy on this machine."""
    registered = [
        replace(dataset, has_timestamps=movielens.timestamps_at_hand()) if dataset.name == movielens.ML_1M.name else dataset
        for dataset in DATASETS.values()
    ]
    return registered + [_entry(upload) for upload in uploads()]


def _file(config: DatasetConfig, progress: Progress) -> Interactions:
    path = Path(config.name)
    reading = config.model_dump(exclude={"name"})
    if progress:
        progress(f"Reading {path.name}")

    def read() -> Interactions:
        data, account = read_ratings(path, reading=Reading(**reading)).interactions()
        if progress:
            progress(f"{path.name}: {account}")
        return data

    large = path.is_file() and path.stat().st_size >= CACHED_FROM
    return cached(path.name, [path], read, reading) if large else read()


def _registered(name: str) -> Dataset:
    if name not in DATASETS:
        raise unknown("dataset", name, DATASETS)
    return DATASETS[name]


def _entry(upload: Upload) -> Dataset:
    return Dataset(
        name=upload.name,
        title=upload.title,
        description="Ratings handed in through the browser.",
        load=lambda _progress: load_upload(upload.name),
        n_users=upload.n_users,
        n_items=upload.n_items,
        n_ratings=upload.n_ratings,
        has_timestamps=upload.has_timestamps,
        has_user_features=False,
        offline=True,
        account=upload.account,
    )
