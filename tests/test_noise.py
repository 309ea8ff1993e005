"""Noise disturbs the input alone, and each kind does what its name says."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from engine.config import NoiseConfig, ObjectiveConfig, RefeedConfig, TrainingConfig, parse
from engine.errors import InputError
from engine.models.autoencoder import Autoencoder
from engine.models.configs import AutoencoderConfig
from engine.models.sparse import ResidentRows, SparseRows
from engine.noise import disturb
from engine.training import Trainer


def ratings(shape=(40, 30), share=0.4, seed=0):
    rng = np.random.default_rng(seed)
    return sp.csr_array(rng.integers(1, 6, shape) * (rng.random(shape) < share), dtype=np.float32)


def disturbed(kind, level, numbers=range(40), seed=7, **options):
    matrix = ratings()
    model = Autoencoder(AutoencoderConfig(layers=(4,), **options), *matrix.shape)
    batch = ResidentRows(matrix, torch.device("cpu")).take(np.array(numbers))
    torch.manual_seed(0)
    return batch, disturb(batch, NoiseConfig(kind=kind, level=level), model, seed)


def dense(rows):
    return rows.dense(rows.values) if isinstance(rows, SparseRows) else rows


def test_no_noise_is_the_batch_itself():
    batch, entering = disturbed("none", 0.5)
    assert entering is batch


def test_gaussian_noise_has_its_deviation_and_stays_on_observed_entries():
    batch, entering = disturbed("gaussian", 0.5)
    difference = dense(entering) - dense(batch)
    assert (difference[dense(batch) == 0] == 0).all()
    assert float(difference[dense(batch) != 0].std()) == pytest.approx(0.5, rel=0.15)


@pytest.mark.parametrize(("default", "stands_in"), [("zero", 0.0), ("constant", 3.0)])
def test_masking_hides_a_share_of_the_ratings(default, stands_in):
    batch, entering = disturbed("masking", 0.3, default=default)
    changed = entering.values != batch.values
    assert float(changed.float().mean()) == pytest.approx(0.3, abs=0.12)
    assert (entering.values[changed] == stands_in).all()


def test_a_masked_rating_is_not_in_the_mean_that_stands_in_for_it():
    """Hidden and unobserved entries alike get the mean of the ratings that are left, so that nothing tells the hidden ones."""
    batch, _ = disturbed("none", 0)
    torch.manual_seed(0)
    left = torch.rand_like(batch.values) >= 0.3
    _, entering = disturbed("masking", 0.3, default="mean")
    model = Autoencoder(AutoencoderConfig(layers=(4,), default="mean"), 40, 30)
    for row, seen, whole in zip(dense(batch), batch.dense(left * batch.values), model.filled(entering), strict=True):
        mean = seen[seen > 0].mean().nan_to_num()
        assert torch.allclose(whole, torch.where(seen > 0, row, mean), atol=1e-5)


def test_dropout_scales_what_it_keeps():
    batch, entering = disturbed("dropout", 0.5)
    kept = entering.values != 0
    assert torch.allclose(entering.values[kept], 2 * batch.values[kept])
    assert float(kept.float().mean()) == pytest.approx(0.5, abs=0.12)
    _, whole = disturbed("dropout", 0.5, default="constant", default_rating=2.0)
    assert isinstance(whole, torch.Tensor), "an unobserved entry with a default rating is dropped like any other"
    assert set(np.unique(whole[dense(batch) == 0])) == {0.0, 4.0}


def test_noise_drawn_once_belongs_to_the_row_and_the_seed():
    batch, entering = disturbed("gaussian-once", 0.5)
    noise = entering - dense(batch)
    assert float(noise.std()) == pytest.approx(0.5, rel=0.1)
    shuffled = np.array([31, 2, 17])
    part, again = disturbed("gaussian-once", 0.5, shuffled)
    assert torch.equal(again - dense(part), noise[shuffled])
    _, other = disturbed("gaussian-once", 0.5, seed=8)
    assert not torch.equal(other, entering)


def test_the_target_is_not_disturbed():
    """A batch whose every rating is masked: the loss is that of the bare output biases against the true ratings."""
    matrix = ratings()
    model = Autoencoder(AutoencoderConfig(layers=(4,), activation="linear"), *matrix.shape)
    training = TrainingConfig(epochs=1, batch_size=40, lr=1e-12, path="sparse")
    noise = NoiseConfig(kind="masking", level=1 - 1e-9)
    (record,) = Trainer(model, matrix, lambda: {"rmse": 1.0}, training, RefeedConfig(), ObjectiveConfig(), noise)
    bias = model.decoder_bias[-1].detach().numpy()
    assert record.loss == pytest.approx(float(np.mean((matrix.data - bias[matrix.indices]) ** 2)), rel=1e-5)


@pytest.mark.parametrize("kind", ["dropout", "masking"])
def test_a_share_of_1_is_refused(kind):
    with pytest.raises(InputError, match=r"noise.*below 1"):
        parse({"noise": {"kind": kind, "level": 1.0}})
