"""Explanations of scores: exact sums over every registered model, known answers by hand, and leave-one-out by definition."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import parse
from engine.errors import InputError
from engine.explain import explain, leave_one_out
from engine.models import MODELS, AutoencoderConfig, EaseConfig, build
from engine.models.autoencoder import Autoencoder
from engine.models.chords import chord, chord_product
from engine.models.contract import ClosedForm, Recommender
from engine.models.ease import EASE
from engine.models.network import ACTIVATIONS
from tests.test_models import ratings

UNEXPLAINED = {"sparsefc", "glocal-k", "mean", "popularity"}
SMALL = {"svd": {"rank": 4}, "recvae": {"hidden": 9, "latent": 5}, "mult-vae": {"layers": [8, 4]}, "vae": {"layers": [8, 4]}}
VARIANTS = [
    *((name, SMALL.get(name, {})) for name in MODELS),
    ("svd", {"rank": 4, "centring": "none"}),
    *(("autoencoder", {"layers": [7, 5], "activation": activation}) for activation in ACTIVATIONS),
    ("autoencoder", {"layers": [9], "tied": True, "default": "constant", "default_rating": 2.5, "activation": "relu"}),
    ("autoencoder", {"layers": [7, 6, 5], "tied": True, "default": "mean", "last_activation": "sigmoid"}),
    ("autoencoder", {"layers": [6], "user_features": True}),
    ("autoencoder", {"layers": [6], "orientation": "item"}),
    ("vae", {"layers": [8, 6, 4], "default": "mean", "activation": "selu"}),
    ("mult-dae", {"layers": [8, 4]}),
]


def ready(name: str, train: sp.csr_array, **options) -> Recommender:
    """A model whose biases too are random, so that nothing is explained by chance."""
    torch.manual_seed(0)
    users = pd.DataFrame({"age": np.arange(train.shape[0]) % 4})
    model = build(parse({"model": {"name": name, **options}}).model, *train.shape, users)
    if isinstance(model, ClosedForm):
        model.fit(train)
    else:
        with torch.no_grad():
            for bias in (one for one in model.parameters() if one.ndim == 1):
                bias.copy_(0.5 * torch.randn_like(bias))
    return model


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
@pytest.mark.parametrize("known", [True, False], ids=["known", "new"])
def test_contributions_add_up_to_the_models_own_score_or_a_sentence_says_why_not(name, options, known):
    train = ratings()
    model, user = ready(name, train, **options), 3 if known else None
    row = train[[3]]
    if name in UNEXPLAINED or options.get("orientation") == "item":
        with pytest.raises(InputError, match=r"[:,].*\.$"):
            explain(model, row, 2, user)
        return
    if not known and not model.scores_new_users:
        with pytest.raises(InputError, match="only the users it was trained with"):
            explain(model, row, 2, user)
        return
    scores = model.score(train, np.array([3]))[0] if known else model.score_as(row, None)[0]
    empty = model.score_as(sp.csr_array((1, train.shape[1]), dtype=np.float32), user)[0]
    for item in (0, 5, int(row.indices[0])):
        why = explain(model, row, item, user)
        assert why.items.tolist() == row.indices.tolist() and len(why.contributions) == row.nnz
        assert why.base + why.contributions.sum() == pytest.approx(why.score, abs=1e-9)
        assert why.score == pytest.approx(scores[item], abs=1e-4)
        assert why.base == pytest.approx(empty[item], abs=1e-4), "the base is the score without the ratings"
        assert why.off <= 5e-5 and abs(why.gap) < 1e-9
        assert why.kind == ("integrated gradients" if model.path(row, item, user).onward else "weights")


@pytest.mark.parametrize(("name", "options"), [("autoencoder", {"layers": [6]}), ("mult-dae", {"layers": [6]}), ("ease", {}), ("mf", {})])
def test_a_person_without_ratings_has_the_base_for_a_score(name, options):
    train = ratings()
    model, none = ready(name, train, **options), sp.csr_array((1, train.shape[1]), dtype=np.float32)
    why = explain(model, none, 4)
    assert why.score == why.base == pytest.approx(model.score_as(none, None)[0, 4], abs=1e-5) and not len(why.items)
    assert len(leave_one_out(model, none, 4, None, [])) == 0


@pytest.mark.parametrize("default", ["zero", "constant", "mean"])
def test_of_a_linear_network_the_contributions_are_weight_times_value(default):
    train = ratings()
    config = AutoencoderConfig(layers=(5,), activation="linear", default=default, default_rating=3.0)
    model, row, item = Autoencoder(config, *train.shape), train[[7]], 1
    slopes = (model.encoder[0] @ model.decoder[-1].t()).detach().numpy()[:, item]
    own = slopes[row.indices]
    expected = {
        "zero": own * row.data,
        "constant": own * (row.data - 3),
        "mean": row.data * (own + (slopes.sum() - own.sum()) / row.nnz),
    }
    np.testing.assert_allclose(explain(model, row, item).contributions, expected[default], atol=1e-5)


def test_ease_of_three_items_by_hand():
    """XᵀX + I = [[3, 1, 0], [1, 3, 1], [0, 1, 2]] for users who chose {0, 1}, {0}, {1, 2}; its inverse is [[5, −2, 1], [−2, 6, −3],
    [1, −3, 8]] / 13, so that B = I − P / diag(P) has −(−2)/6 = 1/3 and −1/8 … off its diagonal."""
    train = sp.csr_array(np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1]], np.float32))
    model = EASE(EaseConfig(regularisation=1.0), 3, 3)
    model.fit(train)
    person = sp.csr_array(np.array([[2, 1, 0]], np.float32))
    why = explain(model, person, 2)
    np.testing.assert_allclose(why.contributions, [2 * -1 / 8, 1 * 3 / 8], atol=1e-6)
    assert why.base == 0 and why.score == pytest.approx(1 / 8) and why.kind == "weights"
    np.testing.assert_allclose(leave_one_out(model, person, 2, None, [0, 1]), [3 / 8, -1 / 4], atol=1e-6)


def test_integrated_gradients_of_a_network_are_the_mean_gradient_along_the_line():
    train = ratings()
    model, row, item = ready("autoencoder", train, layers=[7, 5], activation="selu"), train[[2]], 3
    values = torch.zeros(20_000, train.shape[1])
    shares = (torch.arange(20_000) + 0.5) / 20_000
    values[:, row.indices] = shares[:, None] * torch.from_numpy(row.data)
    values.requires_grad_()
    (gradients,) = torch.autograd.grad(model(values)[:, item].sum(), values)
    expected = gradients.mean(dim=0).numpy()[row.indices] * row.data
    np.testing.assert_allclose(explain(model, row, item).contributions, expected, atol=2e-4)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.sampled_from([*ACTIVATIONS]), st.integers(0, 2**31 - 1))
def test_chords_add_up_to_the_difference_however_far_the_points_are_apart(count, name, seed):
    torch.manual_seed(seed)
    points = (3 * torch.randn(count + 1, 4, dtype=torch.float64)).requires_grad_()
    (slopes,) = torch.autograd.grad(chord(ACTIVATIONS[name], points)[:-1].sum(), points)
    steps = (slopes[:-1] * points.detach().diff(dim=0)).sum(dim=0)
    ends = ACTIVATIONS[name](points.detach()[[0, -1]])
    torch.testing.assert_close(steps, ends[1] - ends[0])


def test_the_chords_of_a_product_and_of_points_that_do_not_move():
    left = torch.tensor([[1.0, 2.0], [3.0, 5.0]], dtype=torch.float64, requires_grad=True)
    right = torch.tensor([[4.0], [7.0]], dtype=torch.float64, requires_grad=True)
    by_left, by_right = torch.autograd.grad(chord_product(left, right)[:-1].sum(), [left, right])
    change = (by_left[0] * (left[1] - left[0])).sum() + (by_right[0] * (right[1] - right[0])).sum()
    assert change.item() == pytest.approx((3 + 5) * 7 - (1 + 2) * 4)
    still = torch.full((3, 1), 0.5, dtype=torch.float64, requires_grad=True)
    (slopes,) = torch.autograd.grad(chord(torch.square, still)[:-1].sum(), still)
    assert slopes.flatten().tolist() == [1, 1, 0]


@pytest.mark.parametrize("name", ["autoencoder", "mult-dae", "cdae", "svdpp", "itemknn", "ease"])
def test_leaving_one_out_is_the_score_of_the_row_without_it(name):
    train = ratings()
    model, row, user = ready(name, train, **SMALL.get(name, {})), train[[5]], 5
    found = leave_one_out(model, row, 0, user, [2, 0])
    for place, score in zip((2, 0), found, strict=True):
        kept = np.arange(row.nnz) != place
        visible = train.tolil()
        visible[[user], row.indices[~kept]] = 0
        bare = visible.tocsr()
        bare.eliminate_zeros()
        assert bare[[user]].nnz == row.nnz - 1
        assert score == pytest.approx(model.score(bare, np.array([user]))[0, 0], abs=1e-5)


def test_of_weights_without_interplay_leaving_out_takes_the_contribution_away():
    train = ratings()
    model, row = ready("ease", train), train[[4]]
    why = explain(model, row, 3)
    without = leave_one_out(model, row, 3, None, range(row.nnz))
    np.testing.assert_allclose(why.score - without, why.contributions, atol=1e-5)


def test_features_stay_when_ratings_are_left_out_and_newcomers_have_none():
    train = ratings()
    model, row = ready("autoencoder", train, layers=[6], user_features=True), train[[3]]
    known, new = explain(model, row, 2, 3), explain(model, row, 2)
    assert known.base != pytest.approx(new.base, abs=1e-3) and "features" in known.meaning
    assert model.score_as(row, 3)[0, 2] == pytest.approx(model.score(train, np.array([3]))[0, 2], abs=1e-5)
    many = sp.vstack([row] * train.shape[0]).tocsr()
    np.testing.assert_allclose(model.score_as(many, None)[:, 2], new.score, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in MODELS if name not in UNEXPLAINED])
def test_a_model_reads_the_values_of_ratings_as_it_declares(name):
    train = ratings()
    model, row = ready(name, train, **SMALL.get(name, {})), train[[4]]
    other = sp.csr_array((6 - row.data + (row.data == 3), row.indices, row.indptr), shape=row.shape)
    scores, others = (model.score_as(one, 4) for one in (row, other))
    assert model.reads_values != np.allclose(scores, others, rtol=1e-4, atol=1e-5)


def test_an_item_based_network_cannot_leave_ratings_out():
    train = ratings()
    model = ready("autoencoder", train, layers=[6], orientation="item")
    with pytest.raises(InputError, match="user-based"):
        leave_one_out(model, train[[1]], 0, 1, [0])
