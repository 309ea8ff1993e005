"""Somebody to recommend to: ratings, and what is changed about them to see what if."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

import numpy as np
import scipy.sparse as sp

from engine.errors import InputError
from engine.interactions import Interactions
from engine.splits import Split

REMOVED = "-"


@dataclass(frozen=True)
class Person:
    """Ratings as models are to see them; items by position in the data that they are of.

    Attributes:
        user: id in that data; None for somebody new.
        former: item → rating, before anything is changed.
        ratings: the same with the changes.
    """

    user: str | None
    former: Mapping[int, float]
    ratings: Mapping[int, float]

    @property
    def changes(self) -> dict[int, float | None]:
        """Item → new rating, None where it was removed."""
        removed = {item: None for item in self.former if item not in self.ratings}
        return {**removed, **{item: rating for item, rating in self.ratings.items() if self.former.get(item) != rating}}


def known(split: Split, user: str, changes: Mapping[int, float | None] | None = None) -> Person:
    """A user of the data, with the ratings that models may see.

    Raises:
        InputError: the user is not in the data.
    """
    return newcomer(ratings_of(split.visible, split.interactions.user_position(user)), changes, user)


def newcomer(ratings: Mapping[int, float], changes: Mapping[int, float | None] | None = None, user: str | None = None) -> Person:
    """Somebody with these ratings; changes that change nothing are left out."""
    changed = {**ratings, **(changes or {})}
    return Person(user, dict(ratings), {item: rating for item, rating in changed.items() if rating is not None})


def read_changes(text: str, data: Interactions) -> dict[int, float | None]:
    """Item → new rating, None for a removed one, from text such as "318:4.5,296:-"; ids are quoted as in an address.

    Raises:
        InputError: a part is not so written, or names an unknown item or a rating off the scale.
    """
    changes: dict[int, float | None] = {}
    low, high = data.scale
    for part in filter(None, text.split(",")):
        label, _, value = part.rpartition(":")
        item = data.item_position(unquote(label)) if label else None
        rating = _number(value)
        if item is None or (rating is None and value != REMOVED):
            raise InputError(f"set={part[:80]} is no change of a rating: write ITEM:RATING, or ITEM:{REMOVED} to remove it.")
        if rating is not None and not low <= rating <= high:
            raise InputError(f"set={part[:80]}: {rating:g} is not on the scale of {data.name}, {low:g} to {high:g}.")
        changes[item] = rating
    return changes


def write_changes(changes: Mapping[int, float | None], data: Interactions) -> str:
    """What `read_changes` reads, in the order of the changes."""
    ids = data.items.index
    return ",".join(f"{quote(ids[item], safe='')}:{REMOVED if rating is None else f'{rating:g}'}" for item, rating in changes.items())


def ratings_of(matrix: sp.csr_array, row: int) -> dict[int, float]:
    """Column → value of the stored entries of one row."""
    span = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return dict(zip(matrix.indices[span].tolist(), matrix.data[span].tolist(), strict=True))


def as_row(ratings: Mapping[int, float], n_items: int) -> sp.csr_array:
    """CSR [1 × items], columns ascending."""
    items = np.array(sorted(ratings), np.int32)
    values = np.array([ratings[item] for item in items.tolist()], np.float32)
    return sp.csr_array((values, items, [0, len(items)]), shape=(1, n_items))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
