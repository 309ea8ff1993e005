"""Items as points: what a model has learned of them laid flat, and who is near to whom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.errors import InputError
from engine.interactions import Interactions
from engine.profile import item_table

MOST = 2_000
"""Items of a map: the most rated ones."""
FEWEST = 3
ALIKE = 1e-12
"""Variance, beside the mean square, at which factors count as the same."""


@dataclass(frozen=True, eq=False)
class ItemMap:
    """The most rated items of a dataset with what a model has learned of them.

    Attributes:
        table: as `described`, at most MOST rows; the index is the item's position in the data.
        factors: of the same items, float32 [rows × width].
        there: how many items there are in all, those included that are too rarely rated to be among the MOST.
        name: of the data.
    """

    table: pd.DataFrame
    factors: np.ndarray
    there: int
    name: str

    def at_least(self, ratings: int) -> ItemMap:
        """The items with so many ratings or more.

        Raises:
            InputError: they are fewer than FEWEST.
        """
        kept = int((self.table["ratings"] >= ratings).sum())
        if kept < FEWEST:
            raise InputError(f"Only {kept} items of {self.name} have {ratings} ratings or more: ask for fewer.")
        return ItemMap(self.table.head(kept), self.factors[:kept], self.there, self.name)


@dataclass(frozen=True, eq=False)
class Flat:
    """Points in a plane.

    Attributes:
        places: float64 [items × 2].
        shares: how much of the variance of all factors each axis holds, 0 to 1.
    """

    places: np.ndarray
    shares: tuple[float, float]


def described(data: Interactions) -> pd.DataFrame:
    """One row per item, most rated first: the columns of `item_table`, and `first_genre` where genres are known; index: its position."""
    table = item_table(data)
    if "genres" in table:
        table["first_genre"] = table["genres"].str.split(", ").str[0].replace("", "none")
    return table.set_axis(data.items.index.get_indexer(pd.Index(table["item"])), axis=0)


def item_map(factors: np.ndarray, data: Interactions) -> ItemMap:
    """The MOST rated items, most rated first; `factors`: of all items of the data [items × width]."""
    table = described(data)
    drawn = table.head(MOST)
    return ItemMap(drawn, np.array(factors[drawn.index.to_numpy()], np.float32), len(table), data.name)


def principal(factors: np.ndarray) -> Flat:
    """The two directions in which the items differ most (principal component analysis; Pearson 1901).

    An axis's direction is arbitrary: here the item farthest out has a positive place, so that a picture looks the same each time.

    Args:
        factors: [items × width].

    Raises:
        InputError: there is a single factor, or all items have the same.
    """
    from sklearn.decomposition import PCA

    if factors.shape[1] < 2:
        raise InputError("A map needs at least two factors, and this model has one: raise its rank or width.")
    exact = factors.astype(np.float64)
    if exact.var(axis=0).sum() <= ALIKE * max(1.0, float(np.square(exact).mean())):
        raise InputError("All items have the same factors, so there is nothing to map: train the model longer.")
    found = PCA(2, random_state=0)
    places = found.fit_transform(exact)
    outer = places[np.abs(places).argmax(axis=0), [0, 1]]
    one, other = (float(share) for share in found.explained_variance_ratio_)
    return Flat(places * np.where(outer < 0, -1.0, 1.0), (one, other))


def two_factors(factors: np.ndarray, x: int, y: int) -> Flat:
    """Two of the factors as they are, with their shares of the variance.

    Args:
        factors: [items × width].
        x, y: counted from 1.

    Raises:
        InputError: there is no such factor.
    """
    width = factors.shape[1]
    for number in (x, y):
        if not 1 <= number <= width:
            raise InputError(f"There is no factor {number}: this model has {width}, counted from 1.")
    places = factors[:, [x - 1, y - 1]].astype(np.float64)
    whole = float(factors.var(axis=0, dtype=np.float64).sum())
    one, other = (float(part) / whole if whole else 0.0 for part in places.var(axis=0))
    return Flat(places, (one, other))


def neighbours(places: np.ndarray, item: int, top: int) -> tuple[np.ndarray, np.ndarray]:
    """The items in the most similar direction, most similar first, and the cosine of each; fewer where there are no more.

    Args:
        places: of items among the factors [items × rank]; an item at the origin has no direction and is nobody's neighbour.
        item: whose neighbours; a row of `places`.
    """
    lengths = np.linalg.norm(places, axis=1)
    others = np.flatnonzero((lengths > 0) & (np.arange(len(places)) != item))
    if not lengths[item]:
        return np.zeros(0, np.int64), np.zeros(0)
    cosines = places[others] @ places[item] / (lengths[others] * lengths[item])
    best = np.argsort(-cosines, kind="stable")[:top]
    return others[best], cosines[best]


def distances(places: np.ndarray, item: int, others: np.ndarray) -> np.ndarray:
    """Euclidean distances of some items from one, among the factors [others]."""
    return np.linalg.norm(places[others].astype(np.float64) - places[item].astype(np.float64), axis=1)
