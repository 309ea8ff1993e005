"""Ratings that somebody wrote down: a CSV file, or lines of text."""

from __future__ import annotations

import difflib
from pathlib import Path

import numpy as np
import pandas as pd

from engine.errors import InputError
from engine.interactions import Interactions


def read_ratings(path: Path, data: Interactions) -> dict[int, float]:
    """Item positions and ratings from a CSV with two columns: item (id or title) and rating.

    Raises:
        InputError: the file is missing or empty, or a line holds an unknown item or no number.
    """
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError):
        raise InputError(f"{path.name} is not a CSV of item,rating lines.") from None
    if frame.shape[1] < 2 or frame.empty:
        raise InputError(f"{path.name} needs two columns, item and rating, and at least one line.")
    columns = {str(name).lower(): name for name in frame.columns}
    item_column = next((columns[name] for name in ("item", "itemid", "item_id", "movieid", "title") if name in columns), frame.columns[0])
    rating_column = columns.get("rating", frame.columns[1])
    ratings = {}
    for line, (label, value) in enumerate(zip(frame[item_column], frame[rating_column], strict=True), 2):
        try:
            rating = float(value)
        except ValueError:
            rating = np.nan
        if not np.isfinite(rating):
            raise InputError(f"{path.name}, line {line}: '{value}' is not a rating.")
        ratings[find_item(data, label)] = rating
    return ratings


def parse_ratings(text: str, data: Interactions) -> dict[int, float]:
    """Item positions and ratings from pasted lines "title or id, rating"; the last comma, semicolon or tab of a line parts them.

    A first line without a number is taken for a header.

    Raises:
        InputError: a line holds an unknown item, no number or one off the scale, or there is no line.
    """
    ratings = {}
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), 1):
        label, _, value = max((line.rpartition(mark) for mark in ",;\t"), key=lambda parts: len(parts[0]))
        try:
            rating = float(value)
        except ValueError:
            if number == 1 or not line.strip():
                continue
            rating = np.nan
        if not np.isfinite(rating) or not label:
            raise InputError(f"Line {number}, '{line.strip()}', is not a title or id, a comma and a rating.")
        if not data.scale[0] <= rating <= data.scale[1]:
            raise InputError(f"Line {number}: {rating:g} is not on the scale of {data.name}, {data.scale[0]:g} to {data.scale[1]:g}.")
        ratings[find_item(data, label.strip().strip('"'))] = rating
    if not ratings:
        raise InputError("There is no rating in it: write one line per title, with a comma and the rating at its end.")
    return ratings


def find_item(data: Interactions, label: str) -> int:
    """Position of an item by its id or title. Raises InputError with the nearest title."""
    if label in data.items.index:
        return data.item_position(label)
    matches = np.flatnonzero(data.titles == label)
    if len(matches):
        return int(matches[0])
    near = difflib.get_close_matches(label, list(data.titles), n=1)
    raise InputError(f"No item '{label}' in {data.name}." + (f" Did you mean '{near[0]}'?" if near else ""))
