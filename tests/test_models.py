"""One contract suite over every registered model, and known answers for each."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import parse
from engine.errors import InputError
from engine.evaluation import recommend
from engine.gathering import from_frame
from engine.models import MODELS, AutoencoderConfig, BiasConfig, SVDConfig, build
from engine.models.autoencoder import Autoencoder
from engine.models.baselines import Bias, Mean, Popularity
from engine.models.configs import parameter_count
from engine.models.contract import ClosedForm
from engine.models.sparse import ResidentRows, multiply, sampled_product, transpose_by_counting, transpose_by_sorting
from engine.models.svd import SVD, decompose
from engine.models.vae import VAE, WIDEST


def ratings(n_users=25, n_items=17, share=0.4, seed=0) -> sp.csr_array:
    rng = np.random.default_rng(seed)
    user, item = np.nonzero(rng.random((n_users, n_items)) < share)
    frame = pd.DataFrame({"user": user, "item": item, "rating": rng.integers(1, 6, len(user)).astype(float)})
    return from_frame("planted", frame).ratings


def ready(name: str, train: sp.csr_array, **options):
    model = build(parse({"model": {"name": name, **options}}).model, *train.shape)
    if isinstance(model, ClosedForm):
        model.fit(train)
    return model


VARIANTS = [(name, {}) for name in MODELS if name != "svd"] + [
    ("svd", {"rank": 4}),
    ("svd", {"rank": 4, "centring": "none"}),
    ("autoencoder", {"layers": [7, 5], "tied": True, "activation": "elu"}),
    ("autoencoder", {"layers": [6], "orientation": "item", "activation": "sigmoid"}),
]
named = pytest.mark.parametrize(("name", "options"), VARIANTS, ids=lambda value: str(value))


@named
def test_scores_have_the_promised_shape_and_repeat(name, options):
    train = ratings()
    model = ready(name, train, **options)
    users = np.array([3, 0, 11])
    scores = model.score(train, users)
    assert scores.shape == (3, train.shape[1])
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    assert (model.score(train, users) == scores).all(), "scoring must not change the model, nor drop units out"


@named
def test_ratings_of_pairs_are_the_scores_at_those_pairs(name, options):
    train, targets = ratings(), ratings(share=0.2, seed=9)
    model = ready(name, train, **options)
    rows = np.repeat(np.arange(targets.shape[0]), np.diff(targets.indptr))
    everything = model.score(train, np.arange(train.shape[0]))
    np.testing.assert_allclose(model.rate(train, targets), everything[rows, targets.indices], rtol=2e-5, atol=2e-5)


@named
def test_chunks_do_not_change_a_score(name, options, monkeypatch):
    train, targets = ratings(), ratings(share=0.2, seed=9)
    model = ready(name, train, **options)
    whole = model.score(train, np.arange(25)), model.rate(train, targets)
    monkeypatch.setattr("engine.models.contract.CHUNK_CELLS", 40)
    np.testing.assert_allclose(model.score(train, np.arange(25)), whole[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(model.rate(train, targets), whole[1], rtol=1e-5, atol=1e-5)


@named
def test_what_is_saved_comes_back(name, options):
    train = ratings()
    model = ready(name, train, **options)
    twin = build(model.config, *train.shape)
    twin.restore({key: torch.as_tensor(value).clone() for key, value in model.tensors().items()})
    assert (twin.score(train, np.arange(5)) == model.score(train, np.arange(5))).all()


@named
def test_new_users_are_scored_or_refused_with_a_sentence(name, options):
    train = ratings()
    model = ready(name, train, **options)
    stranger = ratings(seed=4)[[2]]
    padded = sp.csr_array((stranger.data, stranger.indices, stranger.indptr), shape=(1, train.shape[1]))
    if model.scores_new_users:
        assert model.score(padded, np.array([0])).shape == (1, train.shape[1])
    else:
        with pytest.raises(InputError, match="only the users it was trained with"):
            model.score(padded, np.array([0]))


@named
def test_recommendations_are_unseen_and_in_order(name, options):
    train = ratings()
    model = ready(name, train, **options)
    best, scores = recommend(model, train, 3, top=50)
    assert not set(best) & set(train[[3]].indices)
    assert len(best) == train.shape[1] - train[[3]].nnz
    assert (np.diff(scores) <= 0).all()


@pytest.mark.parametrize("name", MODELS)
def test_the_registry_declares_what_the_model_can_do(name):
    model = ready(name, ratings(), **({"rank": 4} if name == "svd" else {}))
    declared = MODELS[name]
    assert (declared.rates, declared.trains, declared.folds_in) == (model.predicts_ratings, model.trains, model.scores_new_users)


# --- known answers ---


DEPTHS = [(2, 4_566_504), (4, 4_599_528), (6, 4_632_552), (8, 4_665_576), (10, 4_698_600), (12, 4_731_624)]


@pytest.mark.parametrize(("depth", "count"), DEPTHS)
def test_parameter_counts_of_the_depth_study(depth, count):
    """Figure 3.5 of the dense re-feeding report: layers of 128 on 17,768 items, untied."""
    config = AutoencoderConfig(layers=(128,) * (depth // 2))
    assert parameter_count(config, 17_768) == count
    if depth in (2, 6):
        assert sum(weight.numel() for weight in Autoencoder(config, 1, 17_768).parameters()) == count


PRINTED = [((256,), 17_768, 9_115_240), ((500,), 3_952, 3_956_452), ((128, 256, 512), 3_952, 1_344_624)]


@pytest.mark.parametrize(("layers", "n", "count"), PRINTED)
def test_parameter_counts_printed_elsewhere(layers, n, count):
    assert parameter_count(AutoencoderConfig(layers=layers), n) == count


def test_tied_weights_are_counted_once():
    config = AutoencoderConfig(layers=(8, 4), tied=True)
    built = sum(weight.numel() for weight in Autoencoder(config, 3, 10).parameters())
    assert built == parameter_count(config, 10) == 8 * 10 + 4 * 8 + 12 + 8 + 10


@pytest.mark.parametrize("kind", [Autoencoder, VAE])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("features", [None, 5])
def test_every_autoencoder_is_counted_as_it_is_built(kind, tied, features):
    name = "vae" if kind is VAE else "autoencoder"
    config = parse({"model": {"name": name, "layers": [8, 6, 4], "tied": tied, "user_features": features is not None}}).model
    known = None if features is None else np.eye(3, features, dtype=np.float32)
    built = sum(weight.numel() for weight in kind(config, 3, 10, known).parameters())
    assert built == parameter_count(config, 10, features or 0)


def test_bias_on_a_full_matrix_is_the_additive_fit():
    # Without shrinkage, a complete additive matrix is recovered exactly.
    users, items = np.array([-1.0, 0.5, 0.5]), np.array([0.25, -0.25])
    matrix = sp.csr_array(3 + users[:, None] + items)
    model = Bias(BiasConfig(item_shrinkage=0, user_shrinkage=0), 3, 2)
    model.fit(matrix)
    np.testing.assert_allclose(model.score(matrix, np.arange(3)), matrix.toarray(), atol=1e-5)


def test_mean_and_popularity_by_hand():
    matrix = sp.csr_array(np.array([[5.0, 0, 1], [3, 0, 0]]))
    assert ready("mean", matrix).score(matrix, np.array([0])).tolist() == [[3, 3, 3]]
    assert ready("popularity", matrix).score(matrix, np.array([1])).tolist() == [[2, 0, 1]]
    assert isinstance(ready("mean", matrix), Mean)
    assert not Popularity.predicts_ratings


def test_svd_is_numpys_truncation():
    matrix = ratings()
    u, s, vt = np.linalg.svd(matrix.toarray())
    model = ready("svd", matrix, rank=4, centring="none")
    np.testing.assert_allclose(model.score(matrix, np.arange(25)), (u[:, :4] * s[:4]) @ vt[:4], atol=1e-4)


def test_lapack_and_arpack_agree():
    matrix = ratings(150, 120, share=0.3)
    values, factors = decompose(matrix, 6)
    _, s, vt = np.linalg.svd(matrix.toarray())
    np.testing.assert_allclose(values, s[:6], rtol=1e-5)
    np.testing.assert_allclose(np.abs((factors.T * vt[:6]).sum(axis=1)), 1, atol=1e-4)


def test_svd_finds_planted_rank():
    rng = np.random.default_rng(0)
    matrix = sp.csr_array(rng.normal(size=(40, 3)) @ rng.normal(size=(3, 30)))
    model = SVD(SVDConfig(rank=3, centring="none"), 40, 30)
    model.fit(matrix)
    np.testing.assert_allclose(model.score(matrix, np.arange(40)), matrix.toarray(), atol=1e-4)


def test_rmse_by_rank_is_that_of_each_truncation():
    train, targets = ratings(), ratings(share=0.2, seed=9)
    widest = ready("svd", train, rank=6)
    expected = [np.sqrt(np.mean((widest.truncated(rank).rate(train, targets) - targets.data) ** 2)) for rank in range(1, 7)]
    np.testing.assert_allclose(widest.rmse_by_rank(train, targets), expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(25, 17), (600, 500)])
def test_svd_of_ratings_that_are_all_alike_adds_nothing(shape):
    rng = np.random.default_rng(0)
    matrix = sp.csr_array((rng.random(shape) < 0.3).astype(np.float32))
    model = ready("svd", matrix, rank=3)
    np.testing.assert_allclose(model.score(matrix, np.arange(4)), 1, atol=1e-5)


def test_rank_beyond_the_matrix_is_refused():
    with pytest.raises(InputError, match="at most 17"):
        ready("svd", ratings(), rank=18)


def test_untied_decoder_has_its_own_bias():
    # A known slip adds the decoder's weights where its bias belongs; with weights at zero only the bias may come through.
    model = Autoencoder(AutoencoderConfig(layers=(4,), activation="relu"), 3, 6)
    with torch.no_grad():
        model.decoder[0].zero_()
        model.decoder_bias[0].copy_(torch.arange(6.0))
    assert model(torch.rand(2, 6)).tolist() == [[0, 1, 2, 3, 4, 5]] * 2


def test_outputs_start_at_the_column_means():
    matrix = ratings(400, 5, share=0.9)
    model = Autoencoder(AutoencoderConfig(layers=(4,)), *matrix.shape)
    model.start_from(matrix)
    means = np.asarray(matrix.sum(axis=0)).ravel() / np.bincount(matrix.indices)
    np.testing.assert_allclose(model.decoder_bias[-1].detach(), means, atol=0.02)


# --- the sparse path is the dense path ---


@given(st.integers(0, 1000), st.integers(1, 6), st.integers(1, 9), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_sparse_products_and_their_gradients_are_exact(seed, n_rows, n_columns, share):
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(n_rows, n_columns)) * (rng.random((n_rows, n_columns)) < share)
    rows = ResidentRows(sp.csr_array(dense), torch.device("cpu"))
    order = rng.permutation(n_rows)
    batch = rows.take(order)
    batch.values = batch.values.double()
    weight = torch.tensor(rng.normal(size=(n_columns, 3)), requires_grad=True)
    left = torch.tensor(rng.normal(size=(n_rows, 3)), requires_grad=True)
    table = torch.tensor(dense[order].astype(np.float32)).double()
    torch.testing.assert_close(multiply(batch, weight), table @ weight)
    torch.testing.assert_close(sampled_product(batch, left, weight), (left @ weight.t())[batch.rows, batch.columns])
    assert torch.autograd.gradcheck(lambda w: multiply(batch, w), weight)
    if len(batch.values):
        assert torch.autograd.gradcheck(lambda a, w: sampled_product(batch, a, w), (left, weight))


def test_gradients_of_present_columns_alone_are_the_same():
    matrix = ratings()
    whole, rows = (ResidentRows(matrix, torch.device("cpu"), row_gradients=flag).take(np.arange(4)) for flag in (False, True))
    weight = torch.rand(matrix.shape[1], 3, requires_grad=True)
    for product in (lambda batch: multiply(batch, weight), lambda batch: sampled_product(batch, torch.ones(4, 3), weight)):
        dense, sparse = (torch.autograd.grad(product(batch).square().sum(), weight)[0] for batch in (whole, rows))
        assert sparse.is_sparse
        assert sparse.coalesce().indices()[0].tolist() == np.unique(matrix[:4].indices).tolist()
        torch.testing.assert_close(sparse.to_dense(), dense)


@given(st.integers(0, 1000), st.integers(1, 6), st.integers(1, 9), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_both_transposes_are_scipys(seed, n_rows, n_columns, share):
    rng = np.random.default_rng(seed)
    matrix = sp.csr_array(rng.random((n_rows, n_columns)) * (rng.random((n_rows, n_columns)) < share))
    batch = ResidentRows(matrix, torch.device("cpu")).take(np.arange(n_rows))
    expected = matrix.astype(np.float32).tocsc()
    for turned in (transpose_by_counting(batch), transpose_by_sorting(batch)):
        assert turned.offsets.tolist() == expected.indptr.tolist()
        assert turned.rows.tolist() == expected.indices.tolist()
        assert batch.values[turned.order].tolist() == expected.data.tolist()


def test_batches_are_the_rows_in_their_order():
    matrix = ratings(100, 20)
    order = np.random.default_rng(0).permutation(100)
    batches = list(ResidentRows(matrix, torch.device("cpu")).batches(order, 3))
    assert [len(batch) for batch in batches] == [3] * 33 + [1]
    dense = torch.cat([batch.dense(batch.values) for batch in batches])
    assert (dense.numpy() == matrix.toarray()[order]).all()


# --- what stands in the input where there is no rating ---


@pytest.mark.parametrize("layers", [(6,), (6, 3)])
@pytest.mark.parametrize("default", ["zero", "constant", "mean"])
def test_default_ratings_enter_as_a_dense_row_would(default, layers):
    train = ratings()
    torch.manual_seed(0)
    model = Autoencoder(AutoencoderConfig(layers=layers, default=default, default_rating=2.5), *train.shape).eval()
    dense = torch.as_tensor(train.toarray())
    means = np.array([row.data.mean() if row.nnz else 0.0 for row in train])
    fill = {"zero": np.zeros(25), "constant": np.full(25, 2.5), "mean": means}[default]
    whole = torch.where(dense != 0, dense, torch.as_tensor(fill, dtype=torch.float32)[:, None])
    rows = ResidentRows(train, torch.device("cpu")).take(np.arange(25))
    torch.testing.assert_close(model.filled(rows), whole)
    with torch.no_grad():
        torch.testing.assert_close(model(rows), model(whole), rtol=1e-5, atol=1e-5)


def test_user_features_move_the_score_of_their_user_only():
    train = ratings()
    users = pd.DataFrame({"gender": ["F", "M"] * 12 + ["F"], "age": ["old"] * 25})
    config = AutoencoderConfig(layers=(6,), user_features=True)
    torch.manual_seed(0)
    model = build(config, *train.shape, users)
    assert model.feature_weight.shape == (3, 6)
    before = model.score(train, np.arange(25))
    with torch.no_grad():
        model.feature_weight[1] += 5.0  # M
    changed = (model.score(train, np.arange(25)) != before).any(axis=1)
    assert (changed == (users["gender"] == "M")).all()
    stranger = train[[1]]
    assert model.score(stranger, np.array([0])).shape == (1, 17), "a new user enters without features"


def test_user_features_are_refused_where_there_are_none():
    with pytest.raises(InputError, match="tells nothing about its users"):
        build(AutoencoderConfig(user_features=True), 25, 17, pd.DataFrame(index=range(25)))
    with pytest.raises(InputError, match="user_features describe users"):
        parse({"model": {"user_features": True, "orientation": "item"}})


def test_svdpp_is_its_formula():
    train = ratings()
    torch.manual_seed(0)
    model = build(parse({"model": {"name": "svdpp", "rank": 3}}).model, *train.shape)
    model.start_from(train)
    with torch.no_grad():
        model.user_bias += torch.randn(25)
        model.item_bias += torch.randn(17)
    user = 4
    rated = train[[user]].indices
    factors = model.users[user] + model.rated[rated].sum(dim=0) / len(rated) ** 0.5
    expected = train.data.mean() + model.user_bias[user] + model.item_bias + model.items @ factors
    np.testing.assert_allclose(model.score(train, np.array([user]))[0], expected.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_vae_adds_the_annealed_divergence_of_its_codes():
    train = ratings()
    torch.manual_seed(0)
    model = build(parse({"model": {"name": "vae", "layers": [6, 3], "beta": 0.5, "anneal_steps": 4}}).model, *train.shape).train()
    rows = ResidentRows(train, torch.device("cpu")).take(np.arange(25))
    with torch.no_grad():
        model.spread.zero_()
        model.spread_bias.fill_(WIDEST * np.arctanh(0.2 / WIDEST))
        model.encoder[-1].zero_()
        model.encoder_bias[-1].fill_(0.3)
    divergence = 3 * (0.3**2 + np.exp(0.2) - 1 - 0.2) / 2
    for step in range(6):
        model.last_hidden(rows)
        assert model.penalty(1.0).item() == pytest.approx(0.5 * min(1, step / 4) * divergence, rel=1e-5)
    first, again = model(rows), model(rows)
    assert not torch.equal(first, again), "codes are drawn in training"


def test_every_code_of_a_vae_begins_equally_narrow():
    train = ratings()
    model = build(parse({"model": {"name": "vae", "layers": [6, 3]}}).model, *train.shape).train()
    rows = ResidentRows(train * 100, torch.device("cpu")).take(np.arange(25))
    codes = torch.stack([model.encode(rows).detach() for _ in range(400)])
    # However far out a row lies, its code's standard deviation is e⁻¹ = 0.37.
    np.testing.assert_allclose(codes.std(dim=0).numpy(), np.exp(-1), rtol=0.2)


def test_no_code_of_a_vae_is_wider_than_floats_hold():
    model = build(parse({"model": {"name": "vae", "layers": [6, 3]}}).model, *ratings().shape).train()
    with torch.no_grad():
        model.spread.fill_(1000.0)
    codes = model.encode(ResidentRows(ratings() * 100, torch.device("cpu")).take(np.arange(25)))
    assert codes.isfinite().all()
    assert model.divergence.isfinite()
