"""The parts of a dataset in one id space, and the only place where ratings are dropped because nobody could predict them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from engine.errors import InputError
from engine.interactions import Interactions, pieces

TRAIN, VALIDATION, TEST, FOLD_IN = 0, 1, 2, 3
LABELS = {"train": TRAIN, "validation": VALIDATION, "test": TEST, "fold_in": FOLD_IN}
OUT = -1
"""The label of ratings that a scheme leaves out of every part; no `Split` holds one."""


@dataclass(frozen=True, eq=False)
class Split:
    """The parts of a dataset in one id space, users × items.

    Attributes:
        interactions: only the users and items that a model can know, so every held-out pair can be predicted.
        labels: one of LABELS per rating of `interactions`, int8.
        dropped: held-out ratings left out because their user or item has no training rating, per part.
    """

    interactions: Interactions
    labels: np.ndarray
    dropped: dict[str, int]

    def __post_init__(self) -> None:
        if len(self.labels) != self.interactions.n_ratings:
            raise ValueError(f"{len(self.labels)} labels for {self.interactions.n_ratings} ratings")
        if not self.interactions.ratings.has_canonical_format:
            raise ValueError("the ratings hold a pair twice, so the parts of a split could overlap")
        if (self.labels == OUT).any():
            raise ValueError("ratings that belong to no part have to be left out before")

    @cached_property
    def train(self) -> sp.csr_array:
        """What models learn from."""
        return self.part("train")

    @cached_property
    def validation(self) -> sp.csr_array:
        """What epochs, ranks and settings are chosen by."""
        return self.part("validation")

    @cached_property
    def test(self) -> sp.csr_array:
        """Read once, at the end."""
        return self.part("test")

    @cached_property
    def visible(self) -> sp.csr_array:
        """What a model may see at evaluation: the training ratings, and of held-out users their fold-in ratings."""
        return self.interactions.pick((self.labels == TRAIN) | (self.labels == FOLD_IN))

    def part(self, name: str) -> sp.csr_array:
        """One part as CSR, users × items."""
        return self.interactions.pick(self.labels == LABELS[name])

    def joined(self) -> Split:
        """The same with all that is known of validation users and pairs moved into training; no validation part is left."""
        known = self.labels == VALIDATION
        whole_users = self.interactions.count_per_user(known) > 0
        known |= (self.labels == FOLD_IN) & self.interactions.per_user(whole_users)
        return replace(self, labels=np.where(known, np.int8(TRAIN), self.labels))

    def noise_floor(self, part: str) -> float | None:
        """RMSE of the part's ratings against their true means: known for generated data only."""
        if self.interactions.expected is None:
            return None
        chosen = self.labels == LABELS[part]
        return float(np.sqrt(np.mean((self.interactions.ratings.data[chosen] - self.interactions.expected[chosen]) ** 2)))

    def sizes(self) -> dict[str, int]:
        """Ratings per part, and users and items."""
        counts = {name: int((self.labels == label).sum()) for name, label in LABELS.items()}
        return {"users": self.interactions.n_users, "items": self.interactions.n_items, **counts}

    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with any rating or label."""
        digest = hashlib.sha256(self.interactions.fingerprint().encode())
        digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()[:16]


def drop_unpredictable(interactions: Interactions, labels: np.ndarray, whose: str, remedy: str) -> Split:
    """Leaves out what belongs to no part, drops what no model can predict, and closes the id space.

    Args:
        labels: one of LABELS, or OUT, per rating.
        whose: begins the sentence about a part that is empty, like "The split 'random' of ml-1m".
        remedy: ends it, like "hold out another share".

    Raises:
        InputError: no training, validation or test pair is left.
    """
    if (labels == OUT).any():
        used = labels != OUT
        interactions, labels = interactions.keep(ratings=used), labels[used]
    seen_items = np.zeros(interactions.n_items, bool)
    for piece in pieces(interactions.n_ratings):
        seen_items[interactions.columns[piece][labels[piece] == TRAIN]] = True
    of_seen_item = interactions.per_item(seen_items)
    seen_users = interactions.count_per_user((labels == TRAIN) | ((labels == FOLD_IN) & of_seen_item)) > 0
    known = interactions.per_user(seen_users) & of_seen_item
    dropped = {part: int((~known & (labels == LABELS[part])).sum()) for part in ("validation", "test")}
    for part in ("train", "validation", "test"):
        if not (known & (labels == LABELS[part])).any():
            hint = f" ({dropped[part]} had a user or item without training ratings)" if dropped.get(part) else ""
            raise InputError(f"{whose} leaves no {part} pairs{hint}: {remedy}.")
    return Split(interactions.keep(users=seen_users, items=seen_items), labels[known], dropped)
