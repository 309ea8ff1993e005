"""Every split scheme: parts are disjoint, nothing is lost uncounted, and each scheme holds out what it says."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import interactions
from engine.config import flatten, format_value, merge, parse, parse_value, read_toml, to_toml
from engine.datasets import DatasetConfig, load
from engine.errors import InputError
from engine.interactions import from_frame
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
    Split,
    StratifiedOptions,
    TimeOptions,
    UsersOptions,
    WindowsOptions,
    check_options,
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


def test_folds_of_a_split_test_each_pair_once():
    data = ratings(share=1.0)
    tests = [make_split(data, KFoldOptions(folds=5, fold=fold)).test for fold in range(5)]
    assert all(test.shape == data.ratings.shape and test.nnz == 120 for test in tests)
    together = sum((test.astype(bool).astype(int) for test in tests), start=0 * tests[0].astype(int))
    assert together.max() == 1


def test_a_fold_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="split: fold is 5, but the 5 folds count from 0 to 4: lower it, or raise folds"):
        parse({"split": {"kind": "kfold", "fold": 5}})


# Windows

DAYS = from_frame(
    "days",
    pd.DataFrame(
        [
            # Users 1 and 2 know items 1 and 2 in the training window, which is 10 to 14 June; the second window is 15 to 16 June.
            ("1", "1", "2005-06-10T00:00:00"),
            ("1", "2", "2005-06-14T23:59:59"),
            ("2", "1", "2005-06-12T12:00:00"),
            ("2", "2", "2005-06-15T00:00:00"),
            ("3", "1", "2005-06-11T08:00:00"),
            ("3", "2", "2005-06-16T23:59:59"),
            ("1", "3", "2005-06-15T10:00:00"),  # an item that training does not know
            ("2", "4", "2005-06-09T23:59:59"),  # the day before the training window
            ("3", "4", "2005-06-17T00:00:00"),  # the day after the second window
            ("4", "1", "2005-06-01T00:00:00"),  # a user outside both
        ],
        columns=["user", "item", "when"],
    ).assign(rating=3.0, timestamp=lambda frame: pd.to_datetime(frame["when"]).astype("datetime64[s]").astype("int64")),
)
WINDOWS = WindowsOptions(train_from=date(2005, 6, 10), test_from=date(2005, 6, 15), test_until=date(2005, 6, 16))


def test_windows_by_hand():
    labels = schemes.windows_split(DAYS, WINDOWS, np.random.default_rng(0))
    told = {
        (DAYS.users.index[user], DAYS.items.index[item]): label for user, item, label in zip(DAYS.rows, DAYS.columns, labels, strict=True)
    }
    assert {pair for pair, label in told.items() if label == TRAIN} == {("1", "1"), ("1", "2"), ("2", "1"), ("3", "1")}
    assert {pair for pair, label in told.items() if label == OUT} == {("2", "4"), ("3", "4"), ("4", "1")}
    assert sorted(told[pair] for pair in [("2", "2"), ("3", "2"), ("1", "3")]) in ([1, 1, 2], [1, 2, 2])


def test_what_windows_leave_out_is_in_no_part_and_not_counted_as_dropped():
    # By some seeds both predictable pairs of the second window fall into one part, and the other part would be empty.
    split = next(split for seed in range(9) if (split := _made(DAYS, WINDOWS.model_copy(update={"seed": seed}))))
    assert list(split.interactions.users.index) == ["1", "2", "3"]
    assert list(split.interactions.items.index) == ["1", "2"]
    assert split.sizes() == {"users": 3, "items": 2, "train": 4, "validation": 1, "test": 1, "fold_in": 0}
    assert sum(split.dropped.values()) == 1, "the new item's rating; the three outside of the windows are no loss"
    assert split.visible.toarray().tolist() == [[3, 3], [3, 0], [3, 0]]
    assert split.interactions.n_ratings == 6


def _made(data, options):
    try:
        return make_split(data, options)
    except InputError:
        return None


def test_a_split_takes_no_rating_of_no_part():
    with pytest.raises(ValueError, match="no part"):
        Split(DAYS, np.full(DAYS.n_ratings, OUT, np.int8), {})


@given(st.integers(0, 20), st.lists(st.integers(0, 11), min_size=3, max_size=3, unique=True).map(sorted))
@settings(max_examples=40, deadline=None)
def test_no_later_rating_leaks_into_the_training_window(seed, days):
    train_from, test_from, test_until = (date.fromordinal(FIRST.toordinal() + day) for day in days)
    data = ratings(seed=seed)
    labels = schemes.windows_split(
        data, WindowsOptions(train_from=train_from, test_from=test_from, test_until=test_until), np.random.default_rng(seed)
    )
    on = np.array(data.timestamps, "datetime64[s]").astype("datetime64[D]")
    assert ((labels == TRAIN) == ((on >= np.datetime64(train_from)) & (on < np.datetime64(test_from)))).all()
    held_out = (labels == VALIDATION) | (labels == TEST)
    assert (held_out == ((on >= np.datetime64(test_from)) & (on <= np.datetime64(test_until)))).all()
    assert 0 <= (labels == VALIDATION).sum() - (labels == TEST).sum() <= 1
    assert ((labels == OUT) == ~(held_out | (labels == TRAIN))).all()


def test_open_windows_take_everything():
    labels = schemes.windows_split(ratings(), WindowsOptions(test_from=date(2005, 6, 7)), np.random.default_rng(0))
    assert OUT not in labels


def test_windows_need_the_day_that_parts_them():
    with pytest.raises(InputError, match="test_from is missing"):
        make_split(ratings(), WindowsOptions())
    with pytest.raises(InputError, match="test_from is missing"):
        check_options(WindowsOptions(), "ml-1m", has_timestamps=True)


@pytest.mark.parametrize(
    ("days", "sentence"),
    [
        ({"test_from": "soon"}, "split.test_from: a day is written like 2005-12-31 (not 'soon')."),
        ({"test_from": 2015}, "split.test_from: a day is written like 2005-12-31 (not 2015)."),
        ({"test_until": "2005-02-30"}, "split.test_until: a day is written like 2005-12-31 (not '2005-02-30')."),
        ({"train_from": "2006-01-01", "test_from": "2005-01-01"}, "split: train_from (2006-01-01) must be before test_from (2005-01-01)."),
        ({"test_from": "2006-01-02", "test_until": "2006-01-01"}, "split: test_until (2006-01-01) must not be before test_from"),
    ],
)
def test_impossible_days_are_refused(days, sentence):
    with pytest.raises(InputError) as error:
        parse({"split": {"kind": "windows"} | days})
    assert str(error.value).startswith(sentence)


@given(
    st.dates(date(1900, 1, 1), date(1999, 12, 31)) | st.none(),
    st.dates(date(2000, 1, 1), date(2000, 12, 31)) | st.none(),
    st.dates(date(2001, 1, 1)) | st.none(),
)
@settings(max_examples=40, deadline=None)
def test_days_read_back_equal_in_every_form(tmp_path_factory, train_from, test_from, test_until):
    days = {"train_from": train_from, "test_from": test_from, "test_until": test_until}
    config = parse({"split": {"kind": "windows"} | days})
    assert config.split == WindowsOptions(**days)
    path = tmp_path_factory.getbasetemp() / "windows.toml"
    path.write_text(to_toml(config), encoding="utf-8")
    assert parse(read_toml(path)) == config
    typed = {name: parse_value(format_value(value)) for name, value in flatten(config).items()}
    assert parse(merge({}, typed)) == config
    # TOML knows days of its own, which need no quotes.
    path.write_text("\n".join(["[split]", 'kind = "windows"', *(f"{name} = {day}" for name, day in days.items() if day)]), encoding="utf-8")
    assert parse(read_toml(path)) == config
    # A page's empty field.
    assert parse({"split": {"kind": "windows"} | {name: str(day or "") for name, day in days.items()}}) == config


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
    split = make_split(ratings(40, 30, share=1.0), UsersOptions(test=0.2, validation=0.25, hold_out=hidden))
    for part in (split.validation, split.test):
        assert set(np.diff(part.indptr)) == {0, hidden}
        assert (np.diff(part.indptr) > 0).sum() == 8
    assert set(np.diff(split.part("fold_in").indptr)) == {0, 30 - hidden}


def test_users_with_too_few_are_shown_whole():
    counts = np.tile([1, 2, 3, 8], 50)
    frame = pd.DataFrame({"user": np.repeat(np.arange(200), counts), "item": np.concatenate([np.arange(count) for count in counts])})
    data = from_frame("few", frame.assign(rating=1.0))
    labels = schemes.users_split(data, UsersOptions(test=0.3, validation=0.3, hold_out=2), np.random.default_rng(1))
    hidden, shown = (data.count_per_user(chosen) for chosen in ((labels == TEST) | (labels == VALIDATION), labels == FOLD_IN))
    held_out = shown > 0
    assert held_out.sum() == 102
    assert (hidden[held_out] == np.where(data.user_counts[held_out] > 2, 2, 0)).all()
    assert (hidden + shown)[held_out].tolist() == data.user_counts[held_out].tolist()


def test_the_hidden_are_drawn_at_random():
    data = ratings(40, 30, share=1.0)
    first, other = (make_split(data, UsersOptions(test=0.5, validation=0.5, hold_out=1, seed=seed)).test for seed in (0, 1))
    assert len(set(first.indices)) > 8, "not always the same item"
    assert first.indices.tolist() != other.indices.tolist()


@pytest.mark.data
def test_windows_train_on_the_past_of_real_ratings():
    split = make_split(load(DatasetConfig(name="ml-latest-small")), WindowsOptions(train_from=date(2010, 1, 1), test_from=date(2017, 1, 1)))
    on = np.array(split.interactions.timestamps, "datetime64[s]")
    trained = on[split.labels == TRAIN]
    assert np.datetime64("2010-01-01") <= trained.min() < trained.max() < np.datetime64("2017-01-01")
    assert on[split.labels != TRAIN].min() >= np.datetime64("2017-01-01")
