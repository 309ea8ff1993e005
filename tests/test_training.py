"""The loop: repeatable, interruptible anywhere, and it learns what was planted."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch

from engine.config import ObjectiveConfig, RefeedConfig, TrainingConfig
from engine.evaluation import evaluate_ratings
from engine.gathering import from_frame
from engine.losses import in_sum, per_rating, per_row, squared_error
from engine.models import AutoencoderConfig
from engine.models.autoencoder import Autoencoder
from engine.splits import RandomOptions, make_split
from engine.training import BatchPoint, EpochRecord, Trainer

MODEL = AutoencoderConfig(layers=(16, 8), dropout=0.3)
REFEEDS = [RefeedConfig(), RefeedConfig(steps=2, noise=0.1), RefeedConfig(steps=1, target="ratings", start_epoch=2)]


@pytest.fixture(scope="module")
def split():
    """Two kinds of users and two kinds of items that go together: 5 where they match, 1 where not."""
    rng = np.random.default_rng(0)
    user, item = np.nonzero(rng.random((60, 40)) < 0.5)
    frame = pd.DataFrame({"user": user, "item": item, "rating": np.where(user % 2 == item % 2, 5.0, 1.0)})
    return make_split(from_frame("checkerboard", frame), RandomOptions(test=0.1, validation=0.2))


def trainer(split, training=None, refeed=None, model=MODEL, objective=None):
    torch.manual_seed(1)
    network = Autoencoder(model, *split.train.shape)
    return Trainer(
        network,
        split.train,
        lambda: evaluate_ratings(network, split.visible, split.validation, (1, 5)),
        training or TrainingConfig(epochs=4, batch_size=16, lr=0.01),
        refeed or RefeedConfig(),
        objective or ObjectiveConfig(),
    )


def outcome(events):
    return [(e.epoch, e.step, e.loss, e.refeed_loss, e.validation, e.best) for e in events if isinstance(e, EpochRecord)]


def weights(one):
    return torch.cat([value.flatten() for value in one.model.state_dict().values()])


@pytest.mark.parametrize("orientation", ["user", "item"])
def test_it_learns_the_planted_taste(split, orientation):
    model = AutoencoderConfig(layers=(16,), orientation=orientation)
    records = [
        e for e in trainer(split, TrainingConfig(epochs=40, batch_size=16, lr=0.01, l2=1e-3), model=model) if isinstance(e, EpochRecord)
    ]
    assert records[0].validation["rmse"] > 1.2
    assert min(record.validation["rmse"] for record in records) < 0.7


@pytest.mark.parametrize("refeed", REFEEDS, ids=str)
def test_same_seed_same_numbers(split, refeed):
    first = trainer(split, refeed=refeed)
    numbers = outcome(first)
    again = trainer(split, refeed=refeed)
    assert outcome(again) == numbers
    assert (weights(first) == weights(again)).all()


def test_large_batches_repeat_to_the_last_bit():
    """Parallel sums have a fixed order: 200,000 ratings in one batch, where a racing scatter-add would differ now and then."""
    rng = np.random.default_rng(0)
    user, item = np.nonzero(rng.random((1000, 400)) < 0.5)
    frame = pd.DataFrame({"user": user, "item": item, "rating": rng.integers(1, 6, len(user)).astype(float)})
    large = make_split(from_frame("large", frame), RandomOptions())
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        once, twice = (trainer(large, TrainingConfig(epochs=6, batch_size=1000), model=AutoencoderConfig(layers=(16,))) for _ in range(2))
        assert outcome(once) == outcome(twice)
        assert (weights(once) == weights(twice)).all()
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("refeed", REFEEDS, ids=str)
@pytest.mark.parametrize("after", [1, 3, 4, 7, 11])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_interrupted_anywhere_it_ends_the_same(split, refeed, after, optimizer):
    ends_the_same(split, TrainingConfig(epochs=4, batch_size=16, lr=0.01, optimizer=optimizer), refeed, after)


def test_interrupted_between_line_searches_it_ends_the_same(split):
    ends_the_same(split, TrainingConfig(epochs=4, optimizer="lbfgs", lbfgs_steps=3), RefeedConfig(), 2)


def ends_the_same(split, training, refeed, after):
    """Interrupted after so many events, and gone on with by another trainer."""
    straight = trainer(split, training, refeed)
    expected = outcome(straight)
    broken = trainer(split, training, refeed)
    before = outcome(itertools.islice(broken, after))
    tensors, progress = broken.state()
    tensors = {name: value.clone() for name, value in tensors.items()}
    torch.rand(1000)
    resumed = trainer(split, training, refeed)
    resumed.restore(tensors, progress)
    assert before + outcome(resumed) == expected
    assert (weights(resumed) == weights(straight)).all()
    assert resumed.progress.best_epoch == straight.progress.best_epoch


def test_every_rating_counts_once_an_epoch(split):
    """The epoch's loss is the mean over ratings, not over batches of unequal size; without dropout and steps it is exact."""
    one = trainer(split, TrainingConfig(epochs=1, batch_size=23, lr=1e-12), model=AutoencoderConfig(layers=(8,)))
    record = outcome(one)[0]
    predicted = evaluate_ratings(one.model, split.visible, split.train, (1, 5), "reconstruction")
    assert record[2] == pytest.approx(predicted["reconstruction_rmse"] ** 2, rel=1e-4)


