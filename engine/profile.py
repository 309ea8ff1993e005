"""What a dataset looks like before any model sees it: sizes, rating values, the long tail, time, and the parts of a split."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from engine.interactions import Interactions
from engine.splits import LABELS, Split

VALUES = 21
"""At most so many distinct ratings are counted one by one; more are put into bins."""
BINS = 20
PERIODS = 72
"""At most so many periods of time are counted."""
TAIL_POINTS = 300
TOP = 0.1

Side = Literal["users", "items"]


@dataclass(frozen=True)
class Profile:
    """A dataset in numbers.

    Attributes:
        density: share of the users × items cells that is rated.
        mean, deviation: of the ratings, in their own unit.
        first, last: earliest and latest rating in seconds since 1970; None without timestamps.
        duplicates: (user, item) pairs that came more than once; the latest rating was kept.
        noise_floor: RMSE of the ratings against their true means, which no model can beat; None for real data.
    """

    users: int
    items: int
    ratings: int
    density: float
    mean: float
    deviation: float
    scale: tuple[float, float]
    first: int | None
    last: int | None
    duplicates: int
    noise_floor: float | None


@dataclass(frozen=True, eq=False)
class Tail:
    """How unevenly ratings are spread over users or items.

    Attributes:
        ranked: columns `rank` (1 = most rated), `ratings`, `share` (of all ratings, up to this rank); at most TAIL_POINTS rows.
        median: ratings of the one in the middle.
        top_share: share of all ratings that the most rated tenth has.
        single: how many have one rating only.
    """

    ranked: pd.DataFrame
    median: float
    top_share: float
    single: int


def profile(data: Interactions) -> Profile:
    """The dataset in numbers."""
    values = data.ratings.data.astype(np.float64)
    times = data.timestamps
    floor = None if data.expected is None else float(np.sqrt(np.mean((values - data.expected) ** 2)))
    return Profile(
        users=data.n_users,
        items=data.n_items,
        ratings=data.n_ratings,
        density=data.n_ratings / (data.n_users * data.n_items),
        mean=float(values.mean()),
        deviation=float(values.std()),
        scale=data.scale,
        first=None if times is None else int(times.min()),
        last=None if times is None else int(times.max()),
        duplicates=data.duplicates,
        noise_floor=floor,
    )


def rating_counts(data: Interactions) -> pd.DataFrame:
    """Columns `rating` (a value such as "3.5", or a bin such as "10–20") and `ratings`; values that nobody gave between others count 0."""
    values = data.ratings.data.astype(np.float64)
    distinct = np.unique(values)
    if len(distinct) == 1:
        return pd.DataFrame({"rating": [f"{distinct[0]:g}"], "ratings": [len(values)]})
    step = float(np.diff(distinct).min())
    steps = (distinct - distinct[0]) / step
    if steps[-1] < VALUES and np.allclose(steps, np.round(steps), atol=1e-3):
        counts = np.bincount(np.round((values - distinct[0]) / step).astype(int))
        return pd.DataFrame({"rating": [f"{distinct[0] + index * step:g}" for index in range(len(counts))], "ratings": counts})
    counts, edges = np.histogram(values, BINS)
    names = [f"{low:.3g}–{high:.3g}" for low, high in itertools.pairwise(edges)]
    return pd.DataFrame({"rating": names, "ratings": counts})


def tail(data: Interactions, side: Side) -> Tail:
    """The long tail of users or items."""
    positions, size = (data.rows, data.n_users) if side == "users" else (data.columns, data.n_items)
    counts = np.sort(np.bincount(positions, minlength=size))[::-1]
    shares = np.cumsum(counts) / counts.sum()
    ranks = np.unique(np.round(np.geomspace(1, size, TAIL_POINTS)).astype(int))
    ranked = pd.DataFrame({"rank": ranks, "ratings": counts[ranks - 1], "share": shares[ranks - 1]})
    top = max(1, round(TOP * size))
    return Tail(ranked, float(np.median(counts)), float(shares[top - 1]), int((counts == 1).sum()))


def over_time(timestamps: np.ndarray, labels: np.ndarray | None = None) -> pd.DataFrame:
    """Ratings per period, the periods being days, months, quarters or years: the finest that stay within PERIODS, or years.

    Args:
        timestamps: seconds since 1970.
        labels: part of each rating as in `splits.LABELS`; ratings of other labels are left out.

    Returns:
        Column `period` ("2018-03"), then `ratings`, or one column per part that has any. Empty periods count 0.
    """
    moments = pd.Series(pd.to_datetime(timestamps, unit="s"))
    for unit in ("D", "M", "Q", "Y"):
        periods = moments.dt.to_period(unit)
        every = pd.period_range(periods.min(), periods.max(), freq=periods.dt.freq)
        if len(every) <= PERIODS:
            break
    parts = {"ratings": np.ones(len(periods), bool)} if labels is None else {name: labels == label for name, label in LABELS.items()}
    counts = {name: periods[chosen].value_counts().reindex(every, fill_value=0) for name, chosen in parts.items() if chosen.any()}
    return pd.DataFrame({"period": every.astype(str), **{name: count.to_numpy() for name, count in counts.items()}})


def item_table(data: Interactions) -> pd.DataFrame:
    """One row per item, most rated first: `item` (id), `title`, `genres` where known, `ratings`, `mean` (rating)."""
    counts = np.bincount(data.columns, minlength=data.n_items)
    sums = np.bincount(data.columns, weights=data.ratings.data, minlength=data.n_items)
    table = pd.DataFrame({"item": data.items.index.to_numpy(), "title": data.titles})
    if "genres" in data.items:
        table["genres"] = data.items["genres"].str.replace("|", ", ", regex=False).to_numpy()
    table["ratings"] = counts
    table["mean"] = np.divide(sums, counts, out=np.full(data.n_items, np.nan), where=counts > 0)
    return table.sort_values("ratings", ascending=False, kind="stable", ignore_index=True)


def split_parts(split: Split) -> pd.DataFrame:
    """One row per part that has ratings: `part`, `ratings`, `share` (of the ratings kept), `users`, `items`, `mean` (rating), `dropped`."""
    data, rows = split.interactions, []
    for name, label in LABELS.items():
        chosen = split.labels == label
        if not chosen.any():
            continue
        rows.append(
            {
                "part": name,
                "ratings": int(chosen.sum()),
                "share": float(chosen.mean()),
                "users": len(np.unique(data.rows[chosen])),
                "items": len(np.unique(data.columns[chosen])),
                "mean": float(data.ratings.data[chosen].mean()),
                "dropped": split.dropped.get(name, 0),
            }
        )
    return pd.DataFrame(rows)


def later_training_share(split: Split) -> float | None:
    """Share of the training ratings that are later than the median test rating: what a model knows of its tests' future.

    None without timestamps.
    """
    times = split.interactions.timestamps
    if times is None:
        return None
    middle = np.median(times[split.labels == LABELS["test"]])
    return float((times[split.labels == LABELS["train"]] > middle).mean())
