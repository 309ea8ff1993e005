import numpy as np
import pandas as pd
import pytest

from engine.errors import InputError
from engine.gathering import from_frame
from engine.preprocessing import PreprocessingConfig, preprocess

CHAIN = from_frame(
    "chain",
    pd.DataFrame({"user": [1, 1, 1, 2, 2, 2, 3, 3, 4], "item": [1, 2, 3, 1, 2, 3, 3, 4, 4], "rating": [5.0, 4, 3, 2, 1, 5, 4, 3, 2]}),
)


def test_nothing_set_changes_nothing():
    assert preprocess(CHAIN, PreprocessingConfig()).fingerprint() == CHAIN.fingerprint()


def test_minimum_counts_hold_at_once():
    # User 4 falls, so item 4 has one rating and falls, so user 3 has one and falls: only the 2 × 3 block stays.
    left = preprocess(CHAIN, PreprocessingConfig(min_user_ratings=2, min_item_ratings=2))
    assert list(left.users.index) == ["1", "2"]
    assert list(left.items.index) == ["1", "2", "3"]
    assert left.n_ratings == 6


def test_binarise_keeps_likes_as_ones():
    liked = preprocess(CHAIN, PreprocessingConfig(binarise=4))
    assert liked.n_ratings == 4
    assert set(liked.ratings.data) == {1.0}
    assert liked.scale == (0.0, 1.0)
    assert CHAIN.ratings.data.max() == 5, "the input must stay as it was"


def test_binarise_comes_first():
    # Ratings from 4 up: user 1 likes items 1 and 2, user 2 item 3, user 3 item 3.
    likes = preprocess(CHAIN, PreprocessingConfig(binarise=4, min_user_ratings=2))
    assert (list(likes.users.index), likes.n_ratings) == (["1"], 2), "minimum counts are of likes"
    # Before, items 1, 2 and 3 have three ratings or more; of likes item 3 has two.
    most_liked = preprocess(CHAIN, PreprocessingConfig(binarise=4, sample_items=1))
    assert list(most_liked.items.index) == ["3"]


def test_steps_run_in_the_order_of_the_fields():
    assert [*PreprocessingConfig.model_fields][:5] == ["binarise", "sample_users", "sample_items", "min_user_ratings", "min_item_ratings"]


def test_samples_have_the_size_asked_for_and_repeat():
    config = PreprocessingConfig(sample_users=2, sample_items=3, seed=5)
    first, again = preprocess(CHAIN, config), preprocess(CHAIN, config)
    assert first.n_users == 2
    assert first.n_items == 3
    assert first.fingerprint() == again.fingerprint()


def test_scale_is_replaced_side_by_side():
    assert preprocess(CHAIN, PreprocessingConfig(scale_high=10)).scale == (1.0, 10.0)


def test_a_scale_upside_down_is_refused():
    with pytest.raises(InputError, match=r"lowest rating \(preprocessing.scale_low\) has to be below"):
        preprocess(CHAIN, PreprocessingConfig(scale_low=6))


def test_nothing_left_is_said():
    with pytest.raises(InputError, match="leaves no rating"):
        preprocess(CHAIN, PreprocessingConfig(min_user_ratings=50))


def test_per_rating_arrays_stay_aligned():
    frame = pd.DataFrame({"user": [1, 1, 2], "item": [1, 2, 1], "rating": [3.0, 4, 5]})
    frame = frame.assign(timestamp=frame["rating"] * 10, expected=frame["rating"] + 0.5)
    kept = from_frame("aligned", frame).keep(users=np.array([True, False]))
    assert (kept.ratings.data + 0.5 == kept.expected).all()
    assert (kept.ratings.data * 10 == kept.timestamps).all()
