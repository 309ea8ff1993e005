"""Decompositions against what is known of them: the assignment's matrix, planted ranks, the runs' own choice."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import datasets, experiment
from engine.commands import main
from engine.config import parse
from engine.datasets import toy
from engine.datasets.synthetic import SyntheticParameters, generate
from engine.decomposition import decompose_dataset, factors, item_map, rank_curve, spectrum, write_factors
from engine.errors import InputError
from engine.evaluation import choose_rank, predict
from engine.gathering import from_frame
from engine.item_map import neighbours
from engine.models import BiasConfig, svd
from engine.models.baselines import Bias
from engine.models.svd import _signed
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


@pytest.mark.parametrize("centring", ["none", "bias"])
@pytest.mark.parametrize("rank", [1, 3, 10])
def test_a_times_b_is_the_reconstruction(centring, rank):
    data = toy.load()
    model = spectrum(data, centring).model
    found = factors(model, data, rank)
    assert (found.users.shape, found.items.shape) == ((18, rank), (rank, 10))
    rebuilt = model.truncated(rank).score(data.ratings, np.arange(18))
    if centring == "bias":
        bias = Bias(BiasConfig(), 18, 10)
        bias.fit(data.ratings)
        rebuilt = rebuilt - bias.score(data.ratings, np.arange(18))
    np.testing.assert_allclose(found.users @ found.items, rebuilt, atol=1e-5)


def test_a_and_b_share_the_singular_values_evenly():
    found = factors(spectrum(toy.load(), "none").model, toy.load(), 3)
    u, s, vt = np.linalg.svd(toy.MATRIX.astype(float), full_matrices=False)
    for factor in range(3):
        sign = np.sign(vt[factor, np.abs(vt[factor]).argmax()])
        np.testing.assert_allclose(found.users[:, factor], sign * u[:, factor] * s[factor] ** 0.5, atol=1e-5)
        np.testing.assert_allclose(found.items[factor], sign * s[factor] ** 0.5 * vt[factor], atol=1e-5)
    np.testing.assert_allclose(np.square(found.users).sum(axis=0), s[:3], rtol=1e-5)
    np.testing.assert_allclose(np.square(found.items).sum(axis=1), s[:3], rtol=1e-5)


def test_signs_are_those_of_the_item_farthest_out():
    # A diagonal of negative numbers has the unit vectors as singular vectors, whose signs LAPACK chooses.
    found = factors(spectrum(full_matrix(np.diag([-3.0, -2.0, -1.0])), "none").model, full_matrix(np.diag([-3.0, -2.0, -1.0])), 3)
    np.testing.assert_allclose(found.items, np.diag(np.sqrt([3, 2, 1])), atol=1e-6)
    np.testing.assert_allclose(found.users, -np.diag(np.sqrt([3, 2, 1])), atol=1e-6)


@given(seed=st.integers(0, 200))
@settings(max_examples=25, deadline=None)
def test_signs_do_not_depend_on_the_signs_of_a_decomposition(seed):
    rng = np.random.default_rng(seed)
    vectors = np.round(rng.standard_normal((4, 9)), 1)
    vectors[0, :4], vectors[0, 4:] = 1 + 1e-9 * rng.standard_normal(4), -1 + 1e-9 * rng.standard_normal(5)  # equal up to rounding
    vectors[:, 0] += 0.01
    turned = _signed(vectors * rng.choice([-1.0, 1.0], (4, 1)))
    np.testing.assert_array_equal(turned, _signed(vectors))
    assert turned[0, 0] > 0


def test_the_way_by_arpack_gives_the_same_factors(monkeypatch, small):
    exact = factors(spectrum(small, "bias", 5).model, small, 5)
    monkeypatch.setattr(svd, "SMALL", 0)
    found = factors(spectrum(small, "bias", 5).model, small, 5)
    np.testing.assert_allclose(found.items, exact.items, atol=1e-4)
    np.testing.assert_allclose(found.users, exact.users, atol=1e-4)


def test_two_planted_groups_lie_apart():
    # Users like the films of one of two halves and dislike the others.
    rng = np.random.default_rng(0)
    user, item = np.nonzero(rng.random((60, 20)) < 0.7)
    frame = pd.DataFrame({"user": user, "item": item, "rating": np.where(user % 2 == item % 2, 5.0, 1.0)})
    data = from_frame("halves", frame)
    kind = data.items.index.to_numpy().astype(int) % 2
    first, second = factors(spectrum(data, "none").model, data, 2).items
    assert (first > 0).all(), "raw zeros: the first factor is how often an item was rated"
    assert np.ptp(np.sign(second[kind == 0])) == np.ptp(np.sign(second[kind == 1])) == 0
    assert np.sign(second[kind == 0][0]) != np.sign(second[kind == 1][0])
    centred = factors(spectrum(data, "bias").model, data, 1).items[0]
    assert len(set(np.sign(centred[kind == 0]))) == len(set(np.sign(centred[kind == 1]))) == 1
    assert np.sign(centred[kind == 0][0]) != np.sign(centred[kind == 1][0])
    table = item_map(spectrum(data, "bias").model, data)
    near, cosines = neighbours(table[["factor 1", "factor 2"]].to_numpy(), 0, 9)
    ids = table["item"].astype(int).to_numpy()
    assert (ids[near] % 2 == ids[0] % 2).all(), "an item's neighbours are of its half"
    assert (np.diff(cosines) <= 0).all()


def test_items_are_mapped_most_rated_first():
    data = toy.load()
    table = item_map(spectrum(data, "none").model, data)
    assert table["ratings"].is_monotonic_decreasing
    assert table.columns.tolist() == ["item", "title", "ratings", "mean", *(f"factor {number}" for number in range(1, 11))]
    found = factors(spectrum(data, "none").model, data, 10)
    np.testing.assert_allclose(table[["factor 1", "factor 2"]], found.items[:2, table.index].T)
    assert table["item"].tolist() == [data.items.index[position] for position in table.index]


def test_the_first_genre_is_kept(small):
    table = item_map(spectrum(small, "bias", 3).model, small)
    assert (table["first_genre"] == [text.split(", ")[0] for text in table["genres"]]).all()


def test_neighbours_go_by_direction():
    places = np.array([[1.0, 0], [3, 0.1], [0, 0], [0, 2], [-1, 0]])
    near, cosines = neighbours(places, 0, 3)
    assert near.tolist() == [1, 3, 4]
    np.testing.assert_allclose(cosines, [3 / np.hypot(3, 0.1), 0, -1], atol=1e-12)
    assert len(neighbours(places, 2, 3)[0]) == 0, "what lies at 0 has no direction"


@pytest.mark.parametrize("name", ["factors.npz", "factors.csv"])
def test_written_factors_are_the_factors(tmp_path, name):
    data = toy.load()
    write_factors(data, 2, "none", tmp_path / name)
    found = factors(spectrum(data, "none").model, data, 2)
    if name.endswith("npz"):
        with np.load(tmp_path / name) as kept:
            a, b = kept["A"], kept["B"]
            assert kept["users"].tolist() == data.users.index.tolist()
            assert kept["singular_values"].tolist() == pytest.approx([13.2732, 10.2550], abs=1e-4)
    else:
        kept = pd.read_csv(tmp_path / name)
        assert kept.columns.tolist() == ["matrix", "id", "factor 1", "factor 2"]
        a, b = (kept.loc[kept["matrix"] == side, ["factor 1", "factor 2"]].to_numpy() for side in "AB")
        b = b.T
    np.testing.assert_allclose(a, found.users, atol=1e-5)
    np.testing.assert_allclose(b, found.items, atol=1e-5)


def test_other_files_than_npz_and_csv_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"ends in \.npz or \.csv"):
        write_factors(toy.load(), 2, "none", tmp_path / "factors.txt")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write_factors(toy.load(), 2, "none", tmp_path / "file" / "factors.csv")


def test_the_command_writes_the_factors(tmp_path):
    result = CliRunner().invoke(main, ["svd", "--rank", "2", "--factors", str(tmp_path / "toy.npz"), "--json"])
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1])["rank"] == 2
    with np.load(tmp_path / "toy.npz") as kept:
        assert (kept["A"].shape, kept["B"].shape) == ((18, 2), (2, 10))
    refused = CliRunner().invoke(main, ["svd", "--factors", str(tmp_path / "toy.txt")])
    assert (refused.exit_code, refused.stderr) == (2, "Error: --factors takes a file that ends in .npz or .csv, not 'toy.txt'.\n")
