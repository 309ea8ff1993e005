"""Readers of the MovieLens files as GroupLens publishes them (Harper & Konstan 2015, doi:10.1145/2827872)."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from engine.datasets.archives import LARGEST_WHOLE, Source
from engine.datasets.packed import Bounded
from engine.datasets.rows import UNREADABLE, Meter, Progress, read_columns
from engine.datasets.sources import Published, find, load_published
from engine.gathering import from_columns
from engine.interactions import Interactions

_SITE = "https://files.grouplens.org/datasets/movielens"
_CSV = (("ratings.csv",), ("ratings.csv", "movies.csv"))

# md5 as GroupLens publishes it beside the archive; of latest-small the SHA-256 that other libraries pin (the 2018-09 edition).
SMALL = Published(
    "ml-latest-small",
    f"{_SITE}/ml-latest-small.zip",
    "sha256:696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
    *_CSV,
    n_ratings=100_836,
)
ML_100K = Published(
    "ml-100k",
    f"{_SITE}/ml-100k.zip",
    "md5:0e33842e24a9c977be4e0107933c0723",
    ratings=("u.data",),
    files=("u.data", "u.genre", "u.item", "u.user", "u1.test"),
    n_ratings=100_000,
)
ML_1M = Published(
    "ml-1m",
    f"{_SITE}/ml-1m.zip",
    "md5:c4d9eecfca2ab87c1945afe126590906",
    ratings=("ratings.dat",),
    files=("ratings.dat", "ratings.csv.gz", "users.dat", "movies.dat"),
    n_ratings=1_000_209,
    partial="ratings.csv.gz",
)
ML_10M = Published(
    "ml-10m",
    f"{_SITE}/ml-10m.zip",
    "md5:ce571fd55effeba0271552578f2648bd",
    ratings=("ratings.dat",),
    files=("ratings.dat", "movies.dat"),
    n_ratings=10_000_054,
    folder="ml-10M100K",
    folders=("ml-10m", "ml-10M100K"),
)
ML_20M = Published("ml-20m", f"{_SITE}/ml-20m.zip", "md5:cd245b17a1ae2cc31bb14903e1204af3", *_CSV, n_ratings=20_000_263)
ML_25M = Published("ml-25m", f"{_SITE}/ml-25m.zip", "md5:6b51fb2759a8657d3bfcbfc42b592ada", *_CSV, n_ratings=25_000_095)
ML_32M = Published("ml-32m", f"{_SITE}/ml-32m.zip", "md5:d472be332d4daa821edc399621853b57", *_CSV, n_ratings=32_000_204)

AGES = {1: "under 18", 18: "18-24", 25: "25-34", 35: "35-44", 45: "45-49", 50: "50-55", 56: "56+"}
GENDERS = {"F": "female", "M": "male"}
T = TypeVar("T")
Record = tuple[int, tuple[str, ...]]

_FIELDS = {"user": pa.int32(), "item": pa.int32(), "rating": pa.float32(), "timestamp": pa.int32()}
_NAMES = tuple(_FIELDS)
_HEADER = ("userId", "movieId", "rating", "timestamp")
# The order is that of the codes 0-20 in ml-1m's README.
OCCUPATIONS = (
    *("other or not specified", "academic or educator", "artist", "clerical or admin", "college or graduate student"),
    *("customer service", "doctor or health care", "executive or managerial", "farmer", "homemaker", "K-12 student", "lawyer"),
    *("programmer", "retired", "sales or marketing", "scientist", "self-employed", "technician or engineer"),
    *("tradesman or craftsman", "unemployed", "writer"),
)


def load_csv(published: Published, progress: Progress = None) -> Interactions:
    """ml-latest-small (2018), ml-20m (2015), ml-25m (2019), ml-32m (2023): half stars, titles and genres, no user features."""
    return load_published(published, lambda source, meter: _read_csv(published, source, meter), progress)


def load_100k(progress: Progress = None) -> Interactions:
    """ml-100k (1998): whole stars, titles and genres, gender, age and occupation of users; the published test file is u1.test."""
    return load_published(ML_100K, _read_100k, progress)


def load_1m(progress: Progress = None) -> Interactions:
    """ml-1m (2003): whole stars, titles and genres, gender, age and occupation of users.

    Without the official ratings.dat, ratings.csv.gz (userId, movieId, rating) is read and there are no timestamps. Where its
    films are numbered anew, so that movies.dat does not fit them, titles and genres are left out rather than told wrong.
    """
    return load_published(ML_1M, _read_1m, progress)


def load_10m(progress: Progress = None) -> Interactions:
    """ml-10m (2009): half stars, titles and genres, no user features."""
    return load_published(ML_10M, _read_10m, progress)


def timestamps_at_hand() -> bool:
    """False where the copy of ml-1m on this machine is the one without timestamps."""
    source = find(ML_1M)
    return source is None or source.has(ML_1M.ratings[0])


def _read_csv(published: Published, source: Source, meter: Meter) -> Interactions:
    columns = _ratings(source, "ratings.csv", meter)
    content = source.read("movies.csv")
    try:
        movies = pd.read_csv(io.BytesIO(content), index_col="movieId")[["title", "genres"]]
    except (ValueError, KeyError) as error:
        raise source.damaged("movies.csv") from error
    meter.ordering()
    return from_columns(published.name, columns, items=_listed(movies), scale=(0.5, 5))


def _read_100k(source: Source, meter: Meter) -> Interactions:
    genres = list(_records(source, "u.genre", "|", 2, lambda genre, position: (int(position), genre)).values())

    def item(number: str, title: str, _released: str, _video: str, _address: str, *flags: str) -> Record:
        known = [genre for genre, flag in zip(genres, flags, strict=True) if flag == "1" and genre != "unknown"]
        return int(number), (title, "|".join(known))

    def user(number: str, age: str, gender: str, occupation: str, _zip_code: str) -> Record:
        return int(number), (GENDERS[gender], _age_group(int(age)), occupation)

    items = _records(source, "u.item", "|", 5 + len(genres), item)
    users = _records(source, "u.user", "|", 5, user)
    columns, test = (_ratings(source, file, meter, _NAMES, "\t") for file in ("u.data", "u1.test"))
    pairs, published = (np.stack([part["user"], part["item"]], axis=1).view(np.int64).ravel() for part in (columns, test))
    columns["published_test"] = np.isin(pairs, published)
    return from_columns(ML_100K.name, columns, users=_people(users), items=_films(items), scale=(1, 5))


def _read_1m(source: Source, meter: Meter) -> Interactions:
    if source.has("ratings.dat"):
        columns = _ratings(source, "ratings.dat", meter, _NAMES, "::")
    else:
        columns = _ratings(source, "ratings.csv.gz", meter)
    numbered = _records(source, "movies.dat", "::", 3, _film)
    films = _films(numbered) if np.isin(columns["item"], list(numbered)).all() else None
    if films is None:
        meter.say(f"{source.place} numbers its films otherwise than movies.dat does, so ml-1m comes without titles")

    def user(number: str, gender: str, age: str, occupation: str, _zip_code: str) -> Record:
        return int(number), (GENDERS[gender], AGES[int(age)], OCCUPATIONS[int(occupation)])

    users = _records(source, "users.dat", "::", 5, user)
    return from_columns(ML_1M.name, columns, users=_people(users), items=films, scale=(1, 5))


def _read_10m(source: Source, meter: Meter) -> Interactions:
    columns = _ratings(source, "ratings.dat", meter, _NAMES, "::")
    movies = _records(source, "movies.dat", "::", 3, _film, "utf-8")
    meter.ordering()
    return from_columns(ML_10M.name, columns, items=_listed(_films(movies)), scale=(0.5, 5))


def _film(number: str, title: str, genres: str) -> Record:
    return int(number), (title, genres)


def _records(
    source: Source, member: str, separator: str, width: int, record: Callable[..., tuple[int, T]], encoding: str = "latin-1"
) -> dict[int, T]:
    """A small file as number → what `record` makes of the fields of its line. Raises InputError where a line is not as published."""
    content = source.read(member)
    try:
        rows = [line.decode(encoding).split(separator) for line in content.splitlines() if line]
        if any(len(row) != width for row in rows):
            raise ValueError(f"a line of {member} has not {width} fields")
        # Some copies of ml-100k have a header: "movie id | movie title | …".
        return dict(record(*row) for row in (rows[1:] if rows and rows[0][0].strip().endswith("id") else rows))
    except (ValueError, KeyError, IndexError) as error:
        raise source.damaged(member) from error


def _ratings(source: Source, member: str, meter: Meter, names: Sequence[str] | None = None, separator: str = ",") -> dict[str, np.ndarray]:
    """Columns as `from_columns` takes them, from a file of such fields (`names`), or one with a header; one without times if packed."""
    types = _FIELDS if names is not None else dict(zip(_HEADER, _FIELDS.values(), strict=True))
    packed = member.endswith(".gz")
    if packed:
        types = {name: kind for name, kind in types.items() if name != "timestamp"}
    with source.open(member) as stream:
        try:
            unpacked = Bounded(gzip.GzipFile(fileobj=stream), LARGEST_WHOLE) if packed else stream
            columns = read_columns(unpacked, types, meter, names=names, separator=separator)
        except (*UNREADABLE, gzip.BadGzipFile, zlib.error) as error:
            raise source.damaged(member) from error
    return {name: columns.pop(given) for name, given in zip(_NAMES, types, strict=False)}


def _age_group(age: int) -> str:
    return AGES[max(start for start in AGES if start <= max(age, 1))]


def _people(users: dict[int, tuple[str, ...]]) -> pd.DataFrame:
    return pd.DataFrame.from_dict(users, orient="index", columns=["gender", "age", "occupation"])


def _films(items: dict[int, tuple[str, ...]]) -> pd.DataFrame:
    return pd.DataFrame.from_dict(items, orient="index", columns=["title", "genres"])


def _listed(films: pd.DataFrame) -> pd.DataFrame:
    return films.assign(genres=films["genres"].replace("(no genres listed)", ""))
