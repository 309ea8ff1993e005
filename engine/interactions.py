"""Who rated what: the one data structure that every other room reads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import scipy.sparse as sp

from engine.errors import InputError

PER_RATING = ("timestamps", "expected", "published_test")
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
        matrix = (self.ratings.data[chosen], columns, row_starts(self.count_per_user(chosen)[users]))
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


def pick(matrix: sp.csr_array, chosen: np.ndarray) -> sp.csr_array:
    """The chosen entries alone (bool per entry) as CSR of the same shape; explicit zeros stay."""
    starts = row_starts(_count_per_row(matrix.indptr, chosen))
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


def row_starts(counts: np.ndarray) -> np.ndarray:
    """`indptr` of rows with so many ratings each: int32 where that holds them, for scipy keeps all indices as wide as these."""
    starts = np.concatenate([[0], np.cumsum(counts)])
    return starts.astype(np.int32) if starts[-1] < 2**31 else starts


def _count_per_row(indptr: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    counts = np.zeros(len(indptr) - 1, np.int64)
    filled = np.flatnonzero(np.diff(indptr))
    if len(filled):
        counts[filled] = np.add.reduceat(chosen, indptr[filled], dtype=np.int64)
    return counts


def _position(index: pd.Index, what: str, label: str, where: str) -> int:
    position = int(index.get_indexer(pd.Index([str(label)]))[0])
    if position < 0:
        raise InputError(f"There is no {what} '{label}' in {where}; its first ids are {', '.join(index[:3])}.")
    return position
