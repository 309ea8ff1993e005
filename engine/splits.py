"""Which ratings a model learns from, and which it is judged by.

A split scheme is a pure function that labels every rating; everything else (dropping what cannot be predicted,
closing the gaps in the id space) is done once, here, for all of them. Each rating has one label, so the parts
are disjoint by construction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
import scipy.sparse as sp
from pydantic import BaseModel, ConfigDict, Field

from engine.errors import InputError
from engine.interactions import PIECE, Interactions, pieces

TRAIN, VALIDATION, TEST, FOLD_IN = 0, 1, 2, 3
LABELS = {"train": TRAIN, "validation": VALIDATION, "test": TEST, "fold_in": FOLD_IN}


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


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    seed: int = Field(
        0, ge=0, le=2**53 - 1, title="Split seed", description="Draws the held-out ratings; the same seed holds out the same ones."
    )


class _Fractions(_Options):
    test: float = Field(0.1, gt=0, lt=1, title="Test share", description="Share of the ratings that is read once, at the end.")
    validation: float = Field(
        0.1, gt=0, lt=1, title="Validation share", description="Share of the remaining ratings by which epochs and settings are chosen."
    )


class RandomOptions(_Fractions):
    """Ratings drawn uniformly from the whole dataset."""

    kind: Literal["random"] = "random"


class StratifiedOptions(_Fractions):
    """Ratings drawn uniformly within each user, so that every user keeps the same share."""

    kind: Literal["stratified"] = "stratified"


class TimeOptions(_Options):
    """Everything up to a moment is for training; what came later is halved at random into validation and test."""

    kind: Literal["time"] = "time"
    quantile: float = Field(0.8, gt=0, lt=1, title="Train up to quantile", description="Quantile of the timestamps at which training ends.")


class LastOptions(_Fractions):
    """Each user's latest ratings are held out. Other users' later ratings stay in training, so time leaks across users."""

    kind: Literal["last"] = "last"


class UsersOptions(_Fractions):
    """Strong generalisation: whole users are held out; a model sees the fold-in part of their ratings, never in training."""

    kind: Literal["users"] = "users"
    test: float = Field(0.1, gt=0, lt=1, title="Test users", description="Share of the users that is held out for the test.")
    validation: float = Field(
        0.1, gt=0, lt=1, title="Validation users", description="Share of the remaining users held out for validation."
    )
    fold_in: float = Field(
        0.8, gt=0, lt=1, title="Fold-in share", description="Share of a held-out user's ratings that the model is shown."
    )


class PredefinedOptions(_Options):
    """The test file that came with the dataset; validation is drawn uniformly from the rest."""

    kind: Literal["predefined"] = "predefined"
    validation: float = Field(0.1, gt=0, lt=1, title="Validation share", description="Share of the published training ratings.")


SplitConfig = Annotated[
    RandomOptions | StratifiedOptions | TimeOptions | LastOptions | UsersOptions | PredefinedOptions, Field(discriminator="kind")
]


def random_split(data: Interactions, options: RandomOptions, rng: np.random.Generator) -> np.ndarray:
    """`test` of all ratings, then `validation` of the rest, both uniformly."""
    # 32-bit positions are shuffled as 64-bit ones are, in half the memory.
    return _by_position(rng.permutation(np.arange(data.n_ratings, dtype=np.int32)), data.n_ratings, options, 0.5)


def stratified_split(data: Interactions, options: StratifiedOptions, rng: np.random.Generator) -> np.ndarray:
    """As `random_split`, within each user; shares that are no whole number of ratings are rounded up or down by chance."""
    key = rng.random(data.n_ratings)
    return _within_users(data, key, options, rng.random(data.n_users))


def last_split(data: Interactions, options: LastOptions, rng: np.random.Generator) -> np.ndarray:
    """Each user's latest `test` of ratings, then the latest `validation` of the rest; ratings of one second keep their item order."""
    return _within_users(data, -_timestamps(data, "last"), options, rng.random(data.n_users))


def time_split(data: Interactions, options: TimeOptions, rng: np.random.Generator) -> np.ndarray:
    """Ratings after the quantile are held out, half of them for validation, half for the test."""
    timestamps = _timestamps(data, "time")
    later = timestamps > np.quantile(timestamps, options.quantile)
    labels = np.zeros(data.n_ratings, np.int8)
    labels[rng.permutation(np.flatnonzero(later))] = np.arange(later.sum()) % 2 + VALIDATION
    return labels


def users_split(data: Interactions, options: UsersOptions, rng: np.random.Generator) -> np.ndarray:
    """Fold-in at random within each held-out user (Liang et al. 2018, "Variational Autoencoders for Collaborative Filtering", 4.1)."""
    user_labels = _by_position(rng.permutation(data.n_users), data.n_users, options, 0.5)
    labels = data.per_user(user_labels)
    shown = data.per_user(np.ceil(options.fold_in * data.user_counts).astype(np.int32))
    labels[(labels != TRAIN) & (_position_within_users(data, rng.random(data.n_ratings)) < shown)] = FOLD_IN
    return labels


