"""Items and ratings in words: rows of titles and genres, and the taste that ratings tell of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.interactions import Interactions


def describe(data: Interactions, positions: Sequence[int] | np.ndarray) -> list[dict[str, Any]]:
    """Id, title and genres of items."""
    table = data.items.iloc[list(positions)]
    genres = table["genres"] if "genres" in table else [""] * len(table)
    return [
        {"item": str(item), "title": str(title), "genres": str(some)}
        for item, title, some in zip(table.index, table["title"], genres, strict=True)
    ]


def history(data: Interactions, ratings: Mapping[int, float]) -> dict[str, Any]:
    """`history`, best first, its `mean`, and `taste`: per genre the `difference` of its ratings' mean from that mean, and their number.
    Without ratings, `mean` is None."""
    if not ratings:
        return {"history": [], "mean": None, "taste": []}
    titles = rated(data, ratings)
    mean = sum(ratings.values()) / len(ratings)
    by_genre: dict[str, list[float]] = {}
    for entry in titles:
        for genre in filter(None, entry["genres"].split("|")):
            by_genre.setdefault(genre, []).append(entry["rating"])
    taste = [{"genre": genre, "difference": float(np.mean(some)) - mean, "ratings": len(some)} for genre, some in by_genre.items()]
    return {"history": titles, "mean": mean, "taste": sorted(taste, key=lambda one: -one["difference"])}


def rated(data: Interactions, ratings: Mapping[int, float]) -> list[dict[str, Any]]:
    """Items with their ratings, best first."""
    best = sorted(ratings.items(), key=lambda pair: -pair[1])
    return [{**item, "rating": rating} for item, (_, rating) in zip(describe(data, [item for item, _ in best]), best, strict=True)]
