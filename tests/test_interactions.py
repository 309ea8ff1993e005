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
from engine.gathering import from_columns, from_frame
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


def test_without_timestamps_the_last_row_is_kept_and_titles_are_ids() -> None:
    data = from_frame("plain", pd.DataFrame({"user": [1, 1], "item": [7, 7], "rating": [2, 4]}))
    assert data.ratings.data.tolist() == [4]
    assert (data.duplicates, data.scale, list(data.titles)) == (1, (4.0, 4.0), ["7"])


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


def by_comparison(frame: pd.DataFrame) -> pd.DataFrame:
    """What `from_frame` promises, said with pandas: of several ratings of one pair the latest, in order of user, then item."""
    frame = frame.sort_values("timestamp", kind="stable") if "timestamp" in frame else frame
    return frame.drop_duplicates(["user", "item"], keep="last").sort_values(["user", "item"])


IDS = {
    "numbers": lambda numbers: numbers,
    "narrow numbers": lambda numbers: (numbers % 200).astype(np.uint8),
    "numbers far apart": lambda numbers: numbers * 10**12 - 7 * 10**14,
    "texts": lambda numbers: np.array([f"u{number}" for number in numbers]),
    "fractions": lambda numbers: numbers / 2,
}


@pytest.mark.parametrize("ids", IDS)
@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(-9, 9), st.integers(-4, 4), st.integers(0, 10), st.integers(-3, 3)), min_size=1, max_size=80),
    timed=st.booleans(),
    piece=st.sampled_from([1, 5, 2**22]),
)
def test_from_frame_equals_what_pandas_says(ids: str, rows: list[tuple[int, ...]], timed: bool, piece: int) -> None:
    user, item, rating, timestamp = np.array(rows).T
    frame = pd.DataFrame({"user": IDS[ids](user), "item": IDS[ids](item), "rating": rating / 2, "timestamp": timestamp})
    frame["expected"], frame["published_test"] = np.arange(len(frame)) / 4, np.arange(len(frame)) % 3 == 0
    frame = frame if timed else frame.drop(columns="timestamp")
    wanted = by_comparison(frame)
    before = frame.copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interactions, "PIECE", piece)
        data = from_frame("drawn", frame)
    pd.testing.assert_frame_equal(frame, before)
    assert data.ratings.has_canonical_format and data.columns.dtype == np.int32
    assert data.users.index[data.rows].tolist() == wanted["user"].astype(str).tolist()
    assert data.items.index[data.columns].tolist() == wanted["item"].astype(str).tolist()
    assert data.ratings.data.tolist() == wanted["rating"].tolist()
    assert data.expected is not None and data.expected.tolist() == wanted["expected"].tolist()
    assert data.published_test is not None and data.published_test.tolist() == wanted["published_test"].tolist()
    assert data.duplicates == len(frame) - len(wanted)
    assert (None if data.timestamps is None else data.timestamps.tolist()) == (wanted["timestamp"].tolist() if timed else None)


def test_columns_of_narrow_types_are_taken_over_and_freed() -> None:
    columns = {
        "user": np.array([70000, 3, 70000], np.int32),
        "item": np.array([9, 9, 1], np.int16),
        "rating": np.array([5, 1, 3], np.int8),
        "timestamp": np.array([12000, 11000, 13000], np.int16),
    }
    data = from_columns("narrow", columns, tick=86_400)
    assert columns == {}
    assert data.ratings.toarray().tolist() == [[0, 1], [3, 5]] and data.ratings.data.dtype == np.float32
    assert data.timestamps is not None and data.timestamps.tolist() == [11000 * 86_400, 13000 * 86_400, 12000 * 86_400]


def test_the_latest_fraction_of_a_second_wins() -> None:
    frame = pd.DataFrame({"user": [1, 1], "item": [1, 1], "rating": [4, 2], "timestamp": [10.75, 10.25]})
    data = from_frame("fractions", frame)
    assert data.ratings.data.tolist() == [4] and data.timestamps is not None and data.timestamps.tolist() == [10]


@pytest.mark.parametrize("column", ["user", "item"])
def test_a_rating_of_nobody_is_refused(column: str) -> None:
    frame = pd.DataFrame({"user": ["a", "b"], "item": ["x", "y"], "rating": [1, 2]})
    frame.loc[1, column] = None
    with pytest.raises(InputError, match="without a user or an item"):
        from_frame("bad", frame)


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


@pytest.mark.parametrize("rating", [np.nan, np.inf, -np.inf, 1e39])
def test_a_rating_that_is_no_number_is_refused(rating: float) -> None:
    with pytest.raises(InputError, match="not a finite number"):
        from_frame("bad", pd.DataFrame({"user": [1], "item": [1], "rating": [rating]}))


def test_no_ratings_at_all_are_refused() -> None:
    with pytest.raises(InputError, match="holds no ratings"):
        from_frame("bad", pd.DataFrame({"user": [], "item": [], "rating": []}))


def test_shapes_that_disagree_are_a_programming_error() -> None:
    data = small()
    with pytest.raises(ValueError, match="timestamps holds 1 values for 4 ratings"):
        Interactions("x", data.ratings, data.users, data.items, (0, 5), timestamps=np.array([1]))
    with pytest.raises(ValueError, match="there are 1 users"):
        Interactions("x", data.ratings, data.users[:1], data.items, (0, 5))


def test_unknown_names_the_nearest() -> None:
    assert str(unknown("dataset", "toi", ["toy", "ml-1m"])) == "Unknown dataset 'toi'. Did you mean 'toy'?"
    assert str(unknown("dataset", "zzz", ["toy", "ml-1m"])) == "Unknown dataset 'zzz'. Known: ml-1m, toy."
