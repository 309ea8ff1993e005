"""The split schemes: pure functions that label every rating. A new one is an options class, a function and a line in `SPLITS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

import numpy as np

from engine.errors import InputError
from engine.interactions import PIECE, Interactions
from engine.splits.options import (
    Fractions,
    KFoldOptions,
    LastOptions,
    LeaveLastOptions,
    PredefinedOptions,
    RandomOptions,
    SplitConfig,
    StratifiedOptions,
    TimeOptions,
    UsersOptions,
    WindowsOptions,
    check_options,
)
from engine.splits.split import FOLD_IN, OUT, TEST, TRAIN, VALIDATION, Split, drop_unpredictable

DAY = 86_400
"""Seconds."""


def random_split(data: Interactions, options: RandomOptions, rng: np.random.Generator) -> np.ndarray:
    """`test` of all ratings, then `validation` of the rest, both uniformly."""
    # 32-bit positions are shuffled as 64-bit ones are, in half the memory.
    return _by_position(rng.permutation(np.arange(data.n_ratings, dtype=np.int32)), data.n_ratings, options, 0.5)


def stratified_split(data: Interactions, options: StratifiedOptions, rng: np.random.Generator) -> np.ndarray:
    """As `random_split`, within each user; shares that are no whole number of ratings are rounded up or down by chance."""
    key = rng.random(data.n_ratings)
    return _within_users(data, key, options, rng.random(data.n_users))


def kfold_split(data: Interactions, options: KFoldOptions, rng: np.random.Generator) -> np.ndarray:
    """Deals the ratings into folds; the seed alone decides how, so that the tests of all folds are disjoint and cover the dataset."""
    if options.stratified:
        place = _position_within_users(data, rng.random(data.n_ratings))
        dealt = (place + data.per_user(rng.integers(options.folds, size=data.n_users))) % options.folds
    else:
        dealt = rng.permutation(np.arange(data.n_ratings, dtype=np.int32)) % np.int32(options.folds)
    labels = (dealt == options.fold) * np.int8(TEST)
    _draw_validation(labels, options.validation, rng)
    return labels


def last_split(data: Interactions, options: LastOptions, rng: np.random.Generator) -> np.ndarray:
    """Each user's latest `test` of ratings, then the latest `validation` of the rest; ratings of one second keep their item order."""
    return _within_users(data, -_timestamps(data), options, rng.random(data.n_users))


def leave_last_split(data: Interactions, options: LeaveLastOptions, rng: np.random.Generator) -> np.ndarray:
    """Of users with more than 2k ratings the latest k are test, the k before them validation; nothing is left to chance."""
    position = _position_within_users(data, -_timestamps(data))
    long_enough = data.per_user(data.user_counts > 2 * options.k)
    labels = np.zeros(data.n_ratings, np.int8)
    labels[long_enough & (position < 2 * options.k)] = VALIDATION
    labels[long_enough & (position < options.k)] = TEST
    return labels


def time_split(data: Interactions, options: TimeOptions, rng: np.random.Generator) -> np.ndarray:
    """Ratings after the quantile are held out, half of them for validation, half for the test."""
    timestamps = _timestamps(data)
    labels = np.zeros(data.n_ratings, np.int8)
    _halve(labels, timestamps > np.quantile(timestamps, options.quantile), rng)
    return labels


def windows_split(data: Interactions, options: WindowsOptions, rng: np.random.Generator) -> np.ndarray:
    """Trains on [train_from, test_from), halves [test_from, test_until] into validation and test, leaves out all else; days are UTC's.

    So Kuchaiev & Ginsburg 2017, "Training Deep AutoEncoders for Collaborative Filtering", 3.1, took their subsets from the Netflix
    prize: 3 months is 2005-09-01, 2005-12-01, 2005-12-31.
    """
    assert options.test_from is not None, "check_options has seen to it"
    timestamps, start = _timestamps(data), _seconds(options.test_from)
    labels = np.full(data.n_ratings, OUT, np.int8)
    labels[timestamps < start] = TRAIN
    if options.train_from is not None:
        labels[timestamps < _seconds(options.train_from)] = OUT
    later = timestamps >= start
    if options.test_until is not None:
        later &= timestamps < _seconds(options.test_until) + DAY
    _halve(labels, later, rng)
    return labels


