"""Numbers about datasets that can be counted by hand."""

import numpy as np
import pandas as pd
import pytest

from engine.datasets import synthetic, toy
from engine.gathering import from_frame
from engine.profile import TAIL_POINTS, item_table, later_training_share, over_time, profile, rating_counts, split_parts, tail
from engine.splits import LABELS, LastOptions, RandomOptions, Split, TimeOptions, UsersOptions, make_split

DAY = 86_400


def table(rows, **more):
    return from_frame("rows", pd.DataFrame(rows, columns=["user", "item", "rating", "timestamp"][: len(rows[0])]), **more)


@pytest.fixture(scope="module")
def generated():
    return synthetic.generate(synthetic.SyntheticParameters(users=60, items=50, median=25))


def test_profile_of_four_ratings():
    titles = pd.DataFrame({"title": ["A", "B", "C"]}, index=[1, 2, 3])
    found = profile(table([(1, 1, 1, 10), (1, 2, 5, 20), (2, 1, 3, 5), (2, 3, 2, 9), (2, 3, 3, 30)], items=titles, scale=(1, 5)))
    assert (found.users, found.items, found.ratings, found.duplicates) == (2, 3, 4, 1)
    assert found.density == pytest.approx(4 / 6)
    assert found.mean == pytest.approx(3)
    assert found.deviation == pytest.approx(np.sqrt(2))
    assert (found.first, found.last, found.scale, found.noise_floor) == (5, 30, (1, 5), None)


def test_only_generated_data_have_a_floor(generated):
    floor = profile(generated).noise_floor
    split = make_split(generated, RandomOptions())
    assert floor == pytest.approx(0.72, abs=0.05)
    assert floor == pytest.approx(split.noise_floor("train"), abs=0.05)
    assert profile(toy.load()).first is None


def test_ratings_nobody_gave_count_zero():
    found = rating_counts(table([(1, 1, 0.5), (1, 2, 1), (1, 3, 2), (2, 1, 2)]))
    assert dict(zip(found["rating"], found["ratings"], strict=True)) == {"0.5": 1, "1": 1, "1.5": 0, "2": 2}


def test_ratings_of_one_value_and_of_many():
    assert rating_counts(table([(1, 1, 1), (2, 1, 1)])).to_dict("list") == {"rating": ["1"], "ratings": [2]}
    many = rating_counts(table([(user, 1, value) for user, value in enumerate(np.random.default_rng(0).normal(size=500))]))
    assert (len(many), many["ratings"].sum()) == (20, 500)


def test_tail_of_items_and_users():
    data = table([(1, 1, 3), (2, 1, 3), (3, 1, 3), (1, 2, 3)])
    items, users = tail(data, "items"), tail(data, "users")
    assert items.ranked.to_dict("list") == {"rank": [1, 2], "ratings": [3, 1], "share": [0.75, 1.0]}
    assert (items.top_share, items.single, items.median) == (0.75, 1, 2)
    assert (users.ranked["ratings"].tolist(), users.single) == ([2, 1, 1], 2)


def test_long_tails_are_thinned_but_keep_both_ends():
    count = 2000
    found = tail(table([(1, item, 3) for item in range(count)] + [(user, 0, 3) for user in range(2, 9)]), "items").ranked
    assert len(found) <= TAIL_POINTS
    assert (found["rank"].iloc[0], found["rank"].iloc[-1]) == (1, count)
    assert found["share"].iloc[-1] == pytest.approx(1)


@pytest.mark.parametrize(("days", "first", "periods"), [(3, "2020-01-01", 4), (400, "2020-01", 14), (20_000, "2020", 55)])
def test_periods_fit_the_span(days, first, periods):
    start = int(pd.Timestamp("2020-01-01").timestamp())
    found = over_time(np.array([start, start + 60, start + days * DAY]))
    assert (found["period"].iloc[0], len(found)) == (first, periods)
    assert found["ratings"].tolist() == [2] + [0] * (periods - 2) + [1]


def test_periods_by_part_leave_unused_ratings_out():
    labels = np.array([LABELS["train"], LABELS["train"], LABELS["test"], -1], np.int8)
    found = over_time(np.array([0, DAY, DAY, DAY]), labels)
    assert found.to_dict("list") == {"period": ["1970-01-01", "1970-01-02"], "train": [1, 1], "test": [0, 1]}


def test_items_come_most_rated_first():
    films = pd.DataFrame({"title": ["Alpha", "Beta"], "genres": ["Drama|War", ""]}, index=[1, 2])
    found = item_table(table([(1, 1, 3), (1, 2, 4), (2, 2, 5)], items=films))
    assert found.to_dict("records") == [
        {"item": "2", "title": "Beta", "genres": "", "ratings": 2, "mean": 4.5},
        {"item": "1", "title": "Alpha", "genres": "Drama, War", "ratings": 1, "mean": 3.0},
    ]
    assert "genres" not in item_table(toy.load())


def test_parts_add_up(generated):
    split = make_split(generated, UsersOptions())
    found = split_parts(split).set_index("part")
    assert found["ratings"].to_dict() == {name: split.sizes()[name] for name in LABELS}
    assert found["share"].sum() == pytest.approx(1)
    assert found.loc["test", "dropped"] == split.dropped["test"]
    assert found["users"].sum() == found.loc["train", "users"] + 2 * found.loc["fold_in", "users"]


def test_what_training_knows_of_the_future(generated):
    assert later_training_share(make_split(generated, TimeOptions())) == 0
    assert later_training_share(make_split(generated, RandomOptions())) == pytest.approx(0.5, abs=0.05)
    assert 0 < later_training_share(make_split(generated, LastOptions())) < 0.6
    assert later_training_share(make_split(toy.load(), RandomOptions())) is None


def test_the_future_counted_by_hand():
    data = table([(1, 1, 3, 10), (1, 2, 3, 20), (2, 1, 3, 30), (2, 2, 3, 40)])
    labels = np.array([LABELS["train"], LABELS["test"], LABELS["train"], LABELS["validation"]], np.int8)
    assert later_training_share(Split(data, labels, {})) == 0.5
