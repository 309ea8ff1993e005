"""Every split scheme: parts are disjoint, nothing is lost uncounted, and each scheme holds out what it says."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import interactions
from engine.config import parse
from engine.datasets import DatasetConfig, load
from engine.errors import InputError
from engine.gathering import from_frame
from engine.splits import (
    FOLD_IN,
    LABELS,
    OUT,
    SPLITS,
    TEST,
    TIMED,
    TRAIN,
    VALIDATION,
    KFoldOptions,
    LastOptions,
    LeaveLastOptions,
    PredefinedOptions,
    RandomOptions,
    StratifiedOptions,
    TimeOptions,
    UsersOptions,
    WindowsOptions,
    make_split,
    schemes,
)  # fmt: skip

DAY = 86_400
FIRST = date(2005, 6, 1)
"""The day of the earliest planted rating; the others come evenly over ten days."""

OPTIONS = {
    "random": RandomOptions(test=0.2, validation=0.2),
    "stratified": StratifiedOptions(test=0.2, validation=0.2),
    "kfold": KFoldOptions(folds=4, fold=2, validation=0.2),
    "time": TimeOptions(quantile=0.7),
    "windows": WindowsOptions(train_from=date(2005, 6, 2), test_from=date(2005, 6, 7)),
    "last": LastOptions(test=0.2, validation=0.2),
    "leave-last": LeaveLastOptions(k=2),
    "users": UsersOptions(test=0.2, validation=0.2, fold_in=0.5),
    "predefined": PredefinedOptions(validation=0.2),
}


def ratings(n_users=30, n_items=20, share=0.5, seed=0):
    rng = np.random.default_rng(seed)
    user, item = np.nonzero(rng.random((n_users, n_items)) < share)
    frame = pd.DataFrame({"user": user, "item": item, "rating": rng.integers(0, 6, len(user)).astype(float)})
    frame["timestamp"] = (FIRST - date(1970, 1, 1)).days * DAY + rng.permutation(len(user)) * 10 * DAY // len(user)
    frame["published_test"] = rng.random(len(user)) < 0.2
    return from_frame("planted", frame)


def test_every_registered_split_is_tested():
    assert set(OPTIONS) == set(SPLITS)


@pytest.mark.parametrize("kind", SPLITS)
@given(seed=st.integers(0, 50), n_users=st.integers(12, 40), n_items=st.integers(8, 30))
@settings(max_examples=15, deadline=None)
def test_no_rating_is_lost_or_doubled(kind, seed, n_users, n_items):
    data = ratings(n_users, n_items, seed=seed)
    split = make_split(data, OPTIONS[kind])
    parts = {name: split.part(name) for name in LABELS}
    kept = {
        (split.interactions.users.index[u], split.interactions.items.index[i]): value
        for part in parts.values()
        for u, i, value in zip(*_entries(part), strict=True)
    }
    assert sum(part.nnz for part in parts.values()) == len(kept) == split.interactions.n_ratings
    # What is missing stood outside the windows, or had a user or item that training does not know; only held-out ratings can be
    # missing with a count.
    unknown_users = set(data.users.index) - set(split.interactions.users.index)
    unknown_items = set(data.items.index) - set(split.interactions.items.index)
    truth = {(data.users.index[u], data.items.index[i]): value for u, i, value in zip(*_entries(within(data, kind)), strict=True)}
    for pair, value in truth.items():
        assert kept.get(pair, value) == value
        assert pair in kept or pair[0] in unknown_users or pair[1] in unknown_items
    lost = len(truth) - len(kept)
    assert sum(split.dropped.values()) <= lost


def within(data, kind):
    """The ratings that a scheme should leave out none of."""
    return data.pick(data.timestamps >= (date(2005, 6, 2) - date(1970, 1, 1)).days * DAY) if kind == "windows" else data.ratings


def _entries(matrix):
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)), matrix.indices, matrix.data


@pytest.mark.parametrize("kind", SPLITS)
def test_held_out_pairs_can_be_predicted(kind):
    split = make_split(ratings(), OPTIONS[kind])
    known_items = np.bincount(split.train.indices, minlength=split.interactions.n_items) > 0
    known_users = np.diff(split.visible.indptr) > 0
    for part in (split.validation, split.test):
        assert known_items[part.indices].all()
        assert known_users[np.diff(part.indptr) > 0].all()


@pytest.mark.parametrize("kind", SPLITS)
def test_same_seed_same_split_other_seed_other_split(kind):
    data = ratings()
    first, again = make_split(data, OPTIONS[kind]), make_split(data, OPTIONS[kind])
    other = make_split(data, OPTIONS[kind].model_copy(update={"seed": 1}))
    assert first.fingerprint() == again.fingerprint()
    if kind not in ("last", "leave-last"):
        assert first.fingerprint() != other.fingerprint()


# Stored by runs, so they must never change.
FINGERPRINTS = {
    "random": "2cb360cdfcf5add1",
    "stratified": "93208b85a1efbfda",
    "time": "c01ccce451d3c145",
    "last": "8544cda45ef5989d",
    "kfold": "49a38247b5631275",
    "leave-last": "370a1a94bc143902",
    "users": "188cccd80a9a2593",
}


@pytest.mark.parametrize("kind", FINGERPRINTS)
def test_fingerprints_are_what_they_were(kind):
    options = type(OPTIONS[kind])()
    assert make_split(load(DatasetConfig(name="synthetic")), options).fingerprint() == FINGERPRINTS[kind]


@pytest.mark.parametrize("kind", SPLITS)
def test_work_in_small_pieces_is_the_same_work(kind, monkeypatch):
    whole = make_split(ratings(), OPTIONS[kind])
    for size in (1, 13):
        monkeypatch.setattr(interactions, "PIECE", size)
        monkeypatch.setattr(schemes, "PIECE", size)
        pieces = make_split(ratings(), OPTIONS[kind])
        assert pieces.fingerprint() == whole.fingerprint()
        assert (pieces.part("train") != whole.part("train")).nnz == 0


def test_random_shares_are_exact():
    sizes = make_split(ratings(50, 40, share=1.0), RandomOptions(test=0.1, validation=0.1)).sizes()
    assert (sizes["test"], sizes["validation"], sizes["train"]) == (200, 180, 1620)


def test_stratified_takes_the_same_share_of_each_user():
    split = make_split(ratings(40, 30, share=1.0), StratifiedOptions(test=0.2, validation=0.25))
    assert set(np.diff(split.test.indptr)) == {6}
    assert set(np.diff(split.validation.indptr)) == {6}


def test_last_holds_out_the_latest_of_each_user():
    data = ratings(share=1.0)
    split = make_split(data, LastOptions(test=0.2, validation=0.25))
    for user in range(split.interactions.n_users):
        mine = split.interactions.rows == user
        when, label = split.interactions.timestamps[mine], split.labels[mine]
        assert when[label == TRAIN].max() < when[label == VALIDATION].min() < when[label == VALIDATION].max() < when[label == TEST].min()


def test_time_trains_on_the_earlier_ratings_only():
    split = make_split(ratings(), TimeOptions(quantile=0.7))
    when = split.interactions.timestamps
    assert when[split.labels == TRAIN].max() < when[split.labels != TRAIN].min()
    assert abs(split.sizes()["validation"] - split.sizes()["test"]) <= 1 + sum(split.dropped.values())


def test_held_out_users_are_never_trained_on():
    split = make_split(ratings(share=1.0), UsersOptions(test=0.2, validation=0.25, fold_in=0.5))
    trained = np.diff(split.train.indptr) > 0
    held_out = np.diff((split.validation + split.test).indptr) > 0
    assert not (trained & held_out).any()
    assert trained.sum() == 18
    assert set(np.diff(split.part("fold_in").indptr)[held_out]) == {10}


def test_held_out_users_have_something_visible():
    """A fold-in rating of an item that nobody trains on is dropped, and its user too if nothing else is left of him."""
    frame = pd.DataFrame({"user": np.repeat(range(40), 5), "item": np.tile(range(5), 40), "rating": 3.0})
    alone = pd.DataFrame({"user": np.repeat(range(100, 140), 4), "item": 1000 + np.arange(160), "rating": 3.0})
    data = from_frame("loners", pd.concat([frame, alone]))
    for seed in range(5):
        split = make_split(data, UsersOptions(test=0.3, validation=0.3, seed=seed))
        assert (np.diff(split.visible.indptr) > 0).all()


def test_predefined_is_the_publishers():
    data = ratings()
    split = make_split(data, PredefinedOptions())
    assert (split.interactions.published_test == (split.labels == TEST)).all()


def test_zero_ratings_are_ratings():
    data = from_frame("zeros", pd.DataFrame({"user": np.repeat(range(10), 10), "item": list(range(10)) * 10, "rating": 0.0}), scale=(0, 1))
    assert data.n_ratings == 100
    assert make_split(data, RandomOptions()).sizes()["test"] == 10


@pytest.mark.parametrize(
    ("options", "words"),
    [(OPTIONS[kind], f"bare has no timestamps, so split.kind={kind} is not possible") for kind in TIMED]
    + [(PredefinedOptions(), "test file")],
)
def test_what_the_data_lacks_is_said(options, words):
    frame = pd.DataFrame({"user": [1, 1, 2, 2], "item": [1, 2, 1, 2], "rating": [1.0, 2, 3, 4]})
    with pytest.raises(InputError, match=words):
        make_split(from_frame("bare", frame), options)


def test_a_split_without_test_pairs_is_refused():
    frame = pd.DataFrame({"user": [1, 1, 2, 2], "item": [1, 2, 1, 2], "rating": [1.0, 2, 3, 4]})
    with pytest.raises(InputError, match=r"leaves no \w+ pairs"):
        make_split(from_frame("tiny", frame), RandomOptions(test=0.01))


def test_labels_cover_the_named_parts():
    assert {TRAIN, VALIDATION, TEST, FOLD_IN} == set(LABELS.values())
    assert OUT not in LABELS.values()


# Folds


@given(seed=st.integers(0, 99), folds=st.integers(2, 12), n_users=st.integers(2, 30))
@settings(max_examples=25, deadline=None)
def test_folds_are_disjoint_equal_and_cover_every_rating(seed, folds, n_users):
    data = ratings(n_users, 20, seed=seed)
    labels = [
        schemes.kfold_split(data, KFoldOptions(folds=folds, fold=fold, seed=seed), np.random.default_rng(seed)) for fold in range(folds)
    ]
    assert (sum((one == TEST).astype(int) for one in labels) == 1).all()
    sizes = [(one == TEST).sum() for one in labels]
    assert max(sizes) - min(sizes) <= 1
    for one, size in zip(labels, sizes, strict=True):
        assert (one == VALIDATION).sum() == round(0.1 * (data.n_ratings - size))
        assert set(np.unique(one)) <= {TRAIN, VALIDATION, TEST}


def test_folds_within_users_give_each_fold_its_part_of_every_user():
    data = ratings(25, 20, seed=3)
    options = {"folds": 4, "seed": 5, "stratified": True}
    labels = [schemes.kfold_split(data, KFoldOptions(fold=fold, **options), np.random.default_rng(5)) for fold in range(4)]
    assert (sum((one == TEST).astype(int) for one in labels) == 1).all()
    for one in labels:
        tested = data.count_per_user(one == TEST)
        assert ((tested == data.user_counts // 4) | (tested == -(-data.user_counts // 4))).all()
    sizes = [(one == TEST).sum() for one in labels]
    assert max(sizes) - min(sizes) < 25, "which fold gets the odd rating is left to chance, user by user"


def test_folds_of_a_split_test_each_pair_once():
    data = ratings(share=1.0)
    tests = [make_split(data, KFoldOptions(folds=5, fold=fold)).test for fold in range(5)]
    assert all(test.shape == data.ratings.shape and test.nnz == 120 for test in tests)
    together = sum((test.astype(bool).astype(int) for test in tests), start=0 * tests[0].astype(int))
    assert together.max() == 1


def test_a_fold_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="split: fold is 5, but the 5 folds count from 0 to 4: lower it, or raise folds"):
        parse({"split": {"kind": "kfold", "fold": 5}})


# The last k


def test_leave_last_by_hand():
    frame = pd.DataFrame(
        {
            "user": ["a"] * 5 + ["b"] * 4 + ["c"] * 6,
            "item": [*"12345", *"1234", *"123456"],
            "timestamp": [50, 10, 40, 20, 30, 1, 2, 3, 4, 9, 9, 9, 1, 2, 3],
        }
    )
    labels = schemes.leave_last_split(from_frame("short", frame.assign(rating=1.0)), LeaveLastOptions(k=2), np.random.default_rng(0))
    # a: 50 and 40 are the latest. b has no more than 4. c: three of one second, by item.
    assert labels.tolist() == [TEST, TRAIN, TEST, VALIDATION, VALIDATION] + [TRAIN] * 4 + [TEST, TEST, VALIDATION, TRAIN, TRAIN, VALIDATION]


@given(st.integers(0, 20), st.integers(1, 8))
@settings(max_examples=20, deadline=None)
def test_leave_last_takes_k_and_k_of_each_long_history(seed, k):
    data = ratings(seed=seed)
    labels = schemes.leave_last_split(data, LeaveLastOptions(k=k), np.random.default_rng(0))
    for user in range(data.n_users):
        mine = data.rows == user
        when, label = data.timestamps[mine], labels[mine]
        if mine.sum() <= 2 * k:
            assert (label == TRAIN).all()
        else:
            in_order = label[np.argsort(when)]
            assert in_order.tolist() == [TRAIN] * (len(label) - 2 * k) + [VALIDATION] * k + [TEST] * k


# Exactly so many of each held-out user


@pytest.mark.parametrize("hidden", [1, 3])
def test_so_many_of_each_held_out_user_are_hidden(hidden):
    split = make_split(ratings(40, 30, share=1.0), UsersOptions(test=0.2, validation=0.25, hidden_per_user=hidden))
    for part in (split.validation, split.test):
        assert set(np.diff(part.indptr)) == {0, hidden}
        assert (np.diff(part.indptr) > 0).sum() == 8
    assert set(np.diff(split.part("fold_in").indptr)) == {0, 30 - hidden}


def test_users_with_too_few_are_shown_whole():
    counts = np.tile([1, 2, 3, 8], 50)
    frame = pd.DataFrame({"user": np.repeat(np.arange(200), counts), "item": np.concatenate([np.arange(count) for count in counts])})
    data = from_frame("few", frame.assign(rating=1.0))
    labels = schemes.users_split(data, UsersOptions(test=0.3, validation=0.3, hidden_per_user=2), np.random.default_rng(1))
    hidden, shown = (data.count_per_user(chosen) for chosen in ((labels == TEST) | (labels == VALIDATION), labels == FOLD_IN))
    held_out = shown > 0
    assert held_out.sum() == 102
    assert (hidden[held_out] == np.where(data.user_counts[held_out] > 2, 2, 0)).all()
    assert (hidden + shown)[held_out].tolist() == data.user_counts[held_out].tolist()


def test_the_hidden_are_drawn_at_random():
    data = ratings(40, 30, share=1.0)
    first, other = (make_split(data, UsersOptions(test=0.5, validation=0.5, hidden_per_user=1, seed=seed)).test for seed in (0, 1))
    assert len(set(first.indices)) > 8, "not always the same item"
    assert first.indices.tolist() != other.indices.tolist()
