"""Top lists of a trained run beside SVD's, for a user of the dataset or a new one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from engine.errors import InputError
from engine.evaluation import recommend
from engine.experiment import TrainedRun
from engine.interactions import Interactions
from engine.splits import LABELS


def for_user(trained: TrainedRun, user_id: str, top: int) -> dict[str, Any]:
    """Lists for a user of the run's dataset: `recommendations` and `svd` (best first) with what `_lists` tells of both,
    `history` (visible ratings, best first) with `mean` and `taste`, and `held_out` (see `held_out_parts`, best first).

    Raises:
        InputError: the user is not in the data.
    """
    data, split = trained.split.interactions, trained.split
    row = data.user_position(user_id)
    held_out = _ratings(held_out_ratings(trained), row)
    return {
        **_lists(trained, split.visible, row, top, held_out),
        **_history(data, _ratings(split.visible, row)),
        "held_out": _rated(data, held_out),
    }


def for_new_user(trained: TrainedRun, ratings: Mapping[int, float], top: int) -> dict[str, Any]:
    """As `for_user` for anybody, from item positions and ratings (fold-in); nothing of theirs is held out.

    Raises:
        InputError: the model cannot score new users, or there are no ratings.
    """
    data = trained.split.interactions
    if not trained.model.scores_new_users:
        raise InputError(f"{trained.run.name} knows only the users it was trained with: a new user needs a user-based one.")
    if not ratings:
        raise InputError("A new user needs at least one rating.")
    items = np.array(sorted(ratings))
    values = np.array([ratings[item] for item in items], np.float32)
    row = sp.csr_array((values, items, [0, len(items)]), shape=(1, data.n_items))
    return {**_lists(trained, row, 0, top, {}), **_history(data, ratings), "held_out": []}


def liked_from(trained: TrainedRun) -> float:
    """The rating from which a held-out item counts as a hit."""
    return (trained.run.facts or {}).get("liked", 0.8 * trained.split.interactions.scale[1])


def held_out_parts(trained: TrainedRun) -> tuple[str, ...]:
    """The parts of the split that a run's lists may be judged by: the test part is read once, when the run has finished."""
    return ("validation", "test") if trained.run.state == "finished" else ("validation",)


def held_out_ratings(trained: TrainedRun) -> sp.csr_array:
    """Ratings of `held_out_parts` together, CSR users × items."""
    split = trained.split
    return split.interactions.pick(np.isin(split.labels, [LABELS[part] for part in held_out_parts(trained)]))


def describe(data: Interactions, positions: Iterable[int]) -> list[dict[str, Any]]:
    """Id, title and genres of items."""
    table = data.items.iloc[list(positions)]
    genres = table["genres"] if "genres" in table else [""] * len(table)
    return [
        {"item": str(item), "title": str(title), "genres": str(some)}
        for item, title, some in zip(table.index, table["title"], genres, strict=True)
    ]


def _lists(trained: TrainedRun, visible: sp.csr_array, row: int, top: int, held_out: dict[int, float]) -> dict[str, Any]:
    """Both top lists with their `overlap`, and by list their `hits` and mean `popularity`.

    Of each entry: `popularity` (training ratings), `held_out` (its rating), `hit` (liked), `other` (its place in the other
    model's order of all unseen items).
    """
    data, liked = trained.split.interactions, liked_from(trained)
    popularity = np.bincount(trained.split.train.indices, minlength=data.n_items)
    models = {"recommendations": trained.model, "svd": trained.svd}
    orders = {name: recommend(model, visible, row, data.n_items) for name, model in models.items()}
    places = {}
    for name, other in (("recommendations", "svd"), ("svd", "recommendations")):
        places[name] = dict(zip(orders[other][0].tolist(), range(1, data.n_items + 1), strict=False))
    lists = {
        name: [
            {
                **described,
                "score": float(score),
                "held_out": held_out.get(item),
                "hit": held_out.get(item, -np.inf) >= liked,
                "popularity": int(popularity[item]),
                "other": places[name][item],
            }
            for item, score, described in zip(order[:top].tolist(), scores[:top], describe(data, order[:top]), strict=True)
        ]
        for name, (order, scores) in orders.items()
    }
    return {
        **lists,
        "overlap": len({one["item"] for one in lists["recommendations"]} & {one["item"] for one in lists["svd"]}),
        "hits": {name: sum(one["hit"] for one in entries) for name, entries in lists.items()},
        "popularity": {name: float(np.mean([one["popularity"] for one in entries])) if entries else 0.0 for name, entries in lists.items()},
    }


def _history(data: Interactions, ratings: Mapping[int, float]) -> dict[str, Any]:
    """`history`, best first, its `mean`, and `taste`: per genre the `difference` of its ratings' mean from that mean, and their number.
    Without ratings, `mean` is None."""
    if not ratings:
        return {"history": [], "mean": None, "taste": []}
    history = _rated(data, ratings)
    mean = sum(ratings.values()) / len(ratings)
    by_genre: dict[str, list[float]] = {}
    for entry in history:
        for genre in filter(None, entry["genres"].split("|")):
            by_genre.setdefault(genre, []).append(entry["rating"])
    taste = [{"genre": genre, "difference": float(np.mean(some)) - mean, "ratings": len(some)} for genre, some in by_genre.items()]
    return {"history": history, "mean": mean, "taste": sorted(taste, key=lambda one: -one["difference"])}


def _rated(data: Interactions, ratings: Mapping[int, float]) -> list[dict[str, Any]]:
    """Items with their ratings, best first."""
    best = sorted(ratings.items(), key=lambda pair: -pair[1])
    return [{**item, "rating": rating} for item, (_, rating) in zip(describe(data, (item for item, _ in best)), best, strict=True)]


def _ratings(matrix: sp.csr_array, row: int) -> dict[int, float]:
    line = matrix[[row]]
    return dict(zip(line.indices.tolist(), line.data.tolist(), strict=True))
