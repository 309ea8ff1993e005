"""The generated dataset: its noise floor is what it says, there is something to learn above it, and it reads like real films."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.datasets import DatasetConfig, load
from engine.datasets.synthetic import SyntheticParameters, expected_rating, generate
from engine.interactions import Interactions

GENRES = {
    *("Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy", "Film-Noir"),
    *("Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
}


@pytest.fixture(scope="module")
def synthetic() -> Interactions:
    return load(DatasetConfig())


def rmse(ratings: np.ndarray, predicted: np.ndarray) -> float:
    return float(np.sqrt(np.mean((ratings - predicted) ** 2)))


def test_synthetic_is_the_same_everywhere(synthetic: Interactions) -> None:
    assert synthetic.fingerprint() == "473c9397985c5780"
    assert generate(replace(SyntheticParameters(), seed=1)).fingerprint() != synthetic.fingerprint()


def test_synthetic_looks_like_movielens(synthetic: Interactions) -> None:
    ratings = synthetic.ratings.data.astype(float)
    per_user, per_item = np.diff(synthetic.ratings.indptr), np.bincount(synthetic.columns)
    assert sorted(set(ratings)) == list(np.arange(0.5, 5.1, 0.5))
    assert 3.4 < ratings.mean() < 3.6 and 1.0 < ratings.std() < 1.1
    assert np.median(per_user) >= 60 and per_user.min() >= 20
    # Long tails: the most active tenth gives over a quarter of the ratings, the most popular tenth of the films gets over a third.
    assert np.sort(per_user)[-200:].sum() > 0.25 * len(ratings)
    assert np.sort(per_item)[-120:].sum() > 0.33 * len(ratings)
    # What people rate, they tend to like: popular films are better than the rest.
    mean_of = np.bincount(synthetic.columns, ratings) / per_item
    assert np.corrcoef(np.log(per_item), mean_of)[0, 1] > 0.2


def test_expected_rating_by_simulation() -> None:
    draw = np.random.default_rng(0)
    for opinion in (-1.0, 0.6, 2.3, 3.75, 4.9, 7.0):
        drawn = np.clip(np.round(2 * (opinion + 0.7 * draw.standard_normal(400_000))) / 2, 0.5, 5)
        assert float(expected_rating(np.array([opinion]), 0.7)[0]) == pytest.approx(drawn.mean(), abs=0.005)
    # Without noise to speak of it is plain rounding.
    assert expected_rating(np.array([3.1, 9.0, 0.1]), 1e-6).tolist() == [3.0, 5.0, 0.5]


def test_the_noise_floor_is_the_floor(synthetic: Interactions) -> None:
    assert synthetic.expected is not None
    ratings, expected = synthetic.ratings.data.astype(float), synthetic.expected.astype(float)
    floor = rmse(ratings, expected)
    assert 0.65 < floor < 0.75
    # The true means leave no pattern behind: within each band of expectations the ratings average to it.
    band = np.digitize(expected, np.arange(1.5, 5, 0.5))
    gap = np.array([(ratings - expected)[band == one].mean() for one in np.unique(band)])
    assert np.abs(gap).max() < 0.03
    # Nor does a better scale or shift of them exist.
    assert np.polyfit(expected, ratings, 1) == pytest.approx([1, 0], abs=0.02)


def test_there_is_taste_to_learn(synthetic: Interactions) -> None:
    """User and item bias stay well above the floor; alternating least squares on the rest closes over a third of the way."""
    ratings, rows, columns = synthetic.ratings.data.astype(float), synthetic.rows, synthetic.columns
    held = np.random.default_rng(0).random(len(ratings)) < 0.2
    train = ~held
    mean = ratings[train].mean()
    user, item = np.zeros(synthetic.n_users), np.zeros(synthetic.n_items)
    counts = np.bincount(rows[train], minlength=len(user)), np.bincount(columns[train], minlength=len(item))
    for _ in range(10):
        item = np.bincount(columns[train], (ratings - mean - user[rows])[train], len(item)) / (counts[1] + 3)
        user = np.bincount(rows[train], (ratings - mean - item[columns])[train], len(user)) / (counts[0] + 5)
    left = ratings - mean - user[rows] - item[columns]
    assert synthetic.expected is not None
    floor, bias = rmse(ratings[held], synthetic.expected[held]), rmse(left[held], np.zeros(held.sum()))
    assert 0.88 < bias < 0.95
    rank = 6
    factors = {"user": np.zeros((len(user), rank)), "item": 0.1 * np.random.default_rng(1).standard_normal((len(item), rank))}
    for _ in range(8):
        for side, other, here, there in (("user", "item", rows, columns), ("item", "user", columns, rows)):
            vectors = factors[other][there[train]]
            gram, right = np.tile(5.0 * np.eye(rank), (len(factors[side]), 1, 1)), np.zeros((len(factors[side]), rank))
            np.add.at(gram, here[train], vectors[:, :, None] * vectors[:, None, :])
            np.add.at(right, here[train], vectors * left[train, None])
            factors[side] = np.linalg.solve(gram, right[:, :, None])[:, :, 0]
    learned = rmse(left[held], (factors["user"][rows[held]] * factors["item"][columns[held]]).sum(1))
    assert (bias - learned) / (bias - floor) > 0.4


def test_synthetic_catalogue_reads_like_a_real_one(synthetic: Interactions) -> None:
    named = synthetic.items["title"].str.extract(r"^(?P<title>.+) \((?P<year>\d{4})\)$")
    assert not named.isna().any(axis=None)
    assert synthetic.items["title"].is_unique and named["title"].is_unique
    assert not named["title"].str.contains(r"\bItem\b|\(n\)|[{}]|\ba [AEIO]|\bA [AEIO]|  ").any()
    assert named["title"].str[0].str.isupper().all()
    for genres in synthetic.items["genres"].str.split("|"):
        assert set(genres) <= GENRES and 1 <= len(genres) == len(set(genres)) <= 3
    assert synthetic.users.index.is_unique
    assert synthetic.users.index.str.fullmatch(r"[A-Z][a-z]+ [A-Z][a-z]+").all()
    assert set(synthetic.users["gender"]) == {"female", "male"} and synthetic.users["age"].nunique() == 7


def test_synthetic_times(synthetic: Interactions) -> None:
    assert synthetic.timestamps is not None
    times = synthetic.timestamps.astype("datetime64[s]")
    years = times.astype("datetime64[Y]").astype(int) + 1970
    assert set(years) == set(range(2018, 2024))
    released = synthetic.items["title"].str[-5:-1].astype(int).to_numpy()
    assert (years >= released[synthetic.columns]).all()
    # Most ratings follow another of the same user within five minutes: sessions.
    order = np.lexsort((synthetic.timestamps, synthetic.rows))
    gaps = np.diff(synthetic.timestamps[order])[np.diff(synthetic.rows[order]) == 0]
    assert np.mean(gaps < 300) > 0.8 and gaps.max() > 30 * 86_400


def test_generate_at_another_size() -> None:
    data = generate(replace(SyntheticParameters(), users=300, items=5000, median=40))
    assert data.n_users == 300 and 300 < data.n_items <= 5000
    assert data.items["title"].is_unique and np.diff(data.ratings.indptr).min() >= 20
