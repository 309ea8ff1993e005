"""The suite of loading: MovieLens 1M from its official text form to CSR, in fresh processes."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from engine import datasets
from engine.bench import prepared
from engine.bench.children import alone
from engine.bench.duel import Conditions, alternate
from engine.bench.figures import Measurement, Target, Timing
from engine.datasets.movielens import ML_1M
from engine.datasets.sources import fetch

FIRST_RATING, LAST_RATING = 956_703_932, 1_046_454_590
"""Seconds since 1970 of the official file's first and last rating: the made-up times lie between them."""


@dataclass(frozen=True)
class Loading:
    """The suite; see `epochs.Training` for the fields."""

    name: str
    title: str
    first: Sequence[Target]
    second: Sequence[Target]

    def check(self) -> None:
        """Raises InputError when the ratings are not at hand."""
        prepared.available(ML_1M.name)

    def run(self, now: Conditions) -> list[Measurement]:
        """Each round reads three times: as a textbook does, Encore with an empty home, and Encore with the home of that.

        Raises:
            InputError, ChildError: see `children.Child`.
        """
        with tempfile.TemporaryDirectory(prefix="encore-bench-") as place:
            folder, homes = Path(place) / "data" / ML_1M.name, [Path(place)]
            size = alone("writing the official form", write_official_form, folder)

            def first() -> float:
                homes.append(Path(place) / f"home-{len(homes)}")
                return second()

            def second() -> float:
                return alone("Encore", seconds_of_load, folder, homes[-1])

            calls = {"textbook": lambda: alone("the textbook's way", seconds_of_textbook, folder), "first": first, "second": second}
            samples = alternate(calls, now)
        notes = {"megabytes": round(size / 1e6, 1), "textbook_way": "pandas.read_csv(sep='::', engine='python'), pivot to a dense matrix"}
        textbook = Timing(samples["textbook"])
        return [
            Measurement("text to CSR, first time", Timing(samples["first"]), textbook, self.first, notes=notes),
            Measurement("text to CSR, again", Timing(samples["second"]), textbook, self.second, notes=notes),
        ]


def write_official_form(folder: Path) -> int:
    """ratings.dat as GroupLens writes it, with made-up times, beside the folder's own users.dat and movies.dat. Bytes of ratings.dat."""
    data = datasets.load(datasets.DatasetConfig(name=ML_1M.name))
    source = fetch(ML_1M)
    folder.mkdir(parents=True)
    for member in ("users.dat", "movies.dat"):
        (folder / member).write_bytes(source.read(member))
    films = np.array([int(line.split(b"::")[0]) for line in source.read("movies.dat").splitlines() if line])
    draw = np.random.default_rng(0)
    # Where films are numbered anew, any films of movies.dat will do; users come in order, each one's ratings in none.
    film = data.items.index.to_numpy(int)
    film = film if np.isin(film, films).all() else films[: data.n_items]
    order = np.lexsort((draw.random(data.n_ratings), data.rows))
    columns = (
        data.users.index.to_numpy(int)[data.rows[order]],
        film[data.columns[order]],
        data.ratings.data[order].astype(int),
        draw.integers(FIRST_RATING, LAST_RATING, data.n_ratings),
    )
    path = folder / "ratings.dat"
    text = pd.DataFrame(dict(enumerate(columns))).to_csv(sep="\t", header=False, index=False)
    path.write_text(text.replace("\t", "::"), encoding="latin-1")
    return path.stat().st_size


def seconds_of_load(folder: Path, home: Path) -> float:
    """Seconds of the engine's own loader; imports are not counted."""
    os.environ.update(ENCORE_HOME=str(home), ENCORE_DATA=str(folder.parent))
    started = time.perf_counter()
    data = datasets.load(datasets.DatasetConfig(name=folder.name))
    seconds = time.perf_counter() - started
    assert data.timestamps is not None
    return seconds


def seconds_of_textbook(folder: Path) -> float:
    """Seconds of pandas' parser for separators of several letters, and of the pivot to a dense users × items array."""
    started = time.perf_counter()
    names = ["user", "movie", "rating", "timestamp"]
    ratings = pd.read_csv(folder / "ratings.dat", sep="::", engine="python", names=names, encoding="latin-1")
    dense = ratings.pivot_table(index="user", columns="movie", values="rating").fillna(0).to_numpy(np.float32)
    seconds = time.perf_counter() - started
    assert (dense != 0).sum() == len(ratings)
    return seconds
