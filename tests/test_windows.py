"""Splits by days: what is learned from, what is left out, and nothing later in the training window."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import flatten, format_value, merge, parse, parse_value, read_toml, to_toml
from engine.datasets import DatasetConfig, load
from engine.errors import InputError
from engine.gathering import from_frame
from engine.splits import (
    OUT,
    TEST,
    TRAIN,
    VALIDATION,
    Split,
    WindowsOptions,
    check_options,
    make_split,
    schemes,
)  # fmt: skip

DAY = 86_400
FIRST = date(2005, 6, 1)
"""The day of the earliest planted rating; the others come evenly over ten days."""


def ratings(n_users=30, n_items=20, share=0.5, seed=0):
    rng = np.random.default_rng(seed)
    user, item = np.nonzero(rng.random((n_users, n_items)) < share)
    frame = pd.DataFrame({"user": user, "item": item, "rating": rng.integers(0, 6, len(user)).astype(float)})
    frame["timestamp"] = (FIRST - date(1970, 1, 1)).days * DAY + rng.permutation(len(user)) * 10 * DAY // len(user)
    frame["published_test"] = rng.random(len(user)) < 0.2
    return from_frame("planted", frame)


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


@pytest.mark.data
def test_windows_train_on_the_past_of_real_ratings():
    split = make_split(load(DatasetConfig(name="ml-latest-small")), WindowsOptions(train_from=date(2010, 1, 1), test_from=date(2017, 1, 1)))
    on = np.array(split.interactions.timestamps, "datetime64[s]")
    trained = on[split.labels == TRAIN]
    assert np.datetime64("2010-01-01") <= trained.min() < trained.max() < np.datetime64("2017-01-01")
    assert on[split.labels != TRAIN].min() >= np.datetime64("2017-01-01")