def test_a_refed_rating_counts_once_an_epoch(split):
    """Re-fed on the ratings, the mean is over ratings, as the first pass's: with tiny steps, that of the error of f(f(x)) on them."""
    once = TrainingConfig(epochs=1, batch_size=23, lr=1e-12)
    one = trainer(split, once, RefeedConfig(steps=1, target="ratings"), model=AutoencoderConfig(layers=(8,)))
    record = outcome(one)[0]
    one.model.eval()
    with torch.no_grad():
        x = torch.from_numpy(split.train.toarray()).float()
        again = one.model(one.model(x))
    assert record[3] == pytest.approx(float((again - x)[x > 0].square().mean()), rel=1e-3)


def test_best_epoch_is_kept(split):
    one = trainer(split, TrainingConfig(epochs=12, batch_size=16, lr=0.02))
    records = outcome(one)
    best = min(records, key=lambda record: record[4]["rmse"])
    one.model.load_state_dict(one.best_weights)
    assert one.progress.best_epoch == best[0]
    assert evaluate_ratings(one.model, split.visible, split.validation, (1, 5))["rmse"] == pytest.approx(best[4]["rmse"])


def test_patience_ends_it(split):
    one = trainer(split, TrainingConfig(epochs=500, batch_size=16, lr=0.05, patience=3))
    last = outcome(one)[-1][0]
    assert last == one.progress.best_epoch + 3
    assert last < 500


def test_refeeding_starts_when_told(split):
    records = outcome(trainer(split, refeed=RefeedConfig(steps=1, start_epoch=3)))
    assert [record[3] is not None for record in records] == [False, False, True, True]


def test_fixed_point_refeeding_brings_f_of_f_closer_to_f(split):
    """The distance that dense re-feeding trains away, relative to the outputs' spread."""

    def distance(one):
        for _ in one:
            pass
        one.model.eval()
        with torch.no_grad():
            y = one.model(torch.as_tensor(split.visible.toarray()))
            return float((one.model(y) - y).std() / y.std())

    training = TrainingConfig(epochs=15, batch_size=16, lr=0.01)
    plain = distance(trainer(split, training, model=AutoencoderConfig(layers=(16, 8))))
    refed = distance(trainer(split, training, RefeedConfig(steps=1), model=AutoencoderConfig(layers=(16, 8))))
    assert refed < 0.75 * plain


