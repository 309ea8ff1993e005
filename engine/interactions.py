"""Who rated what: the one data structure that every other room reads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from engine.errors import InputError

PER_RATING = ("timestamps", "expected", "published_test")
# Optional columns of a frame, the field each becomes, and its type.
_KINDS: dict[str, tuple[str, type]] = {
    "timestamp": ("timestamps", np.int64),
    "expected": ("expected", np.float32),
    "published_test": ("published_test", bool),
}
# numpy copies positions to 64 bits wherever they index or are counted; in pieces of this many ratings the copies stay small.
PIECE = 2**22


@dataclass(frozen=True, eq=False)
class Interactions:
    """Ratings of users for items, with what is known about both.

    A stored entry of `ratings` is an observation, also when its value is 0; every other cell is unobserved. Ids are
    strings everywhere. Arrays named "per rating" are aligned with `ratings.data`.

    Attributes:
        name: what pages and runs call this data.
        ratings: CSR, users × items, float32, column indices sorted within a row.
        users: one row per user; the index holds the user ids, the columns are categorical features (may be none).
        items: one row per item; the index holds the item ids; column `title`, and `genres` ("Drama|Comedy", "" for none) if known.
        scale: lowest and highest possible rating, in the ratings' own unit; predictions are clipped to it.
        timestamps: seconds since 1970 per rating, int64, or None.
        expected: the true mean of each rating under the generator that drew it, float32, or None for real data.
            The RMSE of the ratings against it is the noise floor that no model can beat but by luck.
        published_test: True where the publisher of the data put the rating into its test file, or None.
        duplicates: how many ratings were of a (user, item) pair that came again; one of each pair was kept.
        left_out: how many rows of a person's own file could not be read, and so are not here.
    """

    name: str
    ratings: sp.csr_array
    users: pd.DataFrame
    items: pd.DataFrame
    scale: tuple[float, float]
    timestamps: np.ndarray | None = None
    expected: np.ndarray | None = None
    published_test: np.ndarray | None = None
    duplicates: int = 0
    left_out: int = 0

    def __post_init__(self) -> None:
        n_users, n_items = self.ratings.shape
        if (n_users, n_items) != (len(self.users), len(self.items)):
            raise ValueError(f"ratings are {self.ratings.shape}, but there are {len(self.users)} users and {len(self.items)} items")
        for name in PER_RATING:
            values = getattr(self, name)
            if values is not None and len(values) != self.ratings.nnz:
                raise ValueError(f"{name} holds {len(values)} values for {self.ratings.nnz} ratings")

    @property
    def n_users(self) -> int:
        return self.ratings.shape[0]

    @property
    def n_items(self) -> int:
        return self.ratings.shape[1]

    @property
    def n_ratings(self) -> int:
        return self.ratings.nnz

    @property
    def titles(self) -> np.ndarray:
        """Title of each item, the id where there is no title."""
        return self.items["title"].to_numpy()

    @cached_property
    def one_class(self) -> bool:
        """Whether all ratings are alike, as binarised ones are: they tell who rated what, and errors of predicted ratings tell nothing."""
        return self.n_ratings > 0 and bool(self.ratings.data.min() == self.ratings.data.max())

    @cached_property
    def rows(self) -> np.ndarray:
        """User position of each rating, int32."""
        return self.per_user(np.arange(self.n_users, dtype=np.int32))

    @property
    def columns(self) -> np.ndarray:
        """Item position of each rating, int32."""
        return self.ratings.indices

    @property
    def user_counts(self) -> np.ndarray:
        """Number of ratings of each user."""
        return np.diff(self.ratings.indptr)

    @cached_property
    def item_counts(self) -> np.ndarray:
        """Number of ratings of each item, int64."""
        counts = np.zeros(self.n_items, np.int64)
        for piece in pieces(self.n_ratings):
            counts += np.bincount(self.columns[piece], minlength=self.n_items)
        return counts

    def per_user(self, values: np.ndarray) -> np.ndarray:
        """A value of each user, told once for each rating."""
        return np.repeat(values, self.user_counts)

    def per_item(self, values: np.ndarray) -> np.ndarray:
        """A value of each item, told once for each rating."""
        return lookup(values, self.columns)

    def count_per_user(self, chosen: np.ndarray) -> np.ndarray:
        """How many of the chosen ratings (bool per rating) each user has, int64."""
        return _count_per_row(self.ratings.indptr, chosen)

    def user_position(self, user_id: str) -> int:
        """Row of a user. Raises InputError when the id is not in this data."""
        return _position(self.users.index, "user", user_id, self.name)

    def item_position(self, item_id: str) -> int:
        """Column of an item. Raises InputError when the id is not in this data."""
        return _position(self.items.index, "item", item_id, self.name)

    def pick(self, chosen: np.ndarray) -> sp.csr_array:
        """The chosen ratings alone (bool per rating) as CSR of the same shape; explicit zeros stay."""
        return pick(self.ratings, chosen)

    def keep(self, *, users: np.ndarray | None = None, items: np.ndarray | None = None, ratings: np.ndarray | None = None) -> Interactions:
        """Only these users and items (bool per position) and these ratings (bool per rating); itself where that is all of them."""
        users = np.ones(self.n_users, bool) if users is None else users
        items = np.ones(self.n_items, bool) if items is None else items
        chosen = self.per_user(users) & self.per_item(items)
        if ratings is not None:
            chosen &= ratings
        if chosen.all() and users.all() and items.all():
            return self
        per_rating = {name: values[chosen] for name in PER_RATING if (values := getattr(self, name)) is not None}
        columns = lookup(np.cumsum(items, dtype=np.int32) - 1, self.columns[chosen])
        matrix = (self.ratings.data[chosen], columns, _starts(self.count_per_user(chosen)[users]))
        kept = sp.csr_array(matrix, shape=(int(users.sum()), int(items.sum())))
        return replace(self, ratings=kept, users=self.users[users], items=self.items[items], **per_rating)

    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with any rating, timestamp or id."""
        digest = hashlib.sha256()
        # scipy chooses the width of indices by size and history.
        arrays = [(self.ratings.indptr, np.int64), (self.columns, np.int64), (self.ratings.data, None)]
        arrays += [] if self.timestamps is None else [(self.timestamps, None)]
        for array, kind in arrays:
            for piece in pieces(len(array)):
                digest.update(np.ascontiguousarray(array[piece], kind).data)
        for index in (self.users.index, self.items.index):
            digest.update("\x1f".join(index).encode())
        return digest.hexdigest()[:16]


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
    indptr = _starts(np.bincount(rows, minlength=len(user_ids)))
    del rows
    indices = lookup(cells, order)
    del cells
    kept = _latest(indices, indptr, order, columns.get("timestamp"))
    duplicates = len(kept) - int(kept.sum())
    if duplicates:
        indptr = _starts(np.add.reduceat(kept, indptr[:-1], dtype=np.int64))
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


