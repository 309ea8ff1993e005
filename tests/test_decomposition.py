"""Decompositions against what is known of them: the assignment's matrix, planted ranks, the runs' own choice."""

import numpy as np
import pandas as pd
import pytest

from engine import datasets, experiment
from engine.config import parse
from engine.datasets import toy
from engine.datasets.synthetic import SyntheticParameters, generate
from engine.decomposition import decompose_dataset, rank_curve, spectrum
from engine.errors import InputError
from engine.evaluation import choose_rank, predict
from engine.interactions import from_frame
from engine.splits import RandomOptions, make_split


def full_matrix(values: np.ndarray):
    users, items = np.nonzero(np.ones_like(values))
    return from_frame("full", pd.DataFrame({"user": users, "item": items, "rating": values[users, items]}))


@pytest.fixture(scope="module")
def small():
    return generate(SyntheticParameters(users=120, items=90, median=40))


def test_singular_values_of_the_toy_are_numpys():
    found = spectrum(toy.load(), "none").by_rank
    np.testing.assert_allclose(found["singular_value"], np.linalg.svd(toy.MATRIX.astype(float), compute_uv=False), rtol=1e-5)
    assert found["rank"].tolist() == list(range(1, 11))
    assert found["energy"].iloc[-1] == pytest.approx(1)
    assert found["reconstruction_rmse"].iloc[-1] == pytest.approx(0, abs=1e-5)


def test_energy_of_a_diagonal_is_known():
    found = spectrum(full_matrix(np.diag([3.0, 2.0, 1.0])), "none").by_rank
    np.testing.assert_allclose(found["singular_value"], [3, 2, 1], rtol=1e-6)
    np.testing.assert_allclose(found["energy"], [9 / 14, 13 / 14, 1], rtol=1e-6)
    # What is left out of the nine cells: 2² + 1², then 1², then nothing.
    np.testing.assert_allclose(found["reconstruction_rmse"], np.sqrt(np.array([5, 1, 0]) / 9), atol=1e-6)


@pytest.mark.parametrize("centring", ["none", "bias"])
@pytest.mark.parametrize("rank", [1, 4, 17])
def test_a_cut_is_what_a_decomposition_of_that_rank_gives(small, centring, rank):
    found = spectrum(small, centring, 20)
    alone = decompose_dataset(small, rank, centring)
    row = found.by_rank.iloc[rank - 1]
    assert row["reconstruction_rmse"] == pytest.approx(alone["reconstruction_rmse"], rel=1e-4)
    assert found.by_rank["singular_value"][:rank].tolist() == pytest.approx(alone["singular_values"], rel=1e-4)
    assert len(found.by_rank) == 20
    assert found.full_rank == min(small.ratings.shape)


def test_seen_error_falls_with_every_rank_and_held_out_error_turns(small):
    found = rank_curve(make_split(small, RandomOptions()), "none", 40).by_rank
    assert (np.diff(found["seen_rmse"]) < 1e-6).all()
    assert found["validation_rmse"].argmin() < 39
    assert found["validation_rmse"].iloc[-1] > found["validation_rmse"].min()


def test_best_rank_is_the_one_that_runs_choose(small):
    config = parse({"evaluation": {"max_rank": 25}})
    split = make_split(small, config.split)
    found, beside = rank_curve(split, "bias", 25), experiment.fit_baselines(split, config)
    assert found.best == beside["svd"].config.rank == choose_rank(split, 25).config.rank
    expected = np.sqrt(np.mean(np.square(predict(beside["svd"], split.visible, split.validation).errors)))
    assert found.by_rank["validation_rmse"][found.best - 1] == pytest.approx(expected, rel=1e-5)
    assert found.bias_rmse == pytest.approx(np.sqrt(np.mean(np.square(predict(beside["bias"], split.visible, split.validation).errors))))
    assert found.against_bias[0] == pytest.approx(expected - found.bias_rmse, abs=1e-5)
    assert found.against_bias[1] > 0
    assert (found.pairs, found.users) == (split.validation.nnz, len(np.unique(split.validation.nonzero()[0])))


def test_ranks_end_at_the_smaller_side():
    assert len(spectrum(toy.load(), "bias", 50).by_rank) == 10
    assert len(rank_curve(make_split(toy.load(), RandomOptions()), "bias", 50).by_rank) == 10


@pytest.mark.parametrize("rank", [0, -1, 11])
def test_impossible_ranks_are_refused(rank):
    with pytest.raises(InputError, match="between 1 and 10"):
        decompose_dataset(toy.load(), rank, "none")


def test_user_2_of_the_toy_gets_item_7():
    found = decompose_dataset(datasets.load(datasets.DatasetConfig(name="toy")), 3, "none")
    assert found["recommendations"]["2"] == "7"
    u, s, vt = np.linalg.svd(toy.MATRIX)
    assert found["scores"]["2"] == pytest.approx(((u[:, :3] * s[:3]) @ vt[:3])[1, 6], abs=1e-4)
    assert np.shape(found["reconstruction"]) == (18, 10)
    assert found["reconstruction"][1] == [2, 0, 1, 1, 4, 0, 2, 1, 3, 1]