def test_last_point_of_an_epoch_is_its_record(split):
    events = list(trainer(split, TrainingConfig(epochs=2, batch_size=16)))
    assert [type(event) for event in events] == ([BatchPoint] * 3 + [EpochRecord]) * 2
    assert [event.step for event in events] == list(range(1, 9))


def test_l2_is_the_gradient_of_half_lambda_w_squared(split):
    """One SGD step on weights alone differs by lr · λ · w, and on biases not at all."""
    l2, lr = 0.5, 0.1
    plain, penalised = (
        trainer(
            split,
            TrainingConfig(epochs=1, batch_size=10_000, lr=lr, optimizer="sgd", momentum=0, l2=value),
            model=AutoencoderConfig(layers=(8,)),
        )
        for value in (0.0, l2)
    )
    start = {name: value.clone() for name, value in plain.model.state_dict().items()}
    for one in (plain, penalised):
        list(one)
    for name, value in plain.model.state_dict().items():
        expected = value if "bias" in name else value - lr * l2 * start[name]
        torch.testing.assert_close(penalised.model.state_dict()[name], expected, atol=1e-6, rtol=1e-5)


def test_lbfgs_finds_the_truncated_svd():
    """Every rating is there and no bias needed: what no linear code of 2 units can get below is known (Eckart & Young 1936)."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame([(u, i, r) for (u, i), r in np.ndenumerate(rng.normal(3, 1, (30, 12)))], columns=["user", "item", "rating"])
    everything = from_frame("full", frame)
    matrix = everything.ratings
    model = Autoencoder(AutoencoderConfig(layers=(2,), activation="linear", output_start="zero"), *matrix.shape)
    options = TrainingConfig(epochs=20, optimizer="lbfgs", lbfgs_steps=50, lr=1, batch_size=1)
    records = [
        e for e in Trainer(model, matrix, lambda: {"rmse": 0.0}, options, RefeedConfig(), ObjectiveConfig()) if isinstance(e, EpochRecord)
    ]
    centred = matrix.toarray() - matrix.toarray().mean(axis=0)
    left = (np.linalg.svd(centred, compute_uv=False)[2:] ** 2).sum() / centred.size
    assert records[-1].loss == pytest.approx(left, rel=1e-4)
    assert records[-1].step == 20


def test_reductions_by_hand():
    # Row 0 errs by 1 and 3, row 1 by 2, row 2 has no rating.
    errors, nothing = torch.tensor([1.0, 3, 2]), torch.zeros(3)
    rows, counts = torch.tensor([0, 0, 1]), torch.tensor([2, 1, 0])
    for reduction, expected in ((per_rating, 14 / 3), (per_row, (5 + 4) / 2), (in_sum, 14)):
        loss, mean = squared_error(errors, nothing, reduction(counts), rows)
        assert loss.item() == pytest.approx(expected)
        assert mean.item() == pytest.approx(14 / 3)
    complete, counts = torch.tensor([[1.0, 3], [2, 0]]), torch.tensor([2, 2])
    for reduction, expected in ((per_rating, 14 / 4), (per_row, (5 + 2) / 2), (in_sum, 14)):
        assert squared_error(complete, torch.zeros(2, 2), reduction(counts))[0].item() == pytest.approx(expected)


def test_masked_mse_of_the_worked_example():
    """Ratings 3 and 4 against outputs 0.25 and 0.7: the assignment prints the sum, its formula gives the mean."""
    outputs, wanted, counts = torch.tensor([0.25, 0.7], dtype=torch.float64), torch.tensor([3.0, 4], dtype=torch.float64), torch.tensor([2])
    assert squared_error(outputs, wanted, in_sum(counts))[0].item() == pytest.approx(18.4525)
    assert squared_error(outputs, wanted, per_rating(counts))[0].item() == pytest.approx(9.22625)
    assert math.sqrt(9.22625) == pytest.approx(3.0375, abs=1e-4)
