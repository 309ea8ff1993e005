"""Reader of the Netflix Prize files (Bennett & Lanning 2007, "The Netflix Prize"): one file per film, or the four combined ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import pyarrow as pa

from engine.datasets import rows as reading
from engine.datasets.archives import Source
from engine.datasets.rows import UNREADABLE, Gathered, Meter, Progress, typed
from engine.datasets.sources import Published, load_published
from engine.errors import InputError
from engine.gathering import from_columns
from engine.interactions import Interactions

COMBINED = tuple(f"combined_data_{number}.txt" for number in range(1, 5))
_TREE = ("", "download/")
NETFLIX = Published(
    "netflix",
    None,
    None,
    ratings=tuple(f"{folder}{file}" for folder in _TREE for file in ("training_set/mv_0000001.txt", "training_set.tar", COMBINED[0])),
    files=tuple(
        f"{folder}{file}"
        for folder in _TREE
        for file in ("training_set/mv_*.txt", "training_set.tar", "combined_data_*.txt", "movie_titles.*", "probe.txt")
    ),
    n_ratings=100_480_507,
    folders=("netflix", "nf_prize_dataset"),
    archives=("nf_prize_dataset.tar.gz", "netflix-prize-data.zip"),
    by_hand="put nf_prize_dataset.tar.gz, or a folder 'netflix' with training_set (or combined_data_1.txt to combined_data_4.txt), "
    "movie_titles.txt and probe.txt,",
)
_SECONDS_PER_DAY = 86_400
_RATING = {"user": pa.int32(), "rating": pa.int8(), "day": pa.date32()}


def load(progress: Progress = None) -> Interactions:
    """The Netflix Prize training set (2006): whole stars, the day of each rating, titles; the published test file is probe.txt."""
    return load_published(NETFLIX, _read, progress)


def _read(source: Source, meter: Meter) -> Interactions:
    titles = _titles(source)
    if titles is None:
        meter.say(f"{source.place} holds no movie_titles.txt, so netflix comes without titles")
    columns = _ratings(source, _probe(source), meter)
    meter.ordering()
    return from_columns(NETFLIX.name, columns, items=titles, scale=(1, 5), tick=_SECONDS_PER_DAY)


def _ratings(source: Source, probe: dict[int, np.ndarray], meter: Meter) -> dict[str, np.ndarray]:
    """Columns as `from_columns` takes them: int32 user and item, int8 rating, int32 days since 1970, bool published_test."""
    gathered = Gathered()
    in_probe = _Membership(probe)
    for films, counts, table in _tables(source, rf"mv_\d{{7}}\.txt|{'|'.join(COMBINED)}", _RATING):
        users = table.column("user").to_numpy()
        values = {
            "user": users,
            "item": np.repeat(np.array(films, np.int32), counts),
            "rating": table.column("rating").to_numpy(),
            "timestamp": table.column("day").cast(pa.int32()).to_numpy(),
        }
        gathered.add(values | ({"published_test": in_probe.of(films, counts, users)} if probe else {}))
        meter.add(len(users))
    columns = gathered.columns()
    if not columns:
        raise InputError(f"{source.place} holds no ratings of the Netflix Prize: {NETFLIX.by_hand.replace('put', 'it needs', 1)[:-1]}.")
    return columns


def _titles(source: Source) -> pd.DataFrame | None:
    """Film number → "Title (year)", or None where there is no file of titles."""
    content = b"".join(block for _file, block in source.texts(r"movie_titles\.(txt|csv)"))
    if not content:
        return None
    titles = {}
    for line in content.splitlines():
        try:
            # A title may hold commas itself, and is Latin-1.
            number, year, title = line.decode("latin-1").split(",", 2)
            titles[int(number)] = title if year == "NULL" else f"{title} ({int(year)})"
        except ValueError as error:
            raise source.damaged("movie_titles.txt") from error
    return pd.DataFrame({"title": list(titles.values())}, index=list(titles))


def _probe(source: Source) -> dict[int, np.ndarray]:
    """Film → users whose rating of it belongs to the published test file; empty where there is no probe.txt."""
    users: dict[int, list[np.ndarray]] = {}
    for films, counts, table in _tables(source, r"probe\.txt", {"user": pa.int32()}):
        for film, some in zip(films, np.split(table.column("user").to_numpy(), np.cumsum(counts)[:-1]), strict=True):
            users.setdefault(film, []).append(some)
    return {film: np.concatenate(some) for film, some in users.items()}


class _Membership:
    """Which ratings belong to the probe: looked up film by film in a table of all user numbers."""

    def __init__(self, probe: dict[int, np.ndarray]) -> None:
        self.probe = probe
        self.none = 1 + max((int(users.max()) for users in probe.values() if len(users)), default=0)
        self.listed = np.zeros(self.none + 1, bool)

    def of(self, films: list[int], counts: list[int], users: np.ndarray) -> np.ndarray:
        found, start = np.zeros(len(users), bool), 0
        for film, count in zip(films, counts, strict=True):
            some = self.probe.get(film)
            if some is not None:
                self.listed[some] = True
                found[start : start + count] = self.listed[np.minimum(users[start : start + count], self.none)]
                self.listed[some] = False
            start += count
        return found


def _tables(source: Source, pattern: str, types: Mapping[str, pa.DataType]) -> Iterator[tuple[list[int], list[int], pa.Table]]:
    """The rows of all files that fit, many at a time: films, how many rows each has, and all their rows.

    Raises:
        InputError: a file is damaged, or one of the combined files is missing.
    """
    gathered: list[tuple[str, int, bytes]] = []
    size, film, file = 0, None, ""
    seen = set()
    for name, text in source.texts(pattern):
        # A block may end within the rows of a film, a file not.
        film, file = film if name == file else None, name
        seen.add(name)
        try:
            sections = list(_sections(text, film))
        except ValueError as error:
            raise source.damaged(name) from error
        film = sections[-1][0]
        gathered += [(name, of, rows) for of, rows in sections if rows]
        size += len(text)
        if size >= reading.BLOCK:
            yield _parsed(source, gathered, types)
            gathered, size = [], 0
    if gathered:
        yield _parsed(source, gathered, types)
    missing = [name for name in COMBINED if name not in seen]
    if 0 < len(missing) < len(COMBINED):
        raise InputError(f"{source.place} holds no {missing[0]}; all four combined files are needed.")


def _sections(text: bytes, film: int | None) -> Iterator[tuple[int, bytes]]:
    """Cuts "1:\\nrow\\nrow\\n2:\\n…" into the rows of each film, no rows after each heading; rows above the first are of `film`.

    Raises:
        ValueError: a heading is no number, or rows come before any.
    """
    start = 0
    while start < len(text):
        colon = text.find(b":", start)
        heading = len(text) if colon < 0 else max(start, text.rfind(b"\n", start, colon) + 1)
        if heading > start:
            if film is None:
                raise ValueError("rows without a film")
            yield film, text[start:heading]
        if colon < 0:
            return
        start = text.find(b"\n", colon) + 1
        film = int(text[heading:colon])
        if text[colon + 1 : start].strip() or not 0 < film < 2**31:
            raise ValueError("not the heading of a film")
        yield film, b""


def _parsed(
    source: Source, gathered: list[tuple[str, int, bytes]], types: Mapping[str, pa.DataType]
) -> tuple[list[int], list[int], pa.Table]:
    films = [film for _file, film, _rows in gathered]
    counts = [rows.count(b"\n") for _file, _film, rows in gathered]
    try:
        return films, counts, _table(b"".join(rows for _file, _film, rows in gathered), sum(counts), types)
    except UNREADABLE as error:
        raise source.damaged(_damaged_file(gathered, types)) from error


def _damaged_file(gathered: list[tuple[str, int, bytes]], types: Mapping[str, pa.DataType]) -> str:
    for file, _film, rows in gathered:
        try:
            _table(rows, rows.count(b"\n"), types)
        except UNREADABLE:
            return file
    return gathered[0][0]


def _table(rows: bytes, count: int, types: Mapping[str, pa.DataType]) -> pa.Table:
    table = typed(rows, list(types), types)
    if table.num_rows != count or table.column("user").to_numpy().min() < 1:
        raise ValueError("an empty line, or a user below 1")
    return table
