"""SparseFC and GLocal-K: kernels by hand, penalties by hand, and every sparse path against the same thing written out densely."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from engine.config import parse
from engine.errors import InputError
from engine.models import MODELS, build
from engine.models.glocal_k import convolved, neighbours
from engine.models.kernel import kernel
from engine.models.sparse import ResidentRows

CPU = torch.device("cpu")


def ratings(n_users=11, n_items=9, share=0.4, seed=0) -> sp.csr_array:
    rng = np.random.default_rng(seed)
    return sp.csr_array(rng.integers(1, 6, (n_users, n_items)) * (rng.random((n_users, n_items)) < share), dtype=np.float32)


def network(name="sparsefc", train=None, **options):
    """With places far enough apart that kernels differ, and some connections are gone."""
    train = ratings() if train is None else train
    torch.manual_seed(0)
    model = build(parse({"model": {"name": name, "layers": [4, 3], **options}}).model, *train.shape)
    model.start_from(train)
    with torch.no_grad():
        for place in [*model.left, *model.right]:
            place.normal_(std=0.35)
    return model


def tuned(train=None, **options):
    """A GLocal-K after its pre-training."""
    model = network("glocal-k", train, pretrain_epochs=2, **options)
    model.begin_epoch(2)
    return model


def whole(train):
    """All items as one batch."""
    return ResidentRows(train.T.tocsr(), CPU).take(np.arange(train.shape[1]))


def dense_kernel(left, right):
    return (1 - (left[:, None] - right[None]).square().sum(dim=2)).clamp(min=0)


def written_out(model, x):
    """f(x) and the two penalties' sums, as in the papers, from the raw parameters; x [items × users]."""
    kernels = [dense_kernel(left, right) for left, right in zip(model.left, model.right, strict=True)]
    first, second, last = (weight * k for weight, k in zip([*model.encoder, *model.decoder], kernels, strict=True))
    hidden = torch.sigmoid(torch.sigmoid(x @ first + model.encoder_bias[0]) @ second + model.encoder_bias[1])
    squares = [sum(part.square().sum() for part in parts) for parts in ([*model.encoder, *model.decoder], kernels)]
    return hidden @ last.t() + model.decoder_bias[0], *squares


# --- the local kernel ---


def test_kernel_by_hand():
    # Distances² of (0, 0) and (0.5, 0) from (0, 0), (0.6, 0.8) and (0.5, 0.5): 0, 1, 0.5 and 0.25, 0.65, 0.25.
    left, right = torch.tensor([[0.0, 0], [0.5, 0]]), torch.tensor([[0.0, 0], [0.6, 0.8], [0.5, 0.5]])
    torch.testing.assert_close(kernel(left, right), torch.tensor([[1, 0, 0.5], [0.75, 0.35, 0.75]]))


def test_far_places_are_not_connected_at_all():
    assert (kernel(torch.zeros(1, 3), torch.full((1, 3), 0.6)) == 0).all()


@given(st.integers(0, 1000), st.integers(1, 5), st.integers(1, 5), st.integers(1, 4), st.floats(0.001, 2))
@settings(max_examples=40, deadline=None)
def test_kernel_and_its_gradient_are_those_of_the_distances(seed, n_left, n_right, dimensions, spread):
    generator = torch.Generator().manual_seed(seed)
    left, right = (spread * torch.randn(n, dimensions, generator=generator, dtype=torch.float64) for n in (n_left, n_right))
    left.requires_grad_(), right.requires_grad_()
    torch.testing.assert_close(kernel(left, right), dense_kernel(left, right), rtol=1e-9, atol=1e-9)
    ours, theirs = (torch.autograd.grad(f(left, right).square().sum(), (left, right)) for f in (kernel, dense_kernel))
    torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-9)


def test_every_connection_is_there_at_the_start():
    model = build(parse({"model": {"name": "sparsefc", "layers": [4, 3]}}).model, 11, 9)
    for layer, weight in enumerate(model.weights):
        assert model.effective(layer).shape == weight.shape
        torch.testing.assert_close(model.effective(layer), weight, rtol=1e-3, atol=0)


