"""Top lists of a trained run beside SVD's, for a user of the dataset or a new one. Plain rows, for pages and the command line."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from engine.errors import InputError
from engine.evaluation import recommend
from engine.interactions import Interactions
from engine.runs import TrainedRun


def for_user(trained: TrainedRun, user_id: str, top: int) -> dict[str, Any]:
    """Lists for a user of the run's dataset: `recommendations`, `svd` (both best first) and `history` (visible ratings, best first).

    Raises:
        InputError: the user is not in the data, or has no training ratings.
    """
    data, split = trained.split.interactions, trained.split
    row = data.user_position(user_id)
    held_out = {**_ratings(split.validation, row), **_ratings(split.test, row)}
    history = sorted(_ratings(split.visible, row).items(), key=lambda pair: -pair[1])
    return {
        **_lists(trained, split.visible, row, top, held_out),
        "history": [{**_item(data, item), "rating": rating} for item, rating in history],
        "held_out": [{**_item(data, item), "rating": rating} for item, rating in sorted(held_out.items(), key=lambda pair: -pair[1])],
    }


def for_new_user(trained: TrainedRun, ratings: Mapping[int, float], top: int) -> dict[str, Any]:
    """Lists for anybody, from item positions and ratings (fold-in).

    Raises:
        InputError: the model cannot score new users, or there are no ratings.
    """
    data = trained.split.interactions
    if not trained.model.scores_new_users:
        raise InputError(f"{trained.run.name} is item-based and knows only its training users: choose a user-based run for a new user.")
    if not ratings:
        raise InputError("A new user needs at least one rating.")
    items = np.array(sorted(ratings))
    values = np.array([ratings[item] for item in items], np.float32)
    row = sp.csr_array((values, items, [0, len(items)]), shape=(1, data.n_items))
    history = sorted(ratings.items(), key=lambda pair: -pair[1])
    return {**_lists(trained, row, 0, top, {}), "history": [{**_item(data, item), "rating": rating} for item, rating in history]}


def read_ratings(path: Path, data: Interactions) -> dict[int, float]:
    """Item positions and ratings from a CSV with two columns: item (id or title) and rating.

    Raises:
        InputError: the file is missing or empty, or a line holds an unknown item or no number.
    """
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError):
        raise InputError(f"{path.name} is not a CSV of item,rating lines.") from None
    if frame.shape[1] < 2 or frame.empty:
        raise InputError(f"{path.name} needs two columns, item and rating, and at least one line.")
    columns = {str(name).lower(): name for name in frame.columns}
    item_column = next((columns[name] for name in ("item", "itemid", "item_id", "movieid", "title") if name in columns), frame.columns[0])
    rating_column = columns.get("rating", frame.columns[1])
    ratings = {}
    for line, (label, value) in enumerate(zip(frame[item_column], frame[rating_column], strict=True), 2):
        try:
            rating = float(value)
        except ValueError:
            rating = np.nan
        if not np.isfinite(rating):
            raise InputError(f"{path.name}, line {line}: '{value}' is not a rating.")
        ratings[find_item(data, label)] = rating
    return ratings


def find_item(data: Interactions, label: str) -> int:
    """Position of an item by its id or title. Raises InputError with the nearest title."""
    if label in data.items.index:
        return data.item_position(label)
    matches = np.flatnonzero(data.titles == label)
    if len(matches):
        return int(matches[0])
    near = difflib.get_close_matches(label, list(data.titles), n=1)
    raise InputError(f"No item '{label}' in {data.name}." + (f" Did you mean '{near[0]}'?" if near else ""))


def _lists(trained: TrainedRun, visible: sp.csr_array, row: int, top: int, held_out: dict[int, float]) -> dict[str, Any]:
    data = trained.split.interactions
    liked = (trained.run.facts or {}).get("liked", 0.8 * data.scale[1])
    lists = {}
    for name, model in (("recommendations", trained.model), ("svd", trained.svd)):
        best, scores = recommend(model, visible, row, top)
        lists[name] = [
            {**_item(data, item), "score": float(score), "held_out": held_out.get(item), "hit": held_out.get(item, -np.inf) >= liked}
            for item, score in zip(best.tolist(), scores, strict=True)
        ]
    return lists


def _item(data: Interactions, position: int) -> dict[str, Any]:
    row = data.items.iloc[position]
    return {"item": str(data.items.index[position]), "title": str(row["title"]), "genres": str(row.get("genres", ""))}


def _ratings(matrix: sp.csr_array, row: int) -> dict[int, float]:
    line = matrix[[row]]
    return dict(zip(line.indices.tolist(), line.data.tolist(), strict=True))
