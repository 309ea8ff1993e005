"""Every way of computing a step gives the same numbers; what is chosen goes by size, density and device."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import NoiseConfig, ObjectiveConfig, RefeedConfig, TrainingConfig
from engine.errors import InputError
from engine.models.autoencoder import Autoencoder
from engine.models.configs import AutoencoderConfig
from engine.models.network import ACTIVATIONS
from engine.plan import make_plan, touched_share
from engine.training import Trainer

LR = {"rating": 1e-3, "row": 1e-3, "sum": 1e-4}
"""By reduction: steps so small that no example runs away, where rounding grows like everything else."""


def ratings(seed=0, shape=(12, 9), share=0.3):
    rng = np.random.default_rng(seed)
    matrix = sp.csr_array(rng.integers(1, 6, shape) * (rng.random(shape) < share), dtype=np.float32)
    return matrix if matrix.nnz else ratings(seed + 1, shape, share)


def network(config, matrix):
    torch.manual_seed(3)
    return Autoencoder(config, *matrix.shape)


def trained(config, matrix, *, path="sparse", **options):
    """A model after one epoch in one batch of SGD without momentum: its change is lr times the sum of the steps' gradients."""
    refeed, objective = options.pop("refeed", RefeedConfig()), options.pop("objective", ObjectiveConfig())
    given = {"optimizer": "sgd", "momentum": 0.0, "lr": LR[objective.reduction], "batch_size": 100}
    given |= {"epochs": 1, "path": path, "precision": "float32"}
    model = network(config, matrix)
    trainer = Trainer(model, matrix, lambda: {"rmse": 1.0}, TrainingConfig(**(given | options)), refeed, objective)
    assert trainer.plan.path == path
    torch.manual_seed(4)
    record = list(trainer)[-1]
    return model, record


