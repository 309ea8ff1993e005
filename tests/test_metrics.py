"""Metrics against numbers worked out by hand, and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from engine.metrics import METRICS, definition, ranking_metrics, rating_metrics, rmse_difference, top_k


def test_rating_metrics_by_hand():
    # Errors 1, −1 (user 0) and 2, clipped to 1 (user 1): squares 1, 1, 4 and clipped 1, 1, 1.
    metrics = rating_metrics(np.array([4.0, 2, 6]), np.array([3.0, 3, 4]), np.array([0, 0, 1]), (1, 5))
    assert metrics["rmse"] == pytest.approx(np.sqrt(2))
    assert metrics["rmse_clipped"] == pytest.approx(1)
    assert metrics["rmse_user_mean"] == pytest.approx(1)
    assert metrics["mae"] == pytest.approx(4 / 3)


def test_user_mean_and_global_rmse_differ():
    # One user with three errors of 2, one with a single error of 0: global √3, mean of users 1.
    metrics = rating_metrics(np.array([3.0, 3, 3, 3]), np.array([1.0, 1, 1, 3]), np.array([7, 7, 7, 2]), (1, 5))
    assert metrics["rmse"] == pytest.approx(np.sqrt(3))
    assert metrics["rmse_user_mean"] == pytest.approx(1)


def test_ranking_by_hand():
    # Hits at ranks 1 and 3 of 3, four relevant items: DCG 1 + 1/2, best 1 + 1/log2(3) + 1/2.
    metrics = ranking_metrics(np.array([[True, False, True]]), np.array([4]))
    assert metrics["recall"][0] == pytest.approx(2 / 3)
    assert metrics["precision"][0] == pytest.approx(2 / 3)
    assert metrics["ndcg"][0] == pytest.approx(1.5 / (1.5 + 1 / np.log2(3)))


@given(st.integers(0, 10_000), st.integers(1, 12))
@settings(max_examples=50, deadline=None)
def test_ndcg_is_scikit_learns(seed, k):
    rng = np.random.default_rng(seed)
    scores = rng.permutation(12).astype(float)[None]
    relevant = rng.random((1, 12)) < 0.4
    relevant[0, 0] = True
    hits = np.take_along_axis(relevant, top_k(scores, k), axis=1)
    ours = ranking_metrics(hits, relevant.sum(axis=1))["ndcg"][0]
    assert ours == pytest.approx(ndcg_score(relevant, scores, k=k))


@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 9))
@settings(max_examples=80, deadline=None)
def test_top_k_is_a_stable_full_sort(seed, n_items, k):
    scores = np.random.default_rng(seed).integers(0, 4, (3, n_items)).astype(float)
    scores[0, 0] = -np.inf
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    assert (top_k(scores, k) == expected).all()


def test_identical_models_do_not_differ():
    errors = np.array([1.0, -2, 0.5])
    assert rmse_difference(errors, errors, np.array([0, 0, 1])) == (0.0, 0.0)


def test_interval_covers_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(1)
    users = np.repeat(np.arange(200), 5)
    covered = 0
    for _ in range(300):
        shared = rng.normal(size=200)[users]
        first, second = 0.5 * shared + rng.normal(size=1000), 0.5 * shared + 1.1 * rng.normal(size=1000)
        difference, half = rmse_difference(first, second, users)
        covered += abs(difference - (np.sqrt(1.25) - np.sqrt(0.25 + 1.21))) <= half
    assert 0.91 <= covered / 300 <= 0.985


def test_every_metric_has_a_definition():
    assert definition("ndcg@10") == METRICS["ndcg"]
    assert definition("reconstruction_rmse").startswith("Error on ratings that the model was shown")
