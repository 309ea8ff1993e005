"""Generated ratings of any size: exactly as many as wanted, long-tailed on both sides, with a taste to be learned.

Fast because items are drawn systematically: laid out along a line, each as long as the chance that the user rates it, the items
hit by equally spaced points are distinct and as many as wanted (Madow 1949, "On the theory of systematic sampling, II").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

from engine.interactions import Interactions

SCALE = (1.0, 5.0)


@dataclass(frozen=True)
class Shape:
    """What is generated; the same shape gives the same ratings.

    A rating is mean + user bias + item bias + taste + noise, rounded and clipped to 1-5; taste is the inner product of
    `tastes` standard normal numbers of the user with as many loadings of the item.

    Attributes:
        users, items, ratings: how many.
        fewest: ratings that every user has at least.
        activity_spread: standard deviation of the logarithm of what users have beyond that.
        popularity_exponent, popularity_offset: popularity falls as (rank + offset)^-exponent.
        mean, user_spread, item_spread, taste_spread, noise: in stars; the last four are standard deviations.
    """

    name: str
    users: int
    items: int
    ratings: int
    fewest: int = 20
    activity_spread: float = 1.1
    popularity_exponent: float = 1.0
    popularity_offset: float = 60.0
    mean: float = 3.5
    user_spread: float = 0.4
    item_spread: float = 0.45
    taste_spread: float = 0.55
    tastes: int = 6
    noise: float = 0.8
    seed: int = 552


AMAZON = Shape("amazon", users=240_000, items=14_000, ratings=2_600_000, fewest=3, popularity_exponent=0.9)
ML20M = Shape("ml20m", users=138_493, items=26_744, ratings=20_000_263, popularity_exponent=1.2)
NETFLIX = Shape("netflix", users=477_412, items=17_768, ratings=98_074_901)

TOGETHER = 64
"""Users of one number of ratings whose items lie along the line in one order."""


def generate(shape: Shape) -> sp.csr_array:
    """Ratings 1-5 as uint8, CSR users × items, int32 indices sorted within a row; no pair twice, `shape.ratings` entries.

    Beyond the result, memory holds one block of users at a time.
    """
    draw = np.random.Generator(np.random.PCG64(shape.seed))
    counts = activity(shape, draw)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    indices, values = np.empty(shape.ratings, np.int32), np.empty(shape.ratings, np.uint8)
    weights = popularity(shape, draw)
    item_bias = (shape.item_spread * draw.standard_normal(shape.items)).astype(np.float32)
    user_bias = (shape.user_spread * draw.standard_normal(shape.users)).astype(np.float32)
    loadings = draw.standard_normal((shape.items, shape.tastes), np.float32) * np.float32(shape.taste_spread / np.sqrt(shape.tastes))
    tastes = draw.standard_normal((shape.users, shape.tastes), np.float32)
    for users, line in _blocks(counts, weights, draw):
        items = choose(line, counts[users[0]], len(users), draw)
        opinion = np.einsum("ut,uit->ui", tastes[users], loadings[items])
        opinion += np.float32(shape.mean) + user_bias[users, None] + item_bias[items]
        opinion += np.float32(shape.noise) * draw.standard_normal(items.shape, np.float32)
        places = indptr[users, None] + np.arange(items.shape[1])
        indices[places] = items
        values[places] = np.clip(np.rint(opinion), *SCALE).astype(np.uint8)
    return sp.csr_array((values, indices, indptr.astype(np.int32)), shape=(shape.users, shape.items))


def load_apps() -> Interactions:
    """AMAZON with users and items by number: real in size and long tails, invented in all else. Takes some seconds."""
    made = generate(AMAZON)
    ratings = sp.csr_array((made.data.astype(np.float32), made.indices, made.indptr), shape=made.shape)
    users, apps = (pd.Index(np.arange(1, count + 1).astype(str)) for count in made.shape)
    titles = pd.DataFrame({"title": "App " + apps}, index=apps)
    return Interactions("generated-apps", ratings, pd.DataFrame(index=users), titles, SCALE)


def activity(shape: Shape, draw: np.random.Generator) -> np.ndarray:
    """Ratings of each user: `fewest` and a log-normal number more, at most half of the items; `shape.ratings` in all."""
    most = shape.items // 2
    if not shape.fewest * shape.users <= shape.ratings <= most * shape.users:
        raise ValueError(f"{shape.ratings} ratings do not fit {shape.users} users with {shape.fewest} to {most} each")
    extra = np.exp(shape.activity_spread * draw.standard_normal(shape.users))
    spare = shape.ratings - shape.fewest * shape.users
    counts = np.minimum(shape.fewest + np.floor(extra / extra.sum() * spare).astype(np.int64), most)
    while missing := shape.ratings - int(counts.sum()):
        room = np.flatnonzero(counts < most)
        counts[draw.permutation(room)[:missing]] += 1
    return counts


def popularity(shape: Shape, draw: np.random.Generator) -> np.ndarray:
    """Weight of each item, in no order."""
    return draw.permutation((np.arange(shape.items) + shape.popularity_offset) ** -shape.popularity_exponent)


def chances(weights: np.ndarray, wanted: np.ndarray) -> Iterator[np.ndarray]:
    """For each number wanted, min(1, c · weights) with the c that makes it the sum."""
    falling = np.sort(weights)[::-1]
    rest = np.cumsum(falling[::-1])[::-1]
    # From how many on the first item, the second, ... is certain.
    certain = np.searchsorted(np.arange(len(weights)) + rest / falling, wanted)
    for number, sure in zip(wanted, certain, strict=True):
        yield np.minimum(1.0, (number - sure) / rest[sure] * weights)


def choose(line: tuple[np.ndarray, np.ndarray], count: int, users: int, draw: np.random.Generator) -> np.ndarray:
    """Distinct items for some users, sorted [users × count]. `line`: the items in an order, and where each one ends."""
    order, ends = line
    points = draw.random((users, 1)) + np.arange(count)
    places = np.searchsorted(ends, points.ravel(), side="right").clip(max=len(order) - 1)
    return np.sort(order[places].reshape(users, count), axis=1)


def _blocks(
    counts: np.ndarray, weights: np.ndarray, draw: np.random.Generator
) -> Iterator[tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]]:
    """Users with the same number of ratings, TOGETHER at most, and the line that their items lie along."""
    by_count = np.argsort(counts, kind="stable")
    numbers, starts = np.unique(counts[by_count], return_index=True)
    for chance, users in zip(chances(weights, numbers), np.split(by_count, starts[1:]), strict=True):
        for start in range(0, len(users), TOGETHER):
            order = draw.permutation(len(weights)).astype(np.int32)
            yield users[start : start + TOGETHER], (order, np.cumsum(chance[order]))
