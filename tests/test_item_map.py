"""What models have learned of items: the numbers themselves, laid flat, and who is near to whom."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist

from engine.commands import main
from engine.config import parse
from engine.datasets import toy
from engine.errors import InputError
from engine.gathering import from_frame
from engine.item_map import MOST, described, distances, item_map, neighbours, principal, two_factors
from engine.models import MODELS, build

WITHOUT = ("itemknn", "bias", "mean", "popularity")


@pytest.fixture(scope="module")
def data():
    return toy.load()


def learned(name, data, **options):
    """A model of the toy: fitted where that takes one step, else at its first weights."""
    torch.manual_seed(0)
    small = {"layers": [6, 4]} if "layers" in MODELS[name].config.model_fields else {}
    small |= {"rank": 3} if "rank" in MODELS[name].config.model_fields else {}
    model = build(parse({"model": {"name": name, **small, **options}}).model, data.n_users, data.n_items)
    if not MODELS[name].trains:
        model.fit(data.ratings)
    elif hasattr(model, "start_from"):
        model.start_from(data.ratings)
    return model


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_factors_of_items_or_says_that_it_has_none(name, data):
    model = learned(name, data)
    if name in WITHOUT:
        with pytest.raises(InputError, match="learns no factors of items"):
            model.item_factors(data.ratings)
        return
    factors = model.item_factors(data.ratings)
    assert factors.shape[0] == data.n_items and factors.dtype == np.float32
    assert np.isfinite(factors).all()


def test_a_users_hidden_layer_times_the_factors_is_the_score(data):
    model = learned("autoencoder", data, last_activation="linear")
    factors = model.item_factors(data.ratings)
    bias = model.decoder_bias[-1].detach().numpy()
    hidden = np.linalg.lstsq(factors, (model.score(data.ratings, np.arange(data.n_users)) - bias).T, rcond=None)[0]
    assert factors @ hidden + bias[:, None] == pytest.approx(model.score(data.ratings, np.arange(data.n_users)).T, abs=1e-4)


def test_item_based_an_items_hidden_layer_is_its_factors(data):
    model = learned("autoencoder", data, orientation="item", last_activation="linear")
    factors, users = model.item_factors(data.ratings), model.decoder[-1].detach().numpy()
    scores = users @ factors.T + model.decoder_bias[-1].detach().numpy()[:, None]
    assert scores == pytest.approx(model.score(data.ratings, np.arange(data.n_users)), abs=1e-4)


def test_factors_of_svd_are_half_of_the_reconstruction(data):
    model = learned("svd", data, centring="none")
    assert model.halves(data.ratings)[0] @ model.item_factors(data.ratings).T == pytest.approx(
        model.score(data.ratings, np.arange(data.n_users)), abs=1e-4
    )


def test_factors_of_mf_times_the_users_and_the_biases_are_the_rating(data):
    model = learned("mf", data)
    users = model.fold_in(data.ratings)
    rated = model._offsets + users[:, :1] + users[:, 1:] @ model.item_factors(data.ratings).T
    assert rated == pytest.approx(model.score(data.ratings, np.arange(data.n_users)), abs=1e-5)


def test_an_item_of_ease_tells_itself_most(data):
    model = learned("ease", data, regularisation=1.0)
    factors = model.item_factors(data.ratings)
    assert np.diag(factors) == pytest.approx(1)
    rows = data.ratings.toarray()
    assert rows @ factors.T - rows == pytest.approx(model.score(data.ratings, np.arange(data.n_users)), abs=1e-4)
    assert np.diag(model.learned["weights"]) == pytest.approx(0), "the model itself is as it was"


def test_items_come_most_rated_first_and_rare_ones_can_be_left_out(data):
    factors = np.arange(data.n_items * 2.0).reshape(-1, 2)
    found = item_map(factors, data)
    assert found.table["ratings"].is_monotonic_decreasing
    assert (found.factors == factors[found.table.index]).all()
    assert (data.items.index[found.table.index] == found.table["item"]).all()
    fewest = int(found.table["ratings"].iloc[3])
    kept = found.at_least(fewest)
    assert (kept.table["ratings"] >= fewest).all() and len(kept.table) == (found.table["ratings"] >= fewest).sum() == len(kept.factors)
    assert kept.there == data.n_items
    with pytest.raises(InputError, match="Only 0 items"):
        found.at_least(10_000)


def test_a_map_holds_the_most_rated_items_alone():
    users, items = np.arange(MOST + 500), np.arange(MOST + 500)
    rows = pd.DataFrame({"user": [*users, *[-1] * MOST], "item": [*items, *items[:MOST]], "rating": 3.0})
    data = from_frame("many", rows)
    found = item_map(np.ones((data.n_items, 2)), data)
    assert (len(found.table), found.there) == (MOST, MOST + 500)
    assert (found.table["ratings"] == 2).all()


def test_first_genres_are_named(data):
    assert "first_genre" not in described(data)
    rows = pd.DataFrame({"user": [1, 2, 1], "item": ["a", "a", "b"], "rating": [1.0, 2, 3]})
    items = pd.DataFrame({"title": ["A", "B"], "genres": ["Drama|War", ""]}, index=["a", "b"])
    table = described(from_frame("two", rows, items=items))
    assert table["first_genre"].tolist() == ["Drama", "none"]


def test_the_principal_directions_are_those_of_the_spread():
    draw = np.random.default_rng(0)
    turned = np.linalg.qr(draw.normal(size=(5, 5)))[0]
    factors = draw.normal(size=(300, 5)) * [5, 2, 0.1, 0.1, 0.1] @ turned + 7
    flat = principal(factors)
    values, vectors = np.linalg.eigh(np.cov(factors.T))
    assert flat.shares == pytest.approx(values[::-1][:2] / values.sum(), rel=1e-6)
    assert np.abs(flat.places) == pytest.approx(np.abs((factors - factors.mean(axis=0)) @ vectors[:, ::-1][:, :2]), abs=1e-6)
    assert (flat.places[np.abs(flat.places).argmax(axis=0), [0, 1]] > 0).all()
    assert principal(factors * [1, -1, 1, 1, -1]).places == pytest.approx(flat.places, abs=1e-6), "a turned factor changes no picture"
    assert (principal(factors).places == flat.places).all()


@given(arrays(np.float64, (8, 3), elements=st.floats(-5, 5)))
def test_shares_are_shares(factors):
    try:
        flat = principal(factors)
    except InputError:
        assert np.ptp(factors, axis=0).max() < 1e-6
        return
    assert 0 <= flat.shares[1] <= flat.shares[0] <= 1 + 1e-9
    assert sum(flat.shares) <= 1 + 1e-9
    assert cdist(flat.places, flat.places).max() <= cdist(factors, factors).max() + 1e-9, "flattening brings nothing apart"


def test_what_cannot_be_laid_flat_is_told():
    for factors, words in ((np.ones((5, 1)), "at least two"), (np.ones((5, 3)), "same factors")):
        with pytest.raises(InputError, match=words):
            principal(factors)
    with pytest.raises(InputError, match="no factor 4"):
        two_factors(np.ones((5, 3)), 1, 4)


def test_two_factors_are_shown_as_they_are():
    factors = np.array([[1.0, 2, 3], [3, 2, 1], [5, 2, 8]])
    flat = two_factors(factors, 3, 1)
    assert (flat.places == factors[:, [2, 0]]).all()
    whole = factors.var(axis=0).sum()
    assert flat.shares == pytest.approx((factors[:, 2].var() / whole, factors[:, 0].var() / whole))


def test_distances_are_straight():
    places = np.float32([[0, 0], [3, 4], [0, 1]])
    near, _ = neighbours(places, 1, 5)
    assert near.tolist() == [2], "what lies at 0 has no direction"
    assert distances(places, 0, np.array([1, 2])).tolist() == [5, 1]


def test_the_command_line_maps_and_finds_neighbours(tmp_path):
    file = tmp_path / "map.csv"
    ask = ["items", "--dataset", "toy", "--fewest", "1", "--item", "item 1", "--top", "2", "-o", str(file), "--json"]
    answer = CliRunner().invoke(main, ask)
    assert answer.exit_code == 0, answer.stderr
    told = json.loads(answer.stdout)
    data = toy.load()
    whole = item_map(learned("svd", data, rank=10).item_factors(data.ratings), data)
    assert (told["items"], told["of"], told["width"]) == (10, 10, 10)
    row = whole.table["title"].str.casefold().tolist().index("item 1")
    near, cosines = neighbours(whole.factors, row, 2)
    assert [one["title"] for one in told["neighbours"]] == whole.table["title"].iloc[near].tolist()
    assert [one["cosine"] for one in told["neighbours"]] == pytest.approx(cosines, abs=1e-5)
    assert len(pd.read_csv(file)) == 10
    for wrong, words in (([], "either a RUN or --dataset"), (["--dataset", "toy", "--fewest", "1", "--item", "x"], "'x' is no item")):
        refused = CliRunner().invoke(main, ["items", *wrong])
        assert refused.exit_code == 2 and words in refused.stderr
