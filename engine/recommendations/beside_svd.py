"""Top lists of a trained run beside SVD's, for a user of the dataset or a new one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import InputError
from engine.experiment import TrainedRun
from engine.recommendations.described import history, rated
from engine.recommendations.lists import SVD, Advisor, Compared, compare
from engine.recommendations.person import Person, known, newcomer


def for_user(trained: TrainedRun, user_id: str, top: int, changes: Mapping[int, float | None] | None = None) -> dict[str, Any]:
    """Lists for a user of the run's dataset: `recommendations` and `svd` (best first), their `overlap`, and by list their `hits` and
    mean `popularity`; `history` (visible ratings, best first) with `mean` and `taste`, and `held_out` (best first).

    Of each entry beside what `Listed` tells: `other`, its place in the other model's order of all unseen items.

    Args:
        changes: item position → rating that the user is to have instead, None for none; `history` has them too.

    Raises:
        InputError: the user is not in the data.
    """
    return _lists(trained, known(trained.split, user_id, changes), top)


def for_new_user(trained: TrainedRun, ratings: Mapping[int, float], top: int) -> dict[str, Any]:
    """As `for_user` for anybody, from item positions and ratings (fold-in); nothing of theirs is held out.

    Raises:
        InputError: the model cannot score new users, or there are no ratings.
    """
    refuse_strangers(trained)
    if not ratings:
        raise InputError("A new user needs at least one rating.")
    return _lists(trained, newcomer(ratings), top)


def refuse_strangers(trained: TrainedRun) -> None:
    """Raises InputError where the run's model cannot score new users."""
    if not trained.model.scores_new_users:
        raise InputError(f"{trained.run.name} knows only the users it was trained with: a new user needs a user-based one.")


def _lists(trained: TrainedRun, person: Person, top: int) -> dict[str, Any]:
    own, svd = Advisor(trained.run.id, trained), Advisor(SVD, trained)
    found = compare([own, svd], person, top)
    names = {"recommendations": own.key, "svd": svd.key}
    return {
        **{name: _beside(found, key) for name, key in names.items()},
        "overlap": found.overlap[own.key, svd.key],
        "hits": {name: found.lists[key].hits for name, key in names.items()},
        "popularity": {name: found.lists[key].mean("popularity") for name, key in names.items()},
        **history(own.data, person.ratings),
        "held_out": rated(own.data, own.held_out_of(person)),
    }


def _beside(found: Compared, key: str) -> list[dict[str, Any]]:
    """The entries of one of two lists; their places in the other one under `other`."""
    return [{**entry, "other": next(iter(entry["places"].values()))} for entry in found.lists[key].entries]