def predefined_split(data: Interactions, options: PredefinedOptions, rng: np.random.Generator) -> np.ndarray:
    """The publisher's test ratings, and `validation` of the others."""
    if data.published_test is None:
        raise InputError(
            f"{data.name} came without a test file of its own, so split.kind=predefined is not possible: use 'random' or 'last'."
        )
    labels = data.published_test * np.int8(TEST)
    others = rng.permutation(np.flatnonzero(labels == TRAIN).astype(np.int32))
    labels[others[: round(options.validation * len(others))]] = VALIDATION
    return labels


SPLITS: dict[str, Callable[..., np.ndarray]] = {
    "random": random_split,
    "stratified": stratified_split,
    "time": time_split,
    "last": last_split,
    "users": users_split,
    "predefined": predefined_split,
}
"""Name → labels of every rating, from (interactions, options, rng)."""


def make_split(interactions: Interactions, options: SplitConfig) -> Split:
    """Labels the ratings, drops what no model can predict, and closes the id space.

    Raises:
        InputError: no training, validation or test pair is left, or the scheme needs timestamps that the data lacks.
    """
    labels = SPLITS[options.kind](interactions, options, np.random.default_rng(options.seed))
    seen_items = np.zeros(interactions.n_items, bool)
    for piece in pieces(interactions.n_ratings):
        seen_items[interactions.columns[piece][labels[piece] == TRAIN]] = True
    of_seen_item = interactions.per_item(seen_items)
    seen_users = interactions.count_per_user((labels == TRAIN) | ((labels == FOLD_IN) & of_seen_item)) > 0
    predictable = interactions.per_user(seen_users) & of_seen_item
    dropped = {part: int((~predictable & (labels == LABELS[part])).sum()) for part in ("validation", "test")}
    for part in ("train", "validation", "test"):
        if not (predictable & (labels == LABELS[part])).any():
            hint = f" ({dropped[part]} had a user or item without training ratings)" if dropped.get(part) else ""
            raise InputError(f"The split '{options.kind}' of {interactions.name} leaves no {part} pairs{hint}: hold out another share.")
    return Split(interactions.keep(users=seen_users, items=seen_items), labels[predictable], dropped)


def _by_position(position: np.ndarray, count: np.ndarray | int, options: _Fractions, rounding: np.ndarray | float) -> np.ndarray:
    """Labels by rank: the first `test` of `count` are test, the next `validation` of the rest validation. `rounding` in [0, 1)."""
    n_test = np.floor(options.test * count + rounding)
    n_validation = np.floor(options.validation * (count - n_test) + rounding)
    labels = np.where(position < n_test + n_validation, np.int8(VALIDATION), np.int8(TRAIN))
    labels[position < n_test] = TEST
    return labels


def _within_users(data: Interactions, key: np.ndarray, options: _Fractions, rounding: np.ndarray) -> np.ndarray:
    """Labels by rank within each user by ascending key (per rating); `rounding` per user."""
    position = _position_within_users(data, key)
    labels = np.empty(data.n_ratings, np.int8)
    for users, ratings in _blocks(data):
        counts = data.user_counts[users]
        labels[ratings] = _by_position(position[ratings], np.repeat(counts, counts), options, np.repeat(rounding[users], counts))
    return labels


def _position_within_users(data: Interactions, key: np.ndarray) -> np.ndarray:
    """Rank of each rating within its user by ascending key, int32."""
    position = np.empty(data.n_ratings, np.int32)
    for users, ratings in _blocks(data):
        counts = data.user_counts[users]
        first = np.repeat(data.ratings.indptr[users] - ratings.start, counts)
        ranked = np.empty(counts.sum(), np.int32)
        ranked[np.lexsort((key[ratings], first))] = np.arange(len(ranked), dtype=np.int32)
        position[ratings] = ranked - first
    return position


def _blocks(data: Interactions) -> Iterator[tuple[slice, slice]]:
    """Runs of users and their ratings, about PIECE ratings each: work within users needs no arrays of all ratings."""
    indptr, first = data.ratings.indptr, 0
    while first < data.n_users:
        last = max(first + 1, int(np.searchsorted(indptr, int(indptr[first]) + PIECE, "right")) - 1)
        yield slice(first, last), slice(int(indptr[first]), int(indptr[last]))
        first = last


def _timestamps(data: Interactions, kind: str) -> np.ndarray:
    if data.timestamps is None:
        raise InputError(f"{data.name} has no timestamps, so split.kind={kind} is not possible: use 'random', 'stratified' or 'users'.")
    return data.timestamps
