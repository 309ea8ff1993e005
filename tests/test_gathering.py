from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import gathering, interactions
from engine.errors import InputError
from engine.gathering import from_columns, from_frame


def test_without_timestamps_the_last_row_is_kept_and_titles_are_ids() -> None:
    data = from_frame("plain", pd.DataFrame({"user": [1, 1], "item": [7, 7], "rating": [2, 4]}))
    assert data.ratings.data.tolist() == [4]
    assert (data.duplicates, data.scale, list(data.titles)) == (1, (4.0, 4.0), ["7"])


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
        for module in (interactions, gathering):
            patch.setattr(module, "PIECE", piece)
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


@pytest.mark.parametrize("rating", [np.nan, np.inf, -np.inf, 1e39])
def test_a_rating_that_is_no_number_is_refused(rating: float) -> None:
    with pytest.raises(InputError, match="not a finite number"):
        from_frame("bad", pd.DataFrame({"user": [1], "item": [1], "rating": [rating]}))


def test_no_ratings_at_all_are_refused() -> None:
    with pytest.raises(InputError, match="holds no ratings"):
        from_frame("bad", pd.DataFrame({"user": [], "item": [], "rating": []}))
