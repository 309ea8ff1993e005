from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import interactions
from engine.datasets import DatasetConfig, load
from engine.errors import InputError, unknown
from engine.gathering import from_frame
from engine.interactions import Interactions

ROWS = [("b", 10, 3.0, 100), ("a", 2, 0.0, 50), ("b", 2, 5.0, 70), ("a", 10, 4.0, 60), ("b", 10, 1.0, 90)]


def small() -> Interactions:
    frame = pd.DataFrame(ROWS, columns=["user", "item", "rating", "timestamp"])
    frame["expected"] = frame["rating"] + 0.25
    titles = pd.DataFrame({"title": ["Ten", "Two", "Unrated"], "genres": ["Drama", None, "War"]}, index=[10, 2, 99])
    return from_frame("small", frame, items=titles, scale=(0, 5))


def test_positions_values_and_the_latest_duplicate() -> None:
    data = small()
    assert (data.n_users, data.n_items, data.n_ratings, data.duplicates) == (2, 2, 4, 1)
    # Numbers sort as numbers (2 before 10), and the rating of (b, 10) is the one given at 100, though listed first.
    assert list(data.items.index) == ["2", "10"]
    assert list(data.titles) == ["Two", "Ten"]
    assert list(data.items["genres"]) == ["", "Drama"]
    assert data.ratings.data.tolist() == [0, 4, 5, 3]
    assert data.rows.tolist() == [0, 0, 1, 1]
    assert data.columns.tolist() == [0, 1, 0, 1]
    assert data.timestamps is not None and data.timestamps.tolist() == [50, 60, 70, 100]
    assert data.expected is not None and data.expected.tolist() == [0.25, 4.25, 5.25, 3.25]


def test_an_observed_zero_stays_observed() -> None:
    data = small()
    kept = data.keep(ratings=data.ratings.data < 4)
    assert kept.ratings.nnz == 2
    assert data.pick(np.array([True, False, False, False])).nnz == 1


def test_keep_aligns_everything_per_rating() -> None:
    kept = small().keep(items=np.array([False, True]))
    assert list(kept.items.index) == ["10"]
    assert kept.ratings.toarray().tolist() == [[4], [3]]
    assert kept.timestamps is not None and kept.timestamps.tolist() == [60, 100]
    assert kept.expected is not None and kept.expected.tolist() == [4.25, 3.25]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_keep_equals_the_dense_selection(seed: int) -> None:
    draw = np.random.default_rng(seed)
    dense = draw.integers(0, 6, (7, 9)) * (draw.random((7, 9)) < 0.5)
    rows, columns = np.nonzero(dense)
    if len(rows) == 0:
        return
    data = from_frame(
        "random", pd.DataFrame({"user": rows, "item": columns, "rating": dense[rows, columns], "timestamp": rows * 9 + columns})
    )
    dense = dense[np.unique(rows)][:, np.unique(columns)]
    users, items, ratings = (draw.random(size) < 0.7 for size in (data.n_users, data.n_items, data.n_ratings))
    kept = data.keep(users=users, items=items, ratings=ratings)
    chosen = sp.csr_array((ratings.astype(int), data.columns, data.ratings.indptr), shape=data.ratings.shape).toarray()
    assert np.array_equal(kept.ratings.toarray(), (dense * chosen)[users][:, items])
    assert kept.timestamps is not None
    cell = [int(user) * 9 + int(item) for user, item in zip(kept.users.index[kept.rows], kept.items.index[kept.columns], strict=True)]
    assert kept.timestamps.tolist() == cell


def test_keeping_everything_copies_nothing() -> None:
    data = small()
    assert data.keep() is data and data.keep(ratings=np.ones(4, bool)) is data
    assert data.keep(ratings=np.arange(4) > 0) is not data


def test_counts() -> None:
    data = small().keep(ratings=np.array([True, False, False, False]))
    assert (data.user_counts.tolist(), data.item_counts.tolist()) == ([1, 0], [1, 0])
    assert data.count_per_user(np.array([True])).tolist() == [1, 0]
    assert data.keep(users=np.array([False, True])).n_ratings == 0


# Stored by runs, so they must never change.
FINGERPRINTS = {"toy": "9c9dab9fb18a7ee6", "synthetic": "473c9397985c5780"}


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_fingerprints_are_what_they_were(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = load(DatasetConfig(name=name))
    assert data.fingerprint() == FINGERPRINTS[name]
    monkeypatch.setattr(interactions, "PIECE", 7)
    assert data.keep(ratings=data.ratings.data > 0).fingerprint() == FINGERPRINTS[name]


def test_fingerprint_sees_every_change_and_no_other() -> None:
    data = small()
    assert data.keep().fingerprint() == data.fingerprint() == small().fingerprint()
    changed = [("b", 10, 3.5, 100), *ROWS[1:]]
    later = [("b", 10, 3.0, 101), *ROWS[1:]]
    renamed = [("c", *row[1:]) if row[0] == "b" else row for row in ROWS]
    for rows in (changed, later, renamed):
        other = from_frame("small", pd.DataFrame(rows, columns=["user", "item", "rating", "timestamp"]))
        assert other.fingerprint() != data.fingerprint()


def test_positions_of_ids() -> None:
    data = small()
    assert (data.user_position("b"), data.item_position("10")) == (1, 1)
    with pytest.raises(InputError, match=r"There is no user 'zoe' in small; its first ids are a, b\."):
        data.user_position("zoe")


def test_shapes_that_disagree_are_a_programming_error() -> None:
    data = small()
    with pytest.raises(ValueError, match="timestamps holds 1 values for 4 ratings"):
        Interactions("x", data.ratings, data.users, data.items, (0, 5), timestamps=np.array([1]))
    with pytest.raises(ValueError, match="there are 1 users"):
        Interactions("x", data.ratings, data.users[:1], data.items, (0, 5))


def test_unknown_names_the_nearest() -> None:
    assert str(unknown("dataset", "toi", ["toy", "ml-1m"])) == "Unknown dataset 'toi'. Did you mean 'toy'?"
    assert str(unknown("dataset", "zzz", ["toy", "ml-1m"])) == "Unknown dataset 'zzz'. Known: ml-1m, toy."