def users_split(data: Interactions, options: UsersOptions, rng: np.random.Generator) -> np.ndarray:
    """Fold-in at random within each held-out user (Liang et al. 2018, "Variational Autoencoders for Collaborative Filtering", 4.1).

    With `hidden_per_user`, users who have no more ratings than that are shown whole, and nothing of theirs is left to judge by.
    """
    user_labels = _by_position(rng.permutation(data.n_users), data.n_users, options, 0.5)
    labels, counts = data.per_user(user_labels), data.user_counts
    if options.hidden_per_user:
        shown = np.where(counts > options.hidden_per_user, counts - options.hidden_per_user, counts)
    else:
        shown = np.ceil(options.fold_in * counts)
    shown = data.per_user(shown.astype(np.int32))
    labels[(labels != TRAIN) & (_position_within_users(data, rng.random(data.n_ratings)) < shown)] = FOLD_IN
    return labels


def predefined_split(data: Interactions, options: PredefinedOptions, rng: np.random.Generator) -> np.ndarray:
    """The publisher's test ratings, and `validation` of the others."""
    if data.published_test is None:
        raise InputError(
            f"{data.name} came without a test file of its own, so split.kind=predefined is not possible: use 'random' or 'last'."
        )
    labels = data.published_test * np.int8(TEST)
    _draw_validation(labels, options.validation, rng)
    return labels


SPLITS: dict[str, Callable[..., np.ndarray]] = {
    "random": random_split,
    "stratified": stratified_split,
    "kfold": kfold_split,
    "time": time_split,
    "windows": windows_split,
    "last": last_split,
    "leave-last": leave_last_split,
    "users": users_split,
    "predefined": predefined_split,
}
"""Name → labels of every rating, from (interactions, options, rng)."""


def make_split(interactions: Interactions, options: SplitConfig) -> Split:
    """Labels the ratings, drops what no model can predict, and closes the id space.

    Raises:
        InputError: no training, validation or test pair is left, or the scheme needs what the data or its options lack.
    """
    check_options(options, interactions.name, interactions.timestamps is not None)
    labels = SPLITS[options.kind](interactions, options, np.random.default_rng(options.seed))
    return drop_unpredictable(interactions, labels, f"The split '{options.kind}' of {interactions.name}", "hold out another share")


def _by_position(position: np.ndarray, count: np.ndarray | int, options: Fractions, rounding: np.ndarray | float) -> np.ndarray:
    """Labels by rank: the first `test` of `count` are test, the next `validation` of the rest validation. `rounding` in [0, 1)."""
    n_test = np.floor(options.test * count + rounding)
    n_validation = np.floor(options.validation * (count - n_test) + rounding)
    labels = np.where(position < n_test + n_validation, np.int8(VALIDATION), np.int8(TRAIN))
    labels[position < n_test] = TEST
    return labels


def _within_users(data: Interactions, key: np.ndarray, options: Fractions, rounding: np.ndarray) -> np.ndarray:
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


def _draw_validation(labels: np.ndarray, share: float, rng: np.random.Generator) -> None:
    """Makes this share of the training ratings validation, drawn uniformly."""
    others = rng.permutation(np.flatnonzero(labels == TRAIN).astype(np.int32))
    labels[others[: round(share * len(others))]] = VALIDATION


def _halve(labels: np.ndarray, later: np.ndarray, rng: np.random.Generator) -> None:
    """Makes the later ratings (bool per rating) validation and test by turns, in random order."""
    labels[rng.permutation(np.flatnonzero(later))] = np.arange(later.sum()) % 2 + VALIDATION


def _seconds(day: date) -> int:
    """Midnight of its morning, UTC, in seconds since 1970."""
    return (day - date(1970, 1, 1)).days * DAY


def _timestamps(data: Interactions) -> np.ndarray:
    assert data.timestamps is not None, "check_options has seen to it"
    return data.timestamps
