"""Who rated what: the one data structure that every other room reads."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import scipy.sparse as sp

from engine.errors import InputError

PER_RATING = ("timestamps", "expected", "published_test")


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
        duplicates: how many (user, item) pairs came more than once; the latest rating was kept.
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
    def rows(self) -> np.ndarray:
        """User position of each rating, int64."""
        return np.repeat(np.arange(self.n_users), np.diff(self.ratings.indptr))

    @property
    def columns(self) -> np.ndarray:
        """Item position of each rating."""
        return self.ratings.indices

    def user_position(self, user_id: str) -> int:
        """Row of a user. Raises InputError when the id is not in this data."""
        return _position(self.users.index, "user", user_id, self.name)

    def item_position(self, item_id: str) -> int:
        """Column of an item. Raises InputError when the id is not in this data."""
        return _position(self.items.index, "item", item_id, self.name)

    def pick(self, chosen: np.ndarray) -> sp.csr_array:
        """The chosen ratings alone (bool per rating) as CSR of the same shape; explicit zeros stay."""
        indptr = np.concatenate([[0], np.cumsum(np.bincount(self.rows[chosen], minlength=self.n_users))])
        return sp.csr_array((self.ratings.data[chosen], self.columns[chosen], indptr), shape=self.ratings.shape)

    def keep(self, *, users: np.ndarray | None = None, items: np.ndarray | None = None, ratings: np.ndarray | None = None) -> Interactions:
        """A smaller copy: only these users and items (bool per position) and these ratings (bool per rating)."""
        users = np.ones(self.n_users, bool) if users is None else users
        items = np.ones(self.n_items, bool) if items is None else items
        chosen = users[self.rows] & items[self.columns]
        if ratings is not None:
            chosen = chosen & ratings
        per_rating = {name: values[chosen] for name in PER_RATING if (values := getattr(self, name)) is not None}
        ratings = self.pick(chosen)[users][:, items]
        return replace(self, ratings=ratings, users=self.users[users], items=self.items[items], **per_rating)

    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with any rating, timestamp or id."""
        digest = hashlib.sha256()
        # scipy chooses the width of indices by size and history.
        for array in (self.ratings.indptr.astype(np.int64), self.ratings.indices.astype(np.int64), self.ratings.data, self.timestamps):
            if array is not None:
                digest.update(np.ascontiguousarray(array).tobytes())
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
    # As float32 holds them: a larger rating would become infinite.
    if not (np.abs(frame["rating"].to_numpy(float)) <= np.finfo(np.float32).max).all():
        raise InputError(f"{name} holds a rating that is not a finite number.")
    if "timestamp" in frame:
        frame = frame.sort_values("timestamp", kind="stable")
    n_rows = len(frame)
    frame = frame.drop_duplicates(["user", "item"], keep="last")
    user_codes, user_ids = pd.factorize(frame["user"], sort=True)
    item_codes, item_ids = pd.factorize(frame["item"], sort=True)
    order = np.lexsort((item_codes, user_codes))
    values = frame["rating"].to_numpy(np.float32)[order]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(user_codes, minlength=len(user_ids)))])
    item_table = _table(item_ids, items)
    if "title" not in item_table:
        item_table["title"] = item_table.index
    if "genres" in item_table:
        item_table["genres"] = item_table["genres"].fillna("")
    item_table["title"] = item_table["title"].fillna(pd.Series(item_table.index, index=item_table.index))
    per_rating = {"timestamps": ("timestamp", np.int64), "expected": ("expected", np.float32), "published_test": ("published_test", bool)}
    return Interactions(
        name=name,
        ratings=sp.csr_array((values, item_codes[order], indptr), shape=(len(user_ids), len(item_ids))),
        users=_table(user_ids, users),
        items=item_table,
        scale=scale or (float(values.min()), float(values.max())),
        duplicates=n_rows - len(frame),
        **{field: frame[column].to_numpy(kind)[order] for field, (column, kind) in per_rating.items() if column in frame},
    )


def _table(ids: pd.Index, table: pd.DataFrame | None) -> pd.DataFrame:
    labels = pd.Index(ids).astype(str)
    if table is None:
        return pd.DataFrame(index=labels)
    return table.set_axis(table.index.astype(str), axis=0).reindex(labels)


def _position(index: pd.Index, what: str, label: str, where: str) -> int:
    position = int(index.get_indexer(pd.Index([str(label)]))[0])
    if position < 0:
        raise InputError(f"There is no {what} '{label}' in {where}; its ids run like {', '.join(index[:3])}.")
    return position
