"""Top lists of several trained models for the same person: what they share, whom they serve, and what a changed rating changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from engine.errors import InputError
from engine.evaluation import popularity, rates, surprise
from engine.experiment import TrainedRun
from engine.interactions import Interactions
from engine.metrics import top_k
from engine.models.contract import Recommender, Scorer
from engine.recommendations.described import describe
from engine.recommendations.person import Person, as_row, ratings_of
from engine.splits import LABELS

SVD = "svd"
VALUES_UNREAD = "This model reads which titles are rated, not how: only adding and removing changes its list."
LEARNED_STAYS = "What this model has learned of the user stays as it was: only the ratings that enter beside it change."


@dataclass(frozen=True, eq=False)
class Advisor:
    """A trained model that is asked for lists: a run's own, or the SVD beside it.

    Attributes:
        key: id of the run, or SVD.
    """

    key: str
    trained: TrainedRun

    @property
    def model(self) -> Recommender:
        return self.trained.svd if self.key == SVD else self.trained.model

    @property
    def data(self) -> Interactions:
        return self.trained.split.interactions

    @property
    def rates(self) -> bool:
        """Whether its scores are predicted ratings."""
        return rates(self.model, self.data)

    @cached_property
    def popularity(self) -> np.ndarray:
        """Training ratings of each item."""
        return popularity(self.trained.split.train)[0]

    @cached_property
    def surprise(self) -> np.ndarray:
        """Of each item, in bits; see `evaluation.surprise`."""
        return surprise(self.trained.split.train)

    @cached_property
    def scorer(self) -> Scorer:
        """Scores of the model's own users by what it may see of them."""
        return self.model.scorer(self.trained.split.visible)

    @cached_property
    def held_out(self) -> sp.csr_array:
        """See `held_out_ratings`."""
        return held_out_ratings(self.trained)

    def held_out_of(self, person: Person) -> dict[int, float]:
        """Item → rating that is held out of a known user."""
        return {} if person.user is None else ratings_of(self.held_out, self.data.user_position(person.user))


@dataclass(frozen=True, eq=False)
class Listed:
    """One model's top list.

    Attributes:
        entries: best first: item, title, genres, score; popularity (training ratings) and novelty (bits); held_out (its rating) and
            hit (liked); places (by model: its place in that model's order, None where it has none) and before (its place before the
            changes, None where there was none).
        left: what the changes drove out of the list: item, title, before, and place now (None for what is rated now).
        note: what has to be known of the list, in a sentence; "" for nothing.
    """

    entries: list[dict[str, Any]]
    left: list[dict[str, Any]]
    note: str

    @property
    def hits(self) -> int:
        return sum(one["hit"] for one in self.entries)

    def mean(self, figure: str) -> float:
        """Mean `popularity` or `novelty` of the list, 0 for an empty one."""
        return float(np.mean([one[figure] for one in self.entries])) if self.entries else 0.0


@dataclass(frozen=True, eq=False)
class Compared:
    """Lists by model, in the order asked; `refused` says of the others why there is none; `overlap` counts what each pair shares."""

    lists: dict[str, Listed]
    refused: dict[str, str]
    overlap: dict[tuple[str, str], int]


@dataclass(frozen=True, eq=False)
class _Scored:
    """A model's scores of one person, −inf where an item is rated: now and before the changes, float32 [items]."""

    advisor: Advisor
    now: np.ndarray
    before: np.ndarray
    note: str

    def places(self, scores: np.ndarray, ids: Sequence[str]) -> list[int | None]:
        """Places of items in the order of these scores, 1 for the best; None for what is rated or not in the catalogue."""
        columns = self.advisor.data.items.index.get_indexer(pd.Index(ids))
        own = np.where(columns < 0, -np.inf, scores[columns])
        above = (scores > own[:, None]).sum(axis=1)
        above += ((scores == own[:, None]) & (np.arange(len(scores)) < columns[:, None])).sum(axis=1)
        return [None if np.isneginf(score) else int(place) + 1 for score, place in zip(own, above, strict=True)]


def compare(advisors: Sequence[Advisor], person: Person, top: int) -> Compared:
    """Top lists of these models for a person whose ratings are of the first one's data; the others find items by their ids.

    Hits, popularity and novelty are by the first one's split.
    """
    first, scored, refused = advisors[0], {}, {}
    for advisor in advisors:
        try:
            scored[advisor.key] = _scored(advisor, first, person)
        except InputError as error:
            refused[advisor.key] = str(error)
    held_out = {first.data.items.index[item]: rating for item, rating in first.held_out_of(person).items()}
    lists = {
        key: _listed(one, first, held_out, {other: scored[other] for other in scored if other != key}, top) for key, one in scored.items()
    }
    items = {key: {entry["item"] for entry in one.entries} for key, one in lists.items()}
    return Compared(lists, refused, {(one, other): len(items[one] & items[other]) for one, other in combinations(lists, 2)})


