"""Readers of the MovieLens files as GroupLens publishes them (Harper & Konstan 2015, doi:10.1145/2827872)."""

from __future__ import annotations

import gzip
import io
import zlib

import numpy as np
import pandas as pd

from engine.datasets.sources import Progress, Published, Source, fetch, find
from engine.errors import InputError
from engine.interactions import Interactions, from_frame

_SITE = "https://files.grouplens.org/datasets/movielens"

# md5 as GroupLens publishes it beside the archive; of latest-small the SHA-256 that other libraries pin (the 2018-09 edition).
SMALL = Published(
    "ml-latest-small",
    f"{_SITE}/ml-latest-small.zip",
    "sha256:696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
    ratings="ratings.csv",
)
ML_100K = Published("ml-100k", f"{_SITE}/ml-100k.zip", "md5:0e33842e24a9c977be4e0107933c0723", ratings="u.data")
ML_1M = Published("ml-1m", f"{_SITE}/ml-1m.zip", "md5:c4d9eecfca2ab87c1945afe126590906", ratings="ratings.dat", partial="ratings.csv.gz")

AGES = {1: "under 18", 18: "18-24", 25: "25-34", 35: "35-44", 45: "45-49", 50: "50-55", 56: "56+"}
GENDERS = {"F": "female", "M": "male"}
# The order is that of the codes 0-20 in ml-1m's README.
OCCUPATIONS = (
    *("other or not specified", "academic or educator", "artist", "clerical or admin", "college or graduate student"),
    *("customer service", "doctor or health care", "executive or managerial", "farmer", "homemaker", "K-12 student", "lawyer"),
    *("programmer", "retired", "sales or marketing", "scientist", "self-employed", "technician or engineer"),
    *("tradesman or craftsman", "unemployed", "writer"),
)


def load_small(progress: Progress = None) -> Interactions:
    """ml-latest-small (2018): half stars, titles and genres, no user features."""
    source = fetch(SMALL, progress)
    _tell(progress, SMALL)
    frame = _csv(source, "ratings.csv", names={"userId": "user", "movieId": "item"})
    movies = _csv(source, "movies.csv", names={"movieId": "item"}).set_index("item")[["title", "genres"]]
    movies["genres"] = movies["genres"].replace("(no genres listed)", "")
    return from_frame(SMALL.name, frame, items=movies, scale=(0.5, 5))


def load_100k(progress: Progress = None) -> Interactions:
    """ml-100k (1998): whole stars, titles and genres, gender, age and occupation of users; the published test file is u1.test."""
    source = fetch(ML_100K, progress)
    _tell(progress, ML_100K)
    genres = [genre for genre, _position in _rows(source, "u.genre", "|", 2)]
    items = {}
    for number, title, _released, _video, _address, *flags in _rows(source, "u.item", "|", 5 + len(genres)):
        known = [genre for genre, flag in zip(genres, flags, strict=True) if flag == "1" and genre != "unknown"]
        items[int(number)] = (title, "|".join(known))
    users = {
        int(number): (GENDERS[gender], _age_group(int(age)), occupation)
        for number, age, gender, occupation, _zip_code in _rows(source, "u.user", "|", 5)
    }
    frame, test = _tabs(source, "u.data"), _tabs(source, "u1.test")
    published = pd.MultiIndex.from_frame(test[["user", "item"]])
    frame["published_test"] = pd.MultiIndex.from_frame(frame[["user", "item"]]).isin(published)
    return from_frame(ML_100K.name, frame, users=_people(users), items=_films(items), scale=(1, 5))


def load_1m(progress: Progress = None) -> Interactions:
    """ml-1m (2003): whole stars, titles and genres, gender, age and occupation of users.

    Without the official ratings.dat, ratings.csv.gz (userId, movieId, rating) is read and there are no timestamps. Where its
    films are numbered anew, so that movies.dat does not fit them, titles and genres are left out rather than told wrong.
    """
    source = fetch(ML_1M, progress)
    _tell(progress, ML_1M)
    if source.has("ratings.dat"):
        frame = _tabs(source, "ratings.dat", separator=b"::")
    else:
        frame = _csv(source, "ratings.csv.gz", names={"userId": "user", "movieId": "item"})
    numbered = {int(number): (title, genres) for number, title, genres in _rows(source, "movies.dat", "::", 3)}
    films = _films(numbered) if frame["item"].isin(list(numbered)).all() else None
    if films is None and progress:
        progress(f"{source.place} numbers its films otherwise than movies.dat does, so ml-1m comes without titles")
    users = {
        int(number): (GENDERS[gender], AGES[int(age)], OCCUPATIONS[int(occupation)])
        for number, gender, age, occupation, _zip_code in _rows(source, "users.dat", "::", 5)
    }
    return from_frame(ML_1M.name, frame, users=_people(users), items=films, scale=(1, 5))


def timestamps_at_hand() -> bool:
    """False where the copy of ml-1m on this machine is the one without timestamps."""
    source = find(ML_1M)
    return source is None or source.has(ML_1M.ratings)


def _tell(progress: Progress, published: Published) -> None:
    if progress:
        progress(f"Reading {published.name}")


def _rows(source: Source, member: str, separator: str, width: int) -> list[list[str]]:
    rows = [line.split(separator) for line in source.read(member).decode("latin-1").splitlines() if line]
    if any(len(row) != width for row in rows):
        raise _damaged(source, member)
    # Some copies of ml-100k have a header: "movie id | movie title | …".
    return rows[1:] if rows and rows[0][0].strip().endswith("id") else rows


def _csv(source: Source, member: str, names: dict[str, str]) -> pd.DataFrame:
    content = source.read(member)
    try:
        content = gzip.decompress(content) if member.endswith(".gz") else content
        return pd.read_csv(io.BytesIO(content)).rename(columns=names)
    except (ValueError, EOFError, OSError, zlib.error) as error:
        raise _damaged(source, member) from error


def _tabs(source: Source, member: str, separator: bytes = b"\t") -> pd.DataFrame:
    """A header-less file of user, item, rating, timestamp: all whole numbers."""
    try:
        content = io.BytesIO(source.read(member).replace(separator, b"\t"))
        return pd.read_csv(content, sep="\t", names=["user", "item", "rating", "timestamp"], dtype=np.int64)
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise _damaged(source, member) from error


def _damaged(source: Source, member: str) -> InputError:
    return InputError(f"{member} in {source.place} is damaged; fetch the official {source.folder} archive again.")


def _age_group(age: int) -> str:
    return AGES[max(start for start in AGES if start <= max(age, 1))]


def _people(users: dict[int, tuple[str, str, str]]) -> pd.DataFrame:
    return pd.DataFrame.from_dict(users, orient="index", columns=["gender", "age", "occupation"])


def _films(items: dict[int, tuple[str, str]]) -> pd.DataFrame:
    return pd.DataFrame.from_dict(items, orient="index", columns=["title", "genres"])
