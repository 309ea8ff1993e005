"""Lessons: each has its text, controls and picture, and its figures are known answers."""

import importlib

import numpy as np
import pytest

from engine.errors import InputError
from engine.lessons import NAMES, lesson, lessons, masked_loss
from engine.lessons.small import small, train


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_is_whole(name):
    one = lesson(name)
    assert one.asks.endswith("?")
    assert one.idea and len(one.tries) >= 2 and one.source
    assert all(field.title and field.description for field in one.module.Options.model_fields.values())
    assert one.options({}) == one.module.Options()
    assert importlib.import_module(f"pages.components.lessons.{name.replace('-', '_')}").draw


def test_lessons_are_numbered_as_in_the_lecture():
    assert [one.number for one in lessons().values()] == list(range(1, len(NAMES) + 1))


@pytest.mark.parametrize(
    ("values", "said"),
    [({"gess": 2}, "Did you mean 'guess'"), ({"guess": 7}, "guess: input should be less than or equal to 5"), ({"guess": "x"}, "'x'")],
)
def test_a_wrong_control_is_a_sentence(values, said):
    with pytest.raises(InputError, match=said):
        lesson("masked-loss").options(values)


def test_an_unknown_lesson_is_answered_with_the_nearest():
    with pytest.raises(InputError, match="masked-loss"):
        lesson("masked-los")


def test_the_best_single_guess_is_the_mean_of_what_the_loss_sees():
    found = masked_loss.compute(masked_loss.Options())
    guesses = masked_loss.GUESSES
    assert guesses[found.masked.argmin()] == pytest.approx(found.ratings[found.rated].mean(), abs=0.05)
    assert guesses[found.unmasked.argmin()] == pytest.approx(found.ratings.mean(), abs=0.05)
    # Every cell is rated: both losses are one.
    whole = masked_loss.compute(masked_loss.Options(observed=1))
    assert whole.masked == pytest.approx(whole.unmasked)
    assert np.isnan(found.errors).sum() == (~found.rated).sum()
    assert not np.isnan(masked_loss.compute(masked_loss.Options(masked=False)).errors).any()


def test_the_small_world_has_planted_tastes_and_disjoint_parts():
    data = small(noise=0.0, users=30)
    assert data.train.multiply(data.validation).nnz == 0
    rows, columns = data.train.nonzero()
    assert data.train[rows, columns] == pytest.approx(data.expected[rows, columns], abs=1e-6)
    assert (data.train.nnz + data.validation.nnz) / data.expected.size == pytest.approx(0.5, abs=0.05)
    # Of one person, films of one genre differ by the films alone, where nothing was clipped.
    inside = data.expected[((data.expected > 1) & (data.expected < 5)).all(1)]
    assert np.ptp(inside[:, 3] - inside[:, 0]) < 1e-9


def test_a_trained_small_network_is_photographed_after_each_epoch():
    data = small()
    settings = {"model.layers": [8], "model.activation": "tanh", "training.epochs": 30, "training.batch_size": 60, "training.lr": 0.02}
    frames = train(data, settings, keep=lambda model: len(model.config.layers))
    assert [frame.epoch for frame in frames] == list(range(31))
    assert np.isnan(frames[0].loss) and frames[0].kept == 1
    assert frames[-1].train < frames[1].train < frames[0].train
    assert min(frame.validation for frame in frames) < frames[0].validation
    rows, columns = data.validation.nonzero()
    errors = frames[-1].outputs[rows, columns] - data.validation[rows, columns]
    assert frames[-1].validation == pytest.approx(np.sqrt(np.mean(errors**2)))
    again = train(data, settings)
    assert all(np.array_equal(one.outputs, other.outputs) for one, other in zip(frames, again, strict=True))
