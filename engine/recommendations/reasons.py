"""Why a model scores a title as it does for a person: shares of the rated titles, and the score without each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.errors import InputError
from engine.explain import Explanation, explain, leave_one_out
from engine.recommendations.described import describe
from engine.recommendations.lists import Advisor, seen_by, user_in
from engine.recommendations.person import Person

VISIBLE = 1e-4
"""A difference that pages show."""


@dataclass(frozen=True, eq=False)
class Reasons:
    """What a score is made of.

    Attributes:
        item: the title asked about: item, title, genres.
        parts: of the rated titles, the largest contribution (whatever its sign) first: item, title, genres, rating, contribution;
            of those left out one by one also without (the score then) and disagrees (leaving it out moves the score against the
            contribution, both visibly).
        why: the explanation that they come from.
        note: why nothing was left out, in a sentence; "" otherwise.
    """

    item: dict[str, Any]
    parts: list[dict[str, Any]]
    why: Explanation
    note: str = ""


def reasons(advisor: Advisor, first: Advisor, person: Person, item: str, left_out: int) -> Reasons:
    """Why a model scores an item as it does; ratings are of the first model's data, as in `compare`.

    Args:
        item: its id.
        left_out: how many of the largest contributions are left out one by one.

    Raises:
        InputError: the item is not in the model's data, or its score is not made of the person's ratings.
    """
    row, user = seen_by(advisor, first, person, person.ratings), user_in(advisor, person)
    asked = advisor.data.item_position(item)
    why = explain(advisor.model, row, asked, user)
    order = np.argsort(-np.abs(why.contributions), kind="stable")
    parts = [
        {**entry, "rating": float(row.data[place]), "contribution": float(why.contributions[place])}
        for place, entry in zip(order, describe(advisor.data, why.items[order]), strict=True)
    ]
    note = ""
    try:
        without = leave_one_out(advisor.model, row, asked, user, order[:left_out])
    except InputError as error:
        without, note = np.empty(0, np.float32), str(error)
    for part, score in zip(parts, without.tolist(), strict=False):
        change = why.score - score
        disagrees = min(abs(change), abs(part["contribution"])) >= VISIBLE and change * part["contribution"] < 0
        part |= {"without": score, "disagrees": disagrees}
    return Reasons(describe(advisor.data, [asked])[0], parts, why, note)