def written_out(config, matrix, refeed, objective):
    """The same, from the formulas: dense rows, explicit mask, no code of the engine's; and the largest change of a weight."""
    model = network(config, matrix)
    matrix = matrix if config.orientation == "user" else matrix.T.tocsr()
    model.start_from(matrix if config.orientation == "user" else matrix.T.tocsr())
    started = [weight.detach().clone() for weight in model.parameters()]
    order = np.random.default_rng([0, 0]).permutation(np.flatnonzero(np.diff(matrix.indptr)))
    x = torch.as_tensor(matrix.toarray()[order])
    mask = (x != 0).float()
    torch.manual_seed(4)

    def f(rows):
        activate, last = ACTIVATIONS[config.activation], ACTIVATIONS[config.last_activation]
        for weight, bias in zip(model.encoder, model.encoder_bias, strict=True):
            rows = activate(rows @ weight + bias)
        outward = list(model.decoder) or list(reversed(model.encoder))
        for weight, bias in list(zip(outward, model.decoder_bias, strict=True))[:-1]:
            rows = activate(rows @ weight.t() + bias)
        return last(rows @ outward[-1].t() + model.decoder_bias[-1])

    def step(errors, counted):
        per_row = (counted * errors.square()).sum(dim=1)
        total = {"rating": per_row.sum() / counted.sum(), "row": (per_row / counted.sum(dim=1)).mean(), "sum": per_row.sum()}
        gradients = torch.autograd.grad(total[objective.reduction], list(model.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                parameter -= LR[objective.reduction] * gradient

    y = f(x)
    step(y - x, mask)
    for _ in range(refeed.steps):
        target = y.detach()
        y = f(target + refeed.noise * torch.randn_like(target) if refeed.noise else target)
        step(y - target if refeed.target == "fixed-point" else y - x, torch.ones_like(x) if refeed.target == "fixed-point" else mask)
    return model, max(float((weight - start).detach().abs().max()) for weight, start in zip(model.parameters(), started, strict=True))


def assert_same(one, other, change):
    """Weights equal to 1e-5 of their largest change, which is lr times a gradient, beside the rounding of the weights themselves."""
    for (name, mine), theirs in zip(one.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5 * change + 5e-7, rtol=5e-7, msg=lambda text, name=name: f"{name}: {text}")


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    layers=st.sampled_from([(5,), (6, 4), (4, 3, 5)]),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    last=st.sampled_from(["linear", "selu", "sigmoid"]),
    tied=st.booleans(),
    orientation=st.sampled_from(["user", "item"]),
    reduction=st.sampled_from(["rating", "row", "sum"]),
    steps=st.integers(0, 2),
    target=st.sampled_from(["fixed-point", "ratings"]),
    noise=st.sampled_from([0.0, 0.5]),
)
def test_sparse_and_dense_paths_are_the_formulas(seed, layers, activation, last, tied, orientation, reduction, steps, target, noise):
    matrix = ratings(seed)
    config = AutoencoderConfig(layers=layers, activation=activation, last_activation=last, tied=tied, orientation=orientation)
    refeed, objective = RefeedConfig(steps=steps, target=target, noise=noise), ObjectiveConfig(reduction=reduction)
    expected, change = written_out(config, matrix, refeed, objective)
    (sparse, sparse_record), (dense, dense_record) = (
        trained(config, matrix, path=path, refeed=refeed, objective=objective) for path in ("sparse", "dense")
    )
    assert_same(sparse, expected, change)
    assert_same(dense, expected, change)
    assert sparse_record.loss == pytest.approx(dense_record.loss, rel=1e-5)
    if steps:
        assert sparse_record.refeed_loss == pytest.approx(dense_record.refeed_loss, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    "reason", [{"optimizer": "sgd"}, {"l2": 0.1}, {"weight_decay": 0.1}, {"path": "dense"}, {"refeed": RefeedConfig(steps=1)}], ids=str
)
def test_row_steps_are_refused_where_every_row_moves(reason):
    with pytest.raises(InputError, match="row_steps"):
        trained(AutoencoderConfig(layers=(4,)), ratings(), **({"optimizer": "adam", "row_steps": "on"} | reason))


@pytest.mark.parametrize("path", ["sparse", "dense"])
@pytest.mark.parametrize("steps", [0, 1])
def test_bfloat16_products_keep_float32_weights_and_nearly_the_numbers(path, steps):
    matrix = ratings(shape=(60, 40))
    config, refeed = AutoencoderConfig(layers=(16, 8)), RefeedConfig(steps=steps)
    options = {"optimizer": "adam", "batch_size": 8, "epochs": 6, "path": path, "refeed": refeed}
    (_, record), (rough, other) = (trained(config, matrix, precision=kind, **options) for kind in ("float32", "bfloat16"))
    assert {weight.dtype for weight in rough.parameters()} == {torch.float32}
    assert other.loss != record.loss
    assert other.loss == pytest.approx(record.loss, rel=0.03)


def plan(matrix, layers=(4,), training=None, refeed=None):
    model = network(AutoencoderConfig(layers=layers), matrix)
    return make_plan(model, matrix, training or TrainingConfig(), refeed or RefeedConfig(), torch.device("cpu"), NoiseConfig())


def test_the_faster_way_is_chosen():
    assert plan(ratings(share=0.9)).path == "dense"
    assert plan(ratings(shape=(200, 400), share=0.01)).path == "sparse"
    assert plan(ratings(share=0.9), training=TrainingConfig(path="sparse")).path == "sparse"
    assert plan(ratings()).precision == "float32", "casts cost more than small products save"
    wide = sp.random_array((500, 5000), density=0.002, rng=0, dtype=np.float32).tocsr()
    assert plan(wide, training=TrainingConfig(batch_size=8)).row_steps
    assert not plan(wide, training=TrainingConfig(batch_size=500)).row_steps
    assert not plan(wide, training=TrainingConfig(batch_size=8, l2=0.1)).row_steps
    assert not plan(wide, training=TrainingConfig(batch_size=8), refeed=RefeedConfig(steps=1)).row_steps


def test_touched_share_by_hand():
    # Column 0 is in every row, column 1 in one of two, column 2 in none; batches of one row.
    assert touched_share(sp.csr_array([[1, 1, 0], [1, 0, 0]]), 1) == pytest.approx(0.5)
    assert touched_share(sp.csr_array([[1, 1, 0], [1, 0, 0]]), 2) == pytest.approx((1 + 0.75) / 3)