# --- SparseFC ---


def test_sparse_forward_and_gradients_are_the_dense_ones():
    train = ratings()
    model, batch = network(train=train), whole(train)
    x = torch.tensor(train.toarray().T)
    hidden = model.last_hidden(batch)
    ours = (model.at_entries(hidden, batch) - batch.values).square().sum() + model.penalty(1.0)
    expected, weights, kernels = written_out(model, x)
    theirs = ((expected - x)[x > 0]).square().sum() + 60 * weights + 0.013 * kernels
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(model(batch), expected)
    torch.testing.assert_close(model(x), expected)
    parameters = dict(model.named_parameters())
    for name, mine, known in zip(parameters, *(torch.autograd.grad(loss, parameters.values()) for loss in (ours, theirs)), strict=True):
        torch.testing.assert_close(mine, known, rtol=1e-4, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}")


def test_penalty_by_hand():
    """One user, one item, one unit per layer; all weights 2, all places 0 but one at distance 0.5: K = 1, 1, 0.75."""
    train = sp.csr_array(np.array([[4.0]], dtype=np.float32))
    model = network(train=train, layers=[1, 1], dimensions=1, weight_penalty=10, kernel_penalty=0.5)
    with torch.no_grad():
        for weight in model.weights:
            weight.fill_(2)
        for place in [*model.left, *model.right]:
            place.zero_()
        model.right[2].fill_(0.5)
    batch = whole(train)
    model.at_entries(model.last_hidden(batch), batch)
    # 10 · (4 + 4 + 4) + 0.5 · (1 + 1 + 0.5625), times the batch's share of the rows.
    assert model.penalty(1.0).item() == pytest.approx(121.28125)
    assert model.penalty(0.25).item() == pytest.approx(30.3203125)


def test_all_scoring_paths_are_the_written_out_network():
    train, targets = ratings(), ratings(share=0.3, seed=5)
    for model in (network(train=train), tuned(train=train)):
        expected = model(whole(train)).detach().numpy().T
        np.testing.assert_allclose(model.score(train, np.array([4, 0])), expected[[4, 0]], rtol=1e-4, atol=1e-4)
        rows, columns = targets.nonzero()
        np.testing.assert_allclose(model.rate(train, targets), expected[rows, columns], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["sparsefc", "glocal-k"])
def test_the_users_must_be_those_of_training(name):
    model = network(name)
    with pytest.raises(InputError, match="only the users it was trained with"):
        model.rate(ratings(n_users=3), ratings(n_users=3))
    assert not model.scores_new_users
    assert not MODELS[name].folds_in


@pytest.mark.parametrize("name", ["sparsefc", "glocal-k"])
def test_it_learns(name):
    """Two kinds of users and of items that go together: 5 where they match, 1 where not; half of it is shown."""
    full = 1 + 4 * ((np.arange(40)[:, None] + np.arange(30)) % 2 == 0)
    shown = np.random.default_rng(0).random(full.shape) < 0.5
    train, hidden = (sp.csr_array((full * part).astype(np.float32)) for part in (shown, ~shown))
    torch.manual_seed(0)
    model = build(parse({"model": {"name": name, "layers": [8, 8], "weight_penalty": 0.1, "output_start": "mean"}}).model, *train.shape)
    model.start_from(train)
    batch = whole(train)
    for epoch in (0, 40):  # the second one fine-tunes
        model.begin_epoch(epoch)
        optimizer = torch.optim.LBFGS(model.parameters(), max_iter=60, line_search_fn="strong_wolfe")

        def closure(optimizer=optimizer):
            optimizer.zero_grad()
            loss = (model.at_entries(model.last_hidden(batch), batch) - batch.values).square().sum() + model.penalty(1.0)
            loss.backward()
            return loss

        optimizer.step(closure)
        error = model.rate(train, hidden) - hidden.data
        assert np.sqrt((error**2).mean()) < 0.7, f"epoch {epoch}"


# --- the global kernel ---


