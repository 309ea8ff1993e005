"""Ratings that somebody wrote down: a file, or lines of text."""

from __future__ import annotations

import csv
import difflib
import math
import re
from pathlib import Path

import numpy as np

from engine.errors import InputError
from engine.interactions import Interactions

ITEM_COLUMNS = ("title", "item", "itemid", "item_id", "movieid", "movie_id")


def read_ratings(source: Path | bytes | str, data: Interactions) -> dict[int, float]:
    """Item positions and ratings from lines "title or id, rating"; the last comma, semicolon or tab of a line parts them.

    A first line without a number that names no item is taken for a header; one of more than two columns says which are meant.

    Args:
        source: a file, its content, or the lines themselves.

    Raises:
        InputError: the file cannot be read as text in UTF-8, a line holds an unknown item, no number or one off the scale, or there is
            no line.
    """
    ratings = {}
    columns = None
    for number, line in enumerate(_lines(source), 1):
        if not line.strip():
            continue
        label, value = _cells(line, columns)
        try:
            rating = float(value)
        except ValueError:
            if number == 1 and (not label or _position(data, label) is None):
                columns = _columns(line)
                continue
            rating = math.nan
        if not math.isfinite(rating) or not label:
            raise InputError(f"Line {number}, '{line.strip()[:80]}', is not a title or id, a comma and a rating.")
        if not data.scale[0] <= rating <= data.scale[1]:
            raise InputError(f"Line {number}: {rating:g} is not on the scale of {data.name}, {data.scale[0]:g} to {data.scale[1]:g}.")
        ratings[_find(data, label)] = rating
    if not ratings:
        raise InputError("There is no rating in it: write one line per title, with a comma and the rating at its end.")
    return ratings


def _lines(source: Path | bytes | str) -> list[str]:
    if isinstance(source, Path):
        path = source
        try:
            source = path.read_bytes()
        except FileNotFoundError:
            raise InputError(f"There is no file {path}.") from None
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    if isinstance(source, bytes):
        try:
            source = source.decode("utf-8-sig")
        except UnicodeDecodeError:
            source = "\0"
        if "\0" in source:
            raise InputError("The file is not text in UTF-8: save it as CSV in UTF-8.")
    return source.removeprefix("\ufeff").splitlines()


def _cells(line: str, columns: tuple[str, int, int] | None) -> tuple[str, str]:
    """Label and rating of a line; `columns` as `_columns` gives them."""
    if columns is None:
        label, _, value = max((line.rpartition(mark) for mark in ",;\t"), key=lambda parts: len(parts[0]))
        return _unquoted(label), value
    mark, item, rating = columns
    cells = next(csv.reader([line], delimiter=mark))
    return (cells[item].strip(), cells[rating]) if len(cells) > max(item, rating) else ("", "")


def _columns(header: str) -> tuple[str, int, int] | None:
    """The mark between columns, and the places of item and rating, where a header names more than two columns."""
    for mark in ",;\t":
        names = [_unquoted(name).lower() for name in header.split(mark)]
        item = next((name for name in ITEM_COLUMNS if name in names), None)
        if len(names) > 2 and item and "rating" in names:
            return mark, names.index(item), names.index("rating")
    return None


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1].replace('""', '"') if len(text) > 1 and text[0] == text[-1] == '"' else text


def _position(data: Interactions, label: str) -> int | None:
    if label in data.items.index:
        return data.item_position(label)
    matches = np.flatnonzero(data.titles == label)
    if not len(matches):
        said = _as_said(label)
        matches = np.array([place for place, title in enumerate(data.titles) if _as_said(title) == said])
    return int(matches[0]) if len(matches) == 1 or (len(matches) and data.titles[matches[0]] == label) else None


def _as_said(title: str) -> str:
    """A title without case, year and article: "Matrix, The (1999)" and "the matrix" are one."""
    bare = re.sub(r"\s*\(\d{4}\)$", "", title.strip().casefold())
    bare = re.sub(r"^(.*), (the|a|an|le|la|les|el|il|der|die|das)$", r"\1", bare)
    return re.sub(r"^(the|a|an|le|la|les|el|il|der|die|das) ", "", bare)


def _find(data: Interactions, label: str) -> int:
    """Position of an item by its id or title. Raises InputError with the titles that it may have meant."""
    position = _position(data, label)
    if position is None:
        said: dict[str, list[str]] = {}
        for title in data.titles:
            said.setdefault(_as_said(title), []).append(str(title))
        near = said.get(_as_said(label)) or [one for name in difflib.get_close_matches(_as_said(label), said, n=2) for one in said[name]]
        raise InputError(
            f"No item '{label}' in {data.name}." + (f" Did you mean {' or '.join(repr(one) for one in near[:3])}?" if near else "")
        )
    return position