def pick(matrix: sp.csr_array, chosen: np.ndarray) -> sp.csr_array:
    """The chosen entries alone (bool per entry) as CSR of the same shape; explicit zeros stay."""
    starts = _starts(_count_per_row(matrix.indptr, chosen))
    return sp.csr_array((matrix.data[chosen], matrix.indices[chosen], starts), shape=matrix.shape)


def pieces(length: int) -> Iterator[slice]:
    """Slices that cover `length` ratings, PIECE at a time."""
    return (slice(start, start + PIECE) for start in range(0, length, PIECE))


def lookup(table: np.ndarray, positions: np.ndarray, kind: type | None = None) -> np.ndarray:
    """`table[positions]` as `kind`, without 64-bit copies of all positions."""
    found = np.empty(len(positions), kind or table.dtype)
    for piece in pieces(len(positions)):
        found[piece] = table[positions[piece]]
    return found


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


def _starts(counts: np.ndarray) -> np.ndarray:
    """`indptr` of rows with so many ratings each: int32 where that holds them, for scipy keeps all indices as wide as these."""
    starts = np.concatenate([[0], np.cumsum(counts)])
    return starts.astype(np.int32) if starts[-1] < 2**31 else starts


def _count_per_row(indptr: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    counts = np.zeros(len(indptr) - 1, np.int64)
    filled = np.flatnonzero(np.diff(indptr))
    if len(filled):
        counts[filled] = np.add.reduceat(chosen, indptr[filled], dtype=np.int64)
    return counts


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


def _position(index: pd.Index, what: str, label: str, where: str) -> int:
    position = int(index.get_indexer(pd.Index([str(label)]))[0])
    if position < 0:
        raise InputError(f"There is no {what} '{label}' in {where}; its first ids are {', '.join(index[:3])}.")
    return position
