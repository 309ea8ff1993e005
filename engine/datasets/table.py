"""Reads a person's own ratings file: CSV, TSV, MovieLens `.dat`, each also gzipped, or Parquet."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from engine.datasets.formats import ParquetFile, TextFile, open_table
from engine.errors import InputError

ROLES = ("user", "item", "rating", "timestamp")

# Compared with lower-cased column names without punctuation; the earlier name wins.
USUAL_NAMES = {
    "user": "userid user uid reviewerid reviewer customerid customer memberid member viewerid viewer personid person visitorid",
    "item": "movieid itemid item movie asin parentasin productid product bookid book isbn filmid film trackid songid artistid gameid iid",
    "rating": "rating ratings score stars star overall bookrating userrating ratingvalue value",
    "timestamp": "timestamp time datetime date unixreviewtime reviewtime ratedat createdat ts",
}
PLAIN_INTEGER = r"^(0|-?[1-9][0-9]{0,17})$"


@dataclass(frozen=True)
class Columns:
    """Which column means what.

    Attributes:
        user, item, rating, timestamp: a column's name; None to guess it from the usual names; timestamp "" for none.
        implicit: the file lists pairs only, each counts as a rating of 1, and a rating column is not read.
    """

    user: str | None = None
    item: str | None = None
    rating: str | None = None
    timestamp: str | None = None
    implicit: bool = False


GUESS_ALL = Columns()


@dataclass(frozen=True)
class Preview:
    """What the reader understood of a file.

    Attributes:
        layout: such as "text separated by commas, with a header".
        columns: the file's column names; a file without header gets the names of the roles.
        mapping: role → column; None where no column was found.
        head: the first rows, as text.
        rows: rows in the file, header not counted.
        users, items: distinct ids, None while the columns are not known.
        scale: lowest and highest rating, None while not known.
        problem: why the file cannot be loaded as it is mapped, in one sentence, or None.
    """

    layout: str
    columns: list[str]
    mapping: dict[str, str | None]
    head: pd.DataFrame
    rows: int
    users: int | None = None
    items: int | None = None
    scale: tuple[float, float] | None = None
    problem: str | None = None


def read_table(source: Path | bytes, filename: str | None = None, columns: Columns = GUESS_ALL) -> pd.DataFrame:
    """The ratings in a file, one row each, in the file's order.

    Args:
        source: a path, or the file's content.
        filename: what errors call it; the path's last part when None.

    Returns:
        `user` and `item` (int64 where every id is a plain whole number, else str), `rating` (float64) and, where known,
        `timestamp` (int64 seconds since 1970).

    Raises:
        InputError: the file is missing, empty or not readable, a column is missing, or a value is not usable.
    """
    return _ratings(open_table(source, filename, lambda first: _names(first, columns)), columns)


def preview(source: Path | bytes, filename: str | None = None, columns: Columns = GUESS_ALL) -> Preview:
    """What is in a file, also where it cannot be loaded yet for want of a mapping.

    Raises:
        InputError: the file is missing, empty or not readable as a table.
    """
    file = open_table(source, filename, lambda first: _names(first, columns))
    mapping = {role: _guess(file, role, getattr(columns, role)) for role in ROLES}
    seen = Preview(file.layout, file.columns, mapping, file.head(10), file.rows)
    try:
        frame = _ratings(file, columns)
    except InputError as error:
        return Preview(**(vars(seen) | {"problem": str(error)}))
    counts = {"users": frame["user"].nunique(), "items": frame["item"].nunique()}
    return Preview(**(vars(seen) | counts | {"scale": (float(frame["rating"].min()), float(frame["rating"].max()))}))


def _names(first: list[str], columns: Columns) -> list[str] | None:
    """The columns' names of a file without header; None where the first row is one."""
    mapped = {getattr(columns, role) for role in ROLES} & set(first)
    usual = any(_plain(value) in USUAL_NAMES[role].split() for value in first for role in ROLES)
    if mapped or usual or len(first) > len(ROLES):
        return None
    numeric = first if len(first) == 2 else first[2:3]
    return list(ROLES[: len(first)]) if all(_number(value) is not None for value in numeric) else None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _number(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _guess(file: TextFile | ParquetFile, role: str, chosen: str | None) -> str | None:
    """The column of a role: the chosen one if it exists, else the first with a usual name, else None."""
    if chosen is not None:
        return chosen if chosen in file.columns else None
    plain = {_plain(name): name for name in reversed(file.columns)}
    return next((plain[usual] for usual in USUAL_NAMES[role].split() if usual in plain), None)


def _ratings(file: TextFile | ParquetFile, columns: Columns) -> pd.DataFrame:
    """See `read_table`."""
    wanted = [role for role in ROLES if not (role == "rating" and columns.implicit) and getattr(columns, role) != ""]
    mapping = {role: _guess(file, role, getattr(columns, role)) for role in wanted}
    listed = ", ".join(file.columns)
    for role, column in mapping.items():
        chosen = getattr(columns, role)
        if chosen is not None and column is None:
            raise InputError(f"{file.name} has no column '{chosen}' for the {role}; its columns are: {listed}.")
        if column is None and role != "timestamp":
            remedy = f"name it as dataset.{role}"
            if role == "rating":
                remedy += ", or set dataset.implicit to take each row as a rating of 1"
            raise InputError(f"{file.name} has no {role} column that could be recognised (its columns are: {listed}); {remedy}.")
    if file.rows == 0:
        raise InputError(f"{file.name} has column names but no ratings below them.")
    frame: dict[str, np.ndarray | pd.Series] = {role: _ids(file, str(mapping[role]), role) for role in ("user", "item")}
    frame["rating"] = np.ones(file.rows) if columns.implicit else _values(file, str(mapping["rating"]))
    if mapping.get("timestamp"):
        frame["timestamp"] = _times(file, str(mapping["timestamp"]))
    return pd.DataFrame(frame)


def _refuse(file: TextFile | ParquetFile, row: int, why: str) -> InputError:
    return InputError(f"{file.place} {file.line(row)} of {file.name} {why}; correct or remove it.")


def _ids(file: TextFile | ParquetFile, column: str, role: str) -> np.ndarray | pd.Series:
    values = file.column(column)
    if pa.types.is_floating(values.type) and pc.all(pc.equal(pc.floor(values), values)).as_py():
        values = values.cast(pa.int64(), safe=False)
    try:
        text = values.cast(pa.string())
    except pa.ArrowException as error:
        raise InputError(f"The {role} column '{column}' of {file.name} holds {values.type}; it needs text or numbers.") from error
    blank = pc.or_kleene(pc.is_null(text), pc.equal(text, "")).fill_null(True)
    if pc.any(blank).as_py():
        raise _refuse(file, pc.index(blank, True).as_py(), f"has no {role}")
    if not pc.match_substring_regex(text[0], PLAIN_INTEGER).as_py():
        return text.to_pandas()
    encoded = text.combine_chunks().dictionary_encode()
    if pc.all(pc.match_substring_regex(encoded.dictionary, PLAIN_INTEGER)).as_py():
        return encoded.dictionary.cast(pa.int64()).to_numpy()[encoded.indices.to_numpy()]
    return text.to_pandas()


def _values(file: TextFile | ParquetFile, column: str) -> np.ndarray:
    values = file.column(column)
    try:
        numbers = values.cast(pa.float64(), safe=False).to_numpy()
    except pa.ArrowException:
        texts = [str(value).strip() for value in values.to_pylist()]
        read = [_number(text) for text in texts]
        if None in read:
            row = read.index(None)
            if texts[row] in ("", "None"):
                raise _refuse(file, row, "has no rating") from None
            raise _refuse(file, row, f"has the rating '{texts[row]}', which is not a number such as 3.5") from None
        numbers = np.array(read, float)
    with np.errstate(over="ignore"):
        finite = np.isfinite(numbers.astype(np.float32))
    if not finite.all():
        row = int(np.argmin(finite))
        value = values[row].as_py()
        raise _refuse(file, row, "has no rating" if value is None else f"has the rating '{value}', which is not a finite number")
    return numbers


def _times(file: TextFile | ParquetFile, column: str) -> np.ndarray:
    """Seconds since 1970, int64, from such seconds, milli-, micro- or nanoseconds (told by their size), dates, or ISO texts."""
    values = file.column(column)
    if not pa.types.is_temporal(values.type):
        try:
            numbers = values.cast(pa.float64(), safe=False)
        except pa.ArrowException:
            moments = pd.to_datetime(values.to_pandas(), format="ISO8601", utc=True, errors="coerce")
        else:
            known = pc.drop_null(numbers).to_numpy()
            size = np.median(np.abs(known)) if len(known) else 0
            unit = next(unit for limit, unit in ((1e11, 1), (1e14, 1e3), (1e17, 1e6), (np.inf, 1e9)) if not size >= limit)
            moments = pd.to_datetime(pd.Series(numbers.to_numpy() // unit), unit="s", utc=True, errors="coerce")
    else:
        moments = pd.to_datetime(values.to_pandas(), utc=True, errors="coerce")
    if moments.isna().any():
        row = int(moments.isna().to_numpy().argmax())
        why = f"has the time '{values[row].as_py()}', which is neither seconds since 1970 nor an ISO date"
        raise _refuse(file, row, f"{why} (dataset.timestamp = '' reads the file without times)")
    return moments.dt.tz_localize(None).astype("datetime64[s]").astype(np.int64).to_numpy()
