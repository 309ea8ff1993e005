"""EASE, nearest items and matrix factorisation against numbers worked out by hand, and against numpy."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import parse
from engine.errors import InputError
from engine.evaluation import evaluate_ratings, recommend
from engine.experiment import open_split
from engine.models import build
from engine.models.configs import EaseConfig, ItemKNNConfig, MFConfig
from engine.models.ease import EASE
from engine.models.itemknn import ItemKNN, similar_items
from engine.models.mf import MF, solve


def sparse(seed, n_users, n_items, share) -> sp.csr_array:
    rng = np.random.default_rng(seed)
    return sp.csr_array(rng.normal(size=(n_users, n_items)) * (rng.random((n_users, n_items)) < share)).astype(np.float32)


def fitted(model, train):
    torch.manual_seed(0)
    model.fit(train)
    return model


seeds, shares = st.integers(0, 1000), st.floats(0, 1)
several = settings(max_examples=30, deadline=None)

# --- EASE ---


def ease(train, regularisation) -> EASE:
    return fitted(EASE(EaseConfig(regularisation=regularisation), *train.shape), train)


def test_ease_on_three_items_by_hand():
    # Films A, B, C; two users watched A and B, one B and C.
    #
    #         2 2 0                3 2 0                       7 -4  2
    # X'X  =  2 3 1     X'X + I =  2 4 1    inverse:  1/13 *  -4  6 -3     (determinant 3·(8 − 1) − 2·4 = 13)
    #         0 1 1                0 1 2                       2 -3  8
    #
    # Each column divided by minus its diagonal, then 0 on the diagonal:
    expected = [[0, 4 / 6, -2 / 8], [4 / 7, 0, 3 / 8], [-2 / 7, 3 / 6, 0]]
    train = sp.csr_array(np.array([[1.0, 1, 0], [1, 1, 0], [0, 1, 1]]))
    model = ease(train, 1)
    np.testing.assert_allclose(model.learned["weights"], expected, atol=1e-6)
    stranger = sp.csr_array(np.array([[1.0, 0, 1]]))
    np.testing.assert_allclose(model.score(stranger, np.array([0])), [[-2 / 7, 7 / 6, -1 / 4]], atol=1e-6)
    assert recommend(model, stranger, 0, top=3)[0].tolist() == [1]


@given(seeds, st.integers(1, 12), st.integers(2, 8), shares, st.sampled_from([0.1, 1, 500]))
@several
def test_ease_is_the_ridge_regression_of_each_item_on_the_others(seed, n_users, n_items, share, regularisation):
    train = sparse(seed, n_users, n_items, share)
    weights, x = ease(train, regularisation).learned["weights"], train.toarray().astype(np.float64)
    assert (np.diag(weights) == 0).all()
    for item in range(n_items):
        others = np.arange(n_items) != item
        gram = x[:, others].T @ x[:, others] + regularisation * np.eye(n_items - 1)
        np.testing.assert_allclose(weights[others, item], np.linalg.solve(gram, x[:, others].T @ x[:, item]), atol=1e-5)


def test_ease_refuses_a_catalogue_beyond_the_memory(monkeypatch):
    monkeypatch.setattr("engine.models.ease.psutil.virtual_memory", lambda: SimpleNamespace(available=1e9))
    with pytest.raises(InputError, match=r"10,000 items need about 2.4 GB, and 1.0 GB are free here; .*preprocessing.sample_items"):
        ease(sp.csr_array((5, 10_000), dtype=np.float32), 500)


def test_ease_refuses_a_regularisation_that_rounding_swallows():
    with pytest.raises(InputError, match=r"model\.regularisation is too small"):
        ease(sp.csr_array(np.ones((1, 2))), 1e-30)


# --- nearest items ---

OPPOSED = sp.csr_array(np.array([[5.0, 5, 1, 1], [1, 1, 5, 5], [4, 2, 0, 0], [2, 4, 0, 0]], np.float32))
"""Films A, B, C, D. Every user's and every film's mean is 3, so biases are 0 and residuals are

     A  B  C  D
    +2 +2 -2 -2        cosines: A, B: (4 + 4 - 1 - 1) / 10 = 0.6, 4 common users
    -2 -2 +2 +2                 C, D: 8 / 8 = 1, 2 common users
    +1 -1                       all others are negative
    -1 +1
