"""Interactions from one row per rating: put in order by user and item, each pair once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from engine.errors import InputError
from engine.interactions import PIECE, Interactions, lookup, pieces, row_starts

# Optional columns of a frame, the field each becomes, and its type.
_KINDS: dict[str, tuple[str, type]] = {
    "timestamp": ("timestamps", np.int64),
    "expected": ("expected", np.float32),
    "published_test": ("published_test", bool),
}


def from_frame(
    name: str,
    frame: pd.DataFrame,
    *,
    users: pd.DataFrame | None = None,
    items: pd.DataFrame | None = None,
    scale: tuple[float, float] | None = None,
) -> Interactions:
    """Interactions from one row per rating.

    Args:
        frame: columns `user`, `item`, `rating`, and where known `timestamp` (seconds since 1970), `expected`, `published_test`.
            Of several ratings of one pair the latest is kept (by timestamp, else by order).
        users, items: tables whose index holds ids; rows without a rating are left out, missing ids get empty rows.
        scale: lowest and highest rating; taken from the data when None.

    Raises:
        InputError: the frame holds no rating at all, or a rating that is not finite.
    """
    if frame.empty:
        raise InputError(f"{name} holds no ratings.")
    given = ("user", "item", "rating", *(column for column in _KINDS if column in frame))
    return from_columns(name, {column: frame[column] for column in given}, users=users, items=items, scale=scale)


def from_columns(
    name: str,
    columns: dict[str, Any],
    *,
    users: pd.DataFrame | None = None,
    items: pd.DataFrame | None = None,
    scale: tuple[float, float] | None = None,
    tick: int = 1,
) -> Interactions:
    """Interactions from one array or series per column, of any width: the way for many ratings.

    Args:
        columns: as the columns of `from_frame`. It is emptied on the way, so that each column is freed once it has been put in order.
        users, items, scale: as in `from_frame`.
        tick: seconds in one unit of `timestamp`; 86,400 for days since 1970.

    Raises:
        InputError: as `from_frame`, and where a rating has no user or item.
    """
    values = _finite(name, columns.pop("rating"))
    rows, user_ids = _codes(columns.pop("user"))
    cells, item_ids = _codes(columns.pop("item"))
    if rows.min() < 0 or cells.min() < 0:
        raise InputError(f"{name} holds a rating without a user or an item.")
    order = _order(rows, cells)
    indptr = row_starts(np.bincount(rows, minlength=len(user_ids)))
    del rows
    indices = lookup(cells, order)
    del cells
    kept = _latest(indices, indptr, order, columns.get("timestamp"))
    duplicates = len(kept) - int(kept.sum())
    if duplicates:
        indptr = row_starts(np.add.reduceat(kept, indptr[:-1], dtype=np.int64))
        indices, order = indices[kept], order[kept]
    ratings = sp.csr_array((lookup(values, order, np.float32), indices, indptr), shape=(len(user_ids), len(item_ids)))
    per_rating = {
        field: lookup(np.asarray(columns.pop(column)), order, kind) for column, (field, kind) in _KINDS.items() if column in columns
    }
    if tick != 1 and "timestamps" in per_rating:
        per_rating["timestamps"] *= tick
    return Interactions(
        name=name,
        ratings=ratings,
        users=_table(user_ids, users),
        items=_titled(_table(item_ids, items)),
        scale=scale or (float(ratings.data.min()), float(ratings.data.max())),
        duplicates=duplicates,
        left_out=0,
        **per_rating,
    )


def _finite(name: str, ratings: Any) -> np.ndarray:
    """Ratings as numbers. Raises InputError when there are none, or one that float32 cannot hold: it would become infinite."""
    values = ratings.to_numpy() if isinstance(ratings, pd.Series) else ratings
    values = values if values.dtype.kind in "biuf" else values.astype(float)
    if not len(values):
        raise InputError(f"{name} holds no ratings.")
    largest = max(abs(float(values.min())), abs(float(values.max())))
    if not largest <= float(np.finfo(np.float32).max):
        raise InputError(f"{name} holds a rating that is not a finite number.")
    return values


def _codes(ids: Any) -> tuple[np.ndarray, Any]:
    """The place of each id among the distinct ids in ascending order (int32; -1 for none), and these ids."""
    if isinstance(ids.dtype, np.dtype) and ids.dtype.kind in "iu":
        values = np.asarray(ids)
        low, high = int(values.min()), int(values.max())
        # A table of all numbers between the lowest and the highest id is much faster than hashing, unless it is mostly gaps.
        if high - low <= 4 * len(values) + PIECE and high < 2**63:
            given = np.zeros(high - low + 1, bool)
            for piece in pieces(len(values)):
                given[values[piece].astype(np.int64) - low] = True
            place = np.cumsum(given, dtype=np.int32) - np.int32(1)
            codes = np.empty(len(values), np.int32)
            for piece in pieces(len(values)):
                codes[piece] = place[values[piece].astype(np.int64) - low]
            return codes, np.flatnonzero(given) + low
    codes, distinct = pd.factorize(ids, sort=True)
    return codes.astype(np.int32), distinct


def _order(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Positions of all ratings in ascending order of row, then column, then position: two counting sorts instead of one by comparison."""
    if all((columns[1:][piece] >= columns[:-1][piece]).all() for piece in pieces(len(columns) - 1)):
        return _counting_order(rows)  # Large files often come item by item.
    by_column = _counting_order(columns)
    return lookup(by_column, _counting_order(lookup(rows, by_column)))


def _counting_order(codes: np.ndarray) -> np.ndarray:
    """`np.argsort(codes, kind="stable")` by counting, as scipy does it to transpose a matrix: one row per code here."""
    one_each = np.arange(len(codes) + 1, dtype=np.int32 if len(codes) < 2**31 - 1 else np.int64)
    return sp.csr_array((np.zeros(len(codes), np.int8), codes, one_each), shape=(len(codes), int(codes.max()) + 1)).tocsc().indices


def _latest(indices: np.ndarray, indptr: np.ndarray, order: np.ndarray, timestamps: Any) -> np.ndarray:
    """Which ratings stay (bool, in CSR order): of several of one pair the latest by timestamp, else by position in the input."""
    again = np.zeros(len(indices) + 1, bool)
    np.equal(indices[1:], indices[:-1], out=again[1:-1])
    again[indptr] = False
    # again[i]: rating i has the same pair as rating i - 1.
    if timestamps is None or not again.any():
        return ~again[1:]
    kept = np.ones(len(indices), bool)
    several = np.flatnonzero(again[1:] | again[:-1])
    pair = np.cumsum(~again[several])
    by_time = several[np.lexsort((np.asarray(timestamps)[order[several]], pair))]
    kept[several] = False
    kept[by_time[np.append(pair[1:] != pair[:-1], True)]] = True
    return kept


def _table(ids: pd.Index, table: pd.DataFrame | None) -> pd.DataFrame:
    labels = pd.Index(ids).astype(str)
    if table is None:
        return pd.DataFrame(index=labels)
    return table.set_axis(table.index.astype(str), axis=0).reindex(labels)


def _titled(items: pd.DataFrame) -> pd.DataFrame:
    """The table with a title for every item, its id where none is known."""
    if "title" not in items:
        items["title"] = items.index
    if "genres" in items:
        items["genres"] = items["genres"].fillna("")
    items["title"] = items["title"].fillna(pd.Series(items.index, index=items.index))
    return items