def places(advisor: Advisor, person: Person, items: Sequence[str]) -> list[int | None]:
    """Places of items in a model's order of all titles that are not rated; None for those that are, or that it does not know.

    Raises:
        InputError: the model has no score for this person.
    """
    one = _scored(advisor, advisor, person)
    return one.places(one.now, items)


def seen_by(advisor: Advisor, first: Advisor, person: Person, ratings: Mapping[int, float]) -> sp.csr_array:
    """Ratings of the first one's data as another model's row [1 × its items]; titles that it does not know are left out.

    Raises:
        InputError: the first one's data tells likes alone, and the model was trained on ratings.
    """
    if advisor.data is first.data:
        return as_row(ratings, first.data.n_items)
    threshold, own_likes = advisor.trained.config.preprocessing.binarise, first.trained.config.preprocessing.binarise
    if own_likes is not None and threshold is None:
        raise InputError(
            f"{advisor.trained.run.name} was trained on ratings, and {first.trained.run.name} knows only likes: choose "
            f"{advisor.trained.run.name} first, and the other one beside it."
        )
    columns = advisor.data.items.index.get_indexer(first.data.items.index[list(ratings)])
    kept = {int(column): rating for column, rating in zip(columns, ratings.values(), strict=True) if column >= 0}
    if threshold is not None and own_likes is None:
        kept = {item: 1.0 for item, rating in kept.items() if rating >= threshold}
    return as_row(kept, advisor.data.n_items)


def user_in(advisor: Advisor, person: Person) -> int | None:
    """The person's row in a model's data; None for somebody whom it was not trained with."""
    place = -1 if person.user is None else int(advisor.data.users.index.get_indexer(pd.Index([person.user]))[0])
    return None if place < 0 else place


def _scored(advisor: Advisor, first: Advisor, person: Person) -> _Scored:
    """Raises InputError where the model has no score for this person."""
    model, user = advisor.model, user_in(advisor, person)
    alike = not model.reads_values and set(person.ratings) == set(person.former)
    seen = [person.ratings, *([person.former] if person.changes and not alike else [])]
    rows = [seen_by(advisor, first, person, ratings) for ratings in seen]
    note = ""
    if person.changes:
        note = VALUES_UNREAD if alike else "" if model.scores_new_users else LEARNED_STAYS
    try:
        scores = model.score_as(sp.csr_array(sp.vstack(rows)), user)
    except InputError as error:
        if user is None:
            raise
        rows, note = [advisor.trained.split.visible[[user]]], str(error) if person.changes else ""
        scores = advisor.scorer(np.array([user]))
    for line, row in zip(scores, rows, strict=True):
        line[row.indices] = -np.inf
    return _Scored(advisor, scores[0], scores[-1], note or _learned(advisor, first, person, user))


def _learned(advisor: Advisor, first: Advisor, person: Person, user: int | None) -> str:
    """A sentence where a model of another split has learned ratings that are held out here."""
    held_out = first.held_out_of(person)
    if advisor.trained.split is first.trained.split or user is None or not held_out:
        return ""
    columns = advisor.data.items.index.get_indexer(first.data.items.index[list(held_out)])
    learned = np.isin(columns, list(ratings_of(advisor.trained.split.train, user))).sum() if len(columns) else 0
    if not learned:
        return ""
    return f"It was trained with another split, and has learned {learned} of the {len(held_out)} titles held out here: its ✓ tell little."


def _listed(one: _Scored, first: Advisor, held_out: Mapping[str, float], others: Mapping[str, _Scored], top: int) -> Listed:
    data = one.advisor.data
    best, former = (_best(scores, top) for scores in (one.now, one.before))
    described = describe(data, best)
    ids = [entry["item"] for entry in described]
    places = {key: other.places(other.now, ids) for key, other in others.items()}
    before = one.places(one.before, ids)
    columns, liked = first.data.items.index.get_indexer(pd.Index(ids)), liked_from(first.trained)
    entries = [
        {
            **entry,
            "score": float(one.now[item]),
            "held_out": held_out.get(entry["item"]),
            "hit": held_out.get(entry["item"], -np.inf) >= liked,
            "popularity": int(first.popularity[column]) if column >= 0 else 0,
            "novelty": float(first.surprise[column] if column >= 0 else first.surprise.max()),
            "places": {key: found[at] for key, found in places.items()},
            "before": before[at],
        }
        for at, (entry, item, column) in enumerate(zip(described, best.tolist(), columns.tolist(), strict=True))
    ]
    gone = [(at, item) for at, item in enumerate(former.tolist(), 1) if item not in set(best.tolist())]
    left = describe(data, [item for _, item in gone])
    now = one.places(one.now, [entry["item"] for entry in left])
    left = [{**entry, "before": at, "place": place} for entry, (at, _), place in zip(left, gone, now, strict=True)]
    return Listed(entries, left, one.note)


def _best(scores: np.ndarray, top: int) -> np.ndarray:
    return top_k(scores[None], min(top, int(np.isfinite(scores).sum())))[0]


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
