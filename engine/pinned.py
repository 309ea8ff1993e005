"""The user whose top list is written as a run trains, so that people can watch it change."""

from __future__ import annotations

import numpy as np

from engine.evaluation import recommend
from engine.models.contract import Recommender
from engine.splits import Split
from engine.store import RunStore

LIST_LENGTH = 10
OFFERED = 40


class Pinned:
    """One user of a run's split, and the lists that models give them.

    Args:
        liked: the rating from which on a held-out item is a hit.
    """

    def __init__(self, run_id: str, store: RunStore, split: Split, liked: float) -> None:
        self.run_id, self.store, self.split, self.liked = run_id, store, split, liked
        self.user: str | None = None

    def offered(self) -> list[str]:
        """Users with the most liked validation items: on them a changing list can be judged."""
        liked = self.split.validation.copy()
        liked.data = (liked.data >= self.liked).astype(np.float32)
        counts = np.asarray(liked.sum(axis=1)).ravel()
        return [str(name) for name in self.split.interactions.users.index[np.argsort(-counts, kind="stable")[:OFFERED]]]

    def knows(self, user: str | None) -> bool:
        """Whether there is such a user."""
        return user is not None and user in self.split.interactions.users.index

    def pin(self, user: str, svd: Recommender) -> None:
        """From now on it is this user: stores SVD's list for them."""
        self.user = user
        self.store.add_facts(self.run_id, {"watch_user": user})
        self.add_list(0, "svd", svd)

    def add_list(self, epoch: int, name: str, model: Recommender) -> None:
        """Stores the user's top list under one model."""
        data = self.split.interactions
        row = data.user_position(str(self.user))
        best, scores = recommend(model, self.split.visible, row, LIST_LENGTH)
        held_out = self.split.validation[[row]]
        hits = set(held_out.indices[held_out.data >= self.liked].tolist())
        items = [
            {"item": str(data.items.index[i]), "title": str(data.titles[i]), "score": float(score), "hit": int(i) in hits}
            for i, score in zip(best, scores, strict=True)
        ]
        self.store.add_list(self.run_id, epoch, name, str(self.user), items)