"""


def knn(train, **options) -> ItemKNN:
    return fitted(ItemKNN(ItemKNNConfig(**options), *train.shape), train)


def test_similarities_by_hand():
    residuals = OPPOSED.copy()
    residuals.data -= 3
    shrunk = {(0, 1): 0.6 * 4 / 8, (2, 3): 1 * 2 / 6}
    expected = np.zeros((4, 4))
    for (i, j), value in shrunk.items():
        expected[i, j] = expected[j, i] = value
    np.testing.assert_allclose(similar_items(residuals, neighbours=3, shrinkage=4).toarray(), expected, atol=1e-6)


def test_a_prediction_by_hand():
    model = knn(OPPOSED, neighbours=3, shrinkage=4, damping=0.1)
    stranger = sp.csr_array(np.array([[5.0, 0, 0, 0]], np.float32))
    # One rating, 2 above the mean, is pulled to 0 by 5 ratings' worth: the user bias is 2 / 6 and the residual of A 5 / 3.
    # B's only neighbour is A; the others have none that the user rated.
    own = 3 + 1 / 3
    expected = [own, own + 0.3 * 5 / 3 / (0.3 + 0.1), own, own]
    np.testing.assert_allclose(model.score(stranger, np.array([0]))[0], expected, atol=1e-5)
    targets = sp.csr_array(np.array([[0, 4.0, 0, 2]], np.float32))
    np.testing.assert_allclose(model.rate(stranger, targets), [expected[1], own], atol=1e-5)


def test_without_ratings_a_user_gets_the_biases():
    model = knn(sparse(0, 30, 12, 0.5))
    nobody = sp.csr_array((1, 12), dtype=np.float32)
    np.testing.assert_allclose(model.score(nobody, np.array([0]))[0], model.learned["mean"] + model.learned["item_bias"], atol=1e-6)


def test_binarised_data_are_ranked_by_summed_cosines():
    # A and B have 2 common users of 3 and 2, A and C one of 3 and 1, B and C none.
    likes = sp.csr_array(np.array([[1.0, 1, 0], [1, 1, 0], [1, 0, 1]], np.float32))
    model = knn(likes)
    assert "mean" not in model.learned
    ab, ac = 2 / np.sqrt(6), 1 / np.sqrt(3)
    np.testing.assert_allclose(model.score(likes, np.arange(3)), [[ab, ab, ac], [ab, ab, ac], [ac, ab, ac]], atol=1e-6)


@given(seeds, st.integers(2, 15), st.integers(1, 9), shares, st.integers(1, 10), st.sampled_from([0, 3]))
@several
def test_nearest_items_are_numpys(seed, n_users, n_items, share, neighbours, shrinkage):
    values = sparse(seed, n_users, n_items, share)
    dense, rated = values.toarray().astype(np.float64), (values.toarray() != 0).astype(np.float64)
    lengths = np.maximum(np.linalg.norm(dense, axis=0), 1e-12)
    common = rated.T @ rated
    expected = dense.T @ dense / np.outer(lengths, lengths) * common / np.maximum(common + shrinkage, 1e-12)
    np.fill_diagonal(expected, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.models.contract.CHUNK_CELLS", 2 * n_items)
        found = similar_items(values, neighbours, shrinkage)
    rows, columns = found.nonzero()
    np.testing.assert_allclose(found.data, expected[rows, columns], atol=1e-6)
    largest = np.maximum(-np.sort(-expected, axis=1)[:, :neighbours], 0)
    np.testing.assert_allclose(-np.sort(-found.toarray(), axis=1)[:, :neighbours], largest, atol=1e-6)
    assert (np.diff(found.indptr) <= neighbours).all()


# --- matrix factorisation ---


def planted(seed=0, n_users=200, n_items=150, rank=2, share=0.4) -> tuple[sp.csr_array, sp.csr_array]:
    """Mean + biases + a product of rank 2 without noise: a share of the cells, and all others."""
    rng = np.random.default_rng(seed)
    cells = rng.normal(size=(n_users, rank)) @ rng.normal(size=(rank, n_items))
    cells += 3.5 + 0.3 * rng.normal(size=(n_users, 1)) + 0.5 * rng.normal(size=n_items)
    seen = rng.random(cells.shape) < share
    return sp.csr_array(np.where(seen, cells, 0).astype(np.float32)), sp.csr_array(np.where(seen, 0, cells).astype(np.float32))


def mf(train, **options) -> MF:
    return fitted(MF(MFConfig(**options), *train.shape), train)


def test_a_planted_product_is_recovered():
    train, rest = planted()
    model = mf(train, rank=2, regularisation=0.001, rounds=30)
    assert rest.data.std() > 1
    errors = model.rate(train, rest) - rest.data
    assert np.sqrt(np.mean(errors**2)) < 0.02


def test_users_that_were_not_there_are_recovered_too():
    train, rest = planted()
    model = mf(train[:150], rank=2, regularisation=0.001, rounds=30)
    errors = model.rate(train[150:], rest[150:]) - rest[150:].data
    assert np.sqrt(np.mean(errors**2)) < 0.02


@pytest.mark.parametrize("regularisation", [0.001, 0.08, 1])
def test_no_round_raises_the_objective(regularisation):
    train, _ = planted(share=0.2)
    counts_u, counts_i = np.diff(train.indptr), np.bincount(train.indices, minlength=train.shape[1])
    values = []
    for rounds in range(1, 9):
        model = mf(train, rank=4, regularisation=regularisation, rounds=rounds)
        users, items = model.fold_in(train), model.learned["item_factors"]
        errors = model.rate(train, train) - train.data
        weights = counts_u @ (users**2).sum(axis=1) + counts_i @ (items**2).sum(axis=1) + counts_i @ model.learned["item_bias"] ** 2
        values.append(np.square(errors, dtype=np.float64).sum() + regularisation * weights)
    assert (np.diff(values) <= 1e-5 * values[0]).all()
    assert values[-1] < values[0]


@given(seeds, st.integers(1, 9), st.integers(1, 7), st.integers(1, 3), shares, st.sampled_from([1, 40, 10_000]))
@several
def test_every_row_is_its_own_ridge_regression(seed, n_rows, n_columns, rank, share, cells):
    ratings, rng = sparse(seed, n_rows, n_columns, share), np.random.default_rng(seed)
    factors, offsets = rng.normal(size=(n_columns, rank)).astype(np.float32), rng.normal(size=n_columns).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.models.mf.BLOCK_CELLS", cells)
        found = solve(ratings, torch.from_numpy(factors), torch.from_numpy(offsets), 0.1).numpy()
    for row in range(n_rows):
        columns, values = ratings[[row]].indices, ratings[[row]].data
        features = np.column_stack([np.ones(len(columns)), factors[columns]])
        normal = features.T @ features + 0.1 * max(len(columns), 1) * np.eye(rank + 1)
        np.testing.assert_allclose(found[row], np.linalg.solve(normal, features.T @ (values - offsets[columns])), atol=1e-4)


def test_a_seed_repeats_the_factors():
    train, _ = planted()
    first, second = (mf(train, rank=3, rounds=2) for _ in range(2))
    assert (first.learned["item_factors"] == second.learned["item_factors"]).all()


def test_a_user_without_ratings_gets_mean_and_item_bias():
    train, _ = planted()
    model = mf(train, rank=3, rounds=2)
    nobody = sp.csr_array((1, train.shape[1]), dtype=np.float32)
    np.testing.assert_allclose(model.score(nobody, np.array([0]))[0], model.learned["mean"] + model.learned["item_bias"])


def test_ratings_that_are_all_alike_are_predicted():
    likes = sp.csr_array((np.random.default_rng(0).random((40, 30)) < 0.3).astype(np.float32))
    np.testing.assert_allclose(mf(likes, rank=3).score(likes, np.arange(40)), 1, atol=1e-5)


# --- real ratings ---


@pytest.mark.data
def test_both_rating_models_beat_the_biases_on_real_ratings():
    split = open_split(parse({"dataset": {"name": "ml-100k"}, "split": {"kind": "random", "test": 0.1, "validation": 0.1}}))
    errors = {}
    for name in ("bias", "itemknn", "mf"):
        model = fitted(build(parse({"model": {"name": name}}).model, *split.train.shape), split.train)
        errors[name] = evaluate_ratings(model, split.visible, split.validation, split.interactions.scale)["rmse_clipped"]
    assert errors["itemknn"] < errors["bias"] - 0.03
    assert errors["mf"] < errors["bias"] - 0.01