def test_neighbours_by_hand():
    rows = sp.csr_array(np.array([[1, 0], [0, 2], [3, 4]]))
    assert neighbours(rows).toarray().tolist() == [[0, 0, 0, 2], [1, 0, 3, 4], [0, 2, 0, 0]]
    assert neighbours(rows[:1]).toarray().tolist() == [[0, 0, 0, 0]]


@given(st.integers(0, 1000), st.integers(1, 7), st.integers(1, 7), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_the_kernel_laid_on_the_weights_is_conv2d_of_the_ratings(seed, n_rows, n_columns, width):
    rng = np.random.default_rng(seed)
    rows = sp.csr_array(rng.integers(1, 6, (n_rows, n_columns)) * (rng.random((n_rows, n_columns)) < 0.5))
    mask, weight = torch.tensor(rng.normal(size=(3, 3))), torch.tensor(rng.normal(size=(n_columns, width)))
    x = torch.tensor(rows.toarray(), dtype=torch.float64)
    expected = F.conv2d(x[None, None], mask[None, None], padding=1)[0, 0] @ weight
    before, own, after = convolved(mask, weight)
    beside = torch.tensor(neighbours(rows).toarray(), dtype=torch.float64)
    torch.testing.assert_close(x @ own + beside @ torch.cat([before, after]), expected)


def test_fine_tuning_is_the_network_on_convolved_ratings():
    """Forward and gradients, that of what the global kernel is made of among them; batches of rows in any order."""
    train = ratings()
    model = tuned(train)
    x = torch.tensor(train.toarray().T)
    mixed = F.conv2d(x[None, None], (0.5 * model.pooled @ model.mixing).view(1, 1, 3, 3), padding=1)[0, 0]
    expected, *_ = written_out(model, mixed)
    order = np.array([8, 0, 3])
    batch = ResidentRows(train.T.tocsr(), CPU).take(order)
    torch.testing.assert_close(model(batch), expected[order])
    torch.testing.assert_close(model.product(model.last_hidden(x[order], batch)) + model.decoder_bias[0], expected[order])
    weights = torch.randn(expected[order].shape)
    parameters = dict(model.named_parameters())
    both = (torch.autograd.grad((out * weights).sum(), parameters.values()) for out in (model(batch), expected[order]))
    for name, ours, theirs in zip(parameters, *both, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}")
    assert model.mixing.grad is None and torch.autograd.grad(model(batch).sum(), model.mixing)[0].abs().sum() > 0


def test_the_global_kernel_comes_from_the_pretrained_predictions():
    train = ratings()
    model = network("glocal-k", train, pretrain_epochs=2, kernel_scale=3.0)
    x = torch.tensor(train.toarray().T)
    plain, *_ = written_out(model, x)
    model.begin_epoch(0), model.begin_epoch(1)
    torch.testing.assert_close(model(whole(train)), plain)
    model.begin_epoch(2)
    torch.testing.assert_close(model.pooled, plain.mean(dim=1))
    torch.testing.assert_close(model.global_kernel.flatten(), 3 * plain.mean(dim=1) @ model.mixing)
    before = model.pooled.clone()
    with torch.no_grad():
        model.decoder_bias[0].add_(1)
    model.begin_epoch(2), model.begin_epoch(3)
    assert (model.pooled == before).all(), "an epoch that goes on after a break must not pool again"


def test_the_stage_is_stored_with_the_weights():
    train = ratings()
    model = tuned(train)
    twin = build(model.config, *train.shape)
    twin.restore({name: value.clone() for name, value in model.tensors().items()})
    users = np.arange(5)
    assert (twin.score(train, users) == model.score(train, users)).all(), "scoring needs nothing but weights and visible ratings"
    twin.start_from(train)
    twin.restore(model.tensors())
    twin.begin_epoch(7)
    assert (twin.pooled == model.pooled).all()


def test_scoring_among_other_ratings_leaves_training_as_it_was():
    train = ratings()
    model, batch = tuned(train), whole(train)
    before = model(batch)
    model.rate(ratings(seed=3), ratings(seed=4))
    assert (model(batch) == before).all()
