"""Metrics against numbers worked out by hand, and against scikit-learn."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score

from engine import metrics
from engine.metrics import (
    METRICS,
    bootstrap_rmse,
    bootstrap_rmse_difference,
    definition,
    epochs_to_reach,
    half_interval,
    negative_weights,
    over_users,
    pairwise_accuracy,
    ranking_metrics,
    rating_metrics,
    rmse_difference,
    top_k,
    widening,
)


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
    assert metrics["map"][0] == pytest.approx((1 / 1 + 2 / 3) / 3)


def test_recall_and_ndcg_are_those_of_the_mult_vae_paper():
    # Two relevant items, one of them at rank 4 of 5: recall is out of 2, not of 5, and the best DCG has both on top.
    metrics = ranking_metrics(np.array([[False, False, False, True, False]]), np.array([2]))
    assert metrics["recall"][0] == pytest.approx(1 / 2)
    assert metrics["ndcg"][0] == pytest.approx((1 / np.log2(5)) / (1 + 1 / np.log2(3)))
    assert metrics["map"][0] == pytest.approx((1 / 4) / 2)


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


@given(st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_map_of_the_whole_list_is_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    scores = rng.permutation(12).astype(float)[None]
    relevant = rng.random((1, 12)) < 0.4
    relevant[0, 0] = True
    hits = np.take_along_axis(relevant, top_k(scores, 12), axis=1)
    ours = ranking_metrics(hits, relevant.sum(axis=1))["map"][0]
    assert ours == pytest.approx(average_precision_score(relevant[0], scores[0]))


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


def pattern(cells):
    """CSR whose stored entries are the true cells."""
    return sp.csr_array(np.asarray(cells, bool))


def test_pairwise_accuracy_by_hand():
    # Hidden item 0 scores 2. Unwatched are items 2, 3 and 4, scoring 1, 2 and 3: one lower, one alike, one higher. Item 1 is watched.
    scores = np.array([[2, 9, 1, 2, 3]], np.float32)
    counts = np.array([4, 4, 2, 1, 1])
    weights = np.column_stack(list(negative_weights(counts, 4).values()))
    accuracy = pairwise_accuracy(scores, pattern([[1, 0, 0, 0, 0]]), pattern([[1, 1, 0, 0, 0]]), weights)
    high, low = math.exp(2 / 4), math.exp(1 / 4)
    assert accuracy[0] == pytest.approx([1.5 / 3, (high + low / 2) / (high + 2 * low), (2 + 0.5) / 4])


def test_users_without_a_pair_have_no_pairwise_accuracy():
    # User 0 has rated everything, user 1 has nothing hidden, user 2's only unwatched item is never drawn by popularity.
    weights = np.column_stack(list(negative_weights(np.array([1, 1, 0]), 2).values()))
    rated = pattern([[1, 1, 1], [1, 0, 0], [1, 1, 0]])
    accuracy = pairwise_accuracy(np.zeros((3, 3), np.float32), pattern([[1, 0, 0], [0, 0, 0], [1, 0, 0]]), rated, weights)
    assert np.isnan(accuracy).tolist() == [[True] * 3, [True] * 3, [False, False, True]]


def random_pairs(seed):
    """Scores with ties, hidden items, rated items and sampler weights of 5 users and 11 items."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(-3, 4, (5, 11)).astype(np.float32)
    rated = rng.random((5, 11)) < 0.5
    hidden = rated & (rng.random((5, 11)) < 0.5)
    weights = np.column_stack(list(negative_weights(rng.integers(1, 9, 11), 9).values()))
    return scores, hidden, rated, weights


@given(st.integers(0, 10_000), st.sampled_from([1, 25, metrics.PAIRWISE_CELLS]))
@settings(max_examples=80, deadline=None)
def test_pairwise_accuracy_is_that_of_all_pairs(seed, cells):
    scores, hidden, rated, weights = random_pairs(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "PAIRWISE_CELLS", cells)
        accuracy = pairwise_accuracy(scores, pattern(hidden), pattern(rated), weights)
    for user in range(5):
        wanted, others = np.flatnonzero(hidden[user]), np.flatnonzero(~rated[user])
        for sampler in range(3):
            wins = [
                [float(scores[user, i] > scores[user, j]) + 0.5 * float(scores[user, i] == scores[user, j]) for j in others] for i in wanted
            ]
            if len(wanted) and len(others):
                expected = np.mean([np.average(one, weights=weights[others, sampler]) for one in wins])
                assert accuracy[user, sampler] == pytest.approx(expected, abs=1e-6)
            else:
                assert np.isnan(accuracy[user, sampler])


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_pairwise_accuracy_sees_only_the_order(seed):
    scores, hidden, rated, weights = random_pairs(seed)
    accuracy = pairwise_accuracy(scores, pattern(hidden), pattern(rated), weights)
    steeper = pairwise_accuracy(np.exp(scores), pattern(hidden), pattern(rated), 7 * weights)
    upside_down = pairwise_accuracy(-scores, pattern(hidden), pattern(rated), weights)
    np.testing.assert_allclose(steeper, accuracy, atol=1e-6)
    np.testing.assert_allclose(upside_down, 1 - accuracy, atol=1e-6)


def test_pairwise_random_is_the_area_under_the_roc_curve():
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(1, 300)).astype(np.float32)
    hidden = rng.random((1, 300)) < 0.2
    weights = np.ones((300, 1), np.float32)
    accuracy = pairwise_accuracy(scores, pattern(hidden), pattern(hidden), weights)
    assert accuracy[0, 0] == pytest.approx(roc_auc_score(hidden[0], scores[0]), abs=1e-6)


def test_softmax_of_shares_is_nearly_uniform():
    # From an item that nobody has rated to one that everybody has, a uniform draw would have a ratio of 1, a popular one of infinity.
    weights = negative_weights(np.array([0, 5, 10]), 10)
    assert weights["softmax"] / weights["softmax"][0] == pytest.approx([1, math.exp(0.5), math.e])
    assert weights["popularity"].tolist() == [0, 5, 10]
    assert weights["random"].tolist() == [1, 1, 1]


def test_standard_errors_by_hand():
    # 1, 2, 3: mean 2, standard deviation 1 of 3 users. NaN is a user without a value.
    found = over_users({"a": np.array([1.0, 2, np.nan, 3]), "b": np.array([0.25]), "c": np.array([np.nan])})
    assert found == {"a": 2.0, "a_se": pytest.approx(1 / math.sqrt(3)), "b": 0.25}


def test_epochs_to_reach():
    assert epochs_to_reach([1, 2, 3, 4], [1.0, 0.9, 0.8, 0.7], 0.8) == 3
    assert epochs_to_reach([10, 20], [0.5, 0.4], 0.5) == 10
    assert epochs_to_reach([1, 2], [math.nan, 0.9], 0.8) is None
    assert epochs_to_reach([], [], 1) is None


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_bootstrap_and_delta_method_agree_where_users_are_many(seed):
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(400), rng.integers(1, 9, 400))
    taste = rng.normal(size=400)[users]
    first, second = taste + rng.normal(size=len(users)), taste + 1.2 * rng.normal(size=len(users))
    difference, low, high = bootstrap_rmse_difference(first, second, users, draws=2000, seed=seed)
    value, half = rmse_difference(first, second, users)
    assert difference == pytest.approx(value)
    assert (difference - low, high - difference) == pytest.approx((half, half), rel=0.15)


def test_bootstrap_of_one_model():
    errors, users = np.array([1.0, -1, 3, 3, 3]), np.array([0, 0, 5, 5, 5])
    rmse, low, high = bootstrap_rmse(errors, users)
    assert rmse == pytest.approx(math.sqrt(29 / 5))
    assert (low, high) == (pytest.approx(1), pytest.approx(3))  # a quarter of the draws are user 0 twice, another user 5 twice
    assert bootstrap_rmse(errors, users) == (rmse, low, high)


def test_bootstrap_of_a_model_against_itself_or_of_a_single_user():
    errors = np.array([1.0, -2, 0.5])
    assert bootstrap_rmse_difference(errors, errors, np.array([0, 0, 1])) == (0, 0, 0)
    assert bootstrap_rmse_difference(errors, errors / 2, np.zeros(3, int))[1:] == (-math.inf, math.inf)


def test_every_metric_has_a_definition():
    assert definition("ndcg@10") == METRICS["ndcg"]
    assert definition("ndcg@100_se").startswith("Standard error over users")
    assert definition("ndcg@100_se").endswith(METRICS["ndcg"])
    assert definition("pairwise_random_se").endswith(METRICS["pairwise_random"])
    assert definition("reconstruction_rmse").startswith("Error on ratings that the model was shown")


@pytest.mark.parametrize("count", [2, 3, 30])
def test_an_interval_of_few_values_is_students(count):
    values = np.arange(count) ** 2.0
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert half_interval(values) == pytest.approx((expected.high - expected.low) / 2)
    assert half_interval(values[:1]) == math.inf == widening(1)
    assert widening(10**7) == pytest.approx(1, abs=1e-4)
