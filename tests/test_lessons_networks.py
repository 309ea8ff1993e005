"""Lessons 2 to 5: what their texts claim holds over several seeds, and their figures agree with known answers."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InputError
from engine.lessons import inside, lesson, linear, over_fitting, re_feeding
from engine.lessons.small import small

NETWORKS = ("linear", "inside", "re-feeding", "over-fitting")


def computed(name: str, **values):
    one = lesson(name)
    return one.compute(one.options(values))


def numbers(found) -> list:
    """Every number in a result, in order."""
    if dataclasses.is_dataclass(found):
        return [number for field in dataclasses.fields(found) for number in numbers(getattr(found, field.name))]
    if isinstance(found, tuple | list):
        return [number for one in found for number in numbers(one)]
    return np.asarray(found).ravel().tolist() if isinstance(found, np.ndarray | float | int) else []


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_options_give_the_same_numbers(name):
    first = numbers(computed(name))
    for memory in (inside._trained, re_feeding._trained, over_fitting._fitted):
        memory.cache_clear()
    assert len(first) > 100
    assert np.array_equal(first, numbers(computed(name)), equal_nan=True)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_link_gives_choices_among_numbers_as_text(name):
    one = lesson(name)
    usual = one.options({})
    assert one.options({field: str(getattr(usual, field)) for field in type(usual).model_fields}) == usual


def test_a_number_that_is_no_choice_is_refused():
    with pytest.raises(InputError, match="steps: input should be 0, 1, 2 or 3, not '4'"):
        lesson("re-feeding").options({"steps": "4"})


def test_the_small_world_tells_what_can_be_reached():
    data = small(noise=0.3, seed=1)
    assert data.noise_floor() == pytest.approx(0.3, abs=0.06)
    assert small(noise=0.0).noise_floor() == pytest.approx(0, abs=1e-6)
    assert data.noise_floor() < data.plain_error() < 1.3
    rated, held_out = data.rows(2)
    assert np.isfinite(rated).sum() == data.train[[2]].nnz and np.isfinite(held_out).sum() == data.validation[[2]].nnz
    assert not (np.isfinite(rated) & np.isfinite(held_out)).any()


@given(st.integers(0, 1000), st.integers(1, 3))
def test_the_angle_asks_for_the_subspace_alone(seed, rank):
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    turn = np.linalg.qr(rng.normal(size=(rank, rank)))[0] * rng.uniform(0.5, 2)
    assert linear.angle(basis[:, :rank], basis[:, :rank] @ turn) == pytest.approx(0, abs=1e-4)
    assert linear.angle(basis[:, :rank], basis[:, rank : 2 * rank]) == pytest.approx(90)
    leaning = basis[:, :rank].copy()
    leaning[:, 0] = np.cos(0.3) * basis[:, 0] + np.sin(0.3) * basis[:, 7]
    assert linear.angle(basis[:, :rank], leaning) == pytest.approx(np.degrees(0.3))


@pytest.mark.parametrize(("rank", "seed"), [(1, 4), (2, 0), (2, 7), (3, 9)])
def test_a_linear_autoencoder_ends_in_the_svds_subspace(rank, seed):
    found = computed("linear", rank=rank, seed=seed)
    assert found.frames[0].angle > 45
    assert found.frames[-1].angle < 1
    # Eckart and Young: no matrix of this rank comes nearer, and the network's outputs are of this rank at every epoch.
    errors = np.array([one.known for one in found.frames])
    assert (errors >= found.known - 1e-6).all()
    assert errors[-1] == pytest.approx(found.known, rel=1e-3)
    assert found.frames[-1].places == pytest.approx(found.places, abs=0.1)
    lengths = np.linalg.norm(found.frames[-1].axes, axis=1)
    assert lengths == pytest.approx(1, abs=1e-3) if rank <= linear.PLANE else (lengths <= 1 + 1e-6).all()
    assert np.isnan(found.hidden)


def test_the_svds_error_is_what_its_singular_values_leave():
    ratings, known = linear._ratings(linear.Options(rank=2))
    assert known.all()
    assert ratings.mean(0) == pytest.approx(0, abs=1e-5)
    values = np.linalg.svd(ratings, compute_uv=False)
    assert computed("linear", rank=2).known == pytest.approx(np.sqrt((values[2:] ** 2).sum() / ratings.size), rel=1e-5)


@pytest.mark.parametrize("seed", [0, 3, 8])
def test_with_missing_ratings_the_two_part(seed):
    found = computed("linear", missing=0.3, seed=seed)
    assert found.frames[-1].angle > 5
    assert found.frames[-1].known < found.known, "the masked loss spends nothing on empty cells"
    assert found.frames[-1].hidden < found.hidden
    less, more = (linear._ratings(linear.Options(missing=share, seed=seed))[1] for share in (0.2, 0.4))
    assert less[more].all(), "a higher share only hides more"


@pytest.mark.parametrize(("activation", "bend"), [("tanh", np.tanh), ("relu", lambda x: np.maximum(x, 0)), ("linear", lambda x: x)])
def test_what_is_drawn_of_a_network_adds_up(activation, bend):
    found = computed("inside", activation=activation, person=3)
    for frame in found.frames[::10]:
        assert frame.hidden == pytest.approx(bend(frame.sums), abs=1e-5)
        assert frame.outputs == pytest.approx(frame.start + frame.out @ frame.hidden, abs=1e-4)
    # Two people's sums differ by what differs in their ratings; the biases are the same.
    other = computed("inside", activation=activation, person=4)
    apart = (found.read - other.read) @ found.frames[-1].into
    assert found.frames[-1].sums - other.frames[-1].sums == pytest.approx(apart, abs=1e-4)


def test_one_person_is_shown_at_a_time():
    one, other = computed("inside"), computed("inside", person=2)
    assert np.array_equal(one.frames[-1].into, other.frames[-1].into)
    assert not np.array_equal(one.read, other.read)
    assert one.read[np.isnan(one.rated)] == pytest.approx(np.nanmean(one.rated))
    assert np.isfinite(one.held_out).any()
    assert [title.split()[0] for title in one.titles] == ["space"] * 3 + ["love"] * 3 + ["fright"] * 3


def test_tied_weights_are_the_same_both_ways():
    assert np.array_equal(*(getattr(computed("inside", tied=True).frames[-1], way) for way in ("into", "out")))
    assert not np.array_equal(*(getattr(computed("inside").frames[-1], way) for way in ("into", "out")))


def test_alike_is_a_cosine_within_and_across_genres():
    genres = np.repeat(np.eye(3), 3, axis=0) * np.arange(1, 10)[:, None]
    assert inside.alike(genres) == pytest.approx((1, 0))
    assert inside.alike(np.zeros((9, 2))) == (0, 0)


@pytest.mark.parametrize(("activation", "tied"), [("tanh", False), ("tanh", True), ("sigmoid", True)])
def test_a_network_finds_the_genres(activation, tied):
    found = computed("inside", activation=activation, tied=tied)
    within, across = found.frames[-1].alike
    assert within > 0.5 and across < -0.2
    assert found.frames[-1].held_out < 0.9 * found.plain


def test_more_units_come_nearer_and_relu_leaves_dead_ones():
    one, six = (computed("inside", hidden=units).frames[-1] for units in (1, 6))
    assert six.held_out < one.held_out
    assert computed("inside", activation="relu").frames[-1].silent >= 2
    assert computed("inside").frames[-1].silent == 0


@pytest.mark.parametrize(("world", "steps", "target"), [(0, 1, "f(x)"), (4, 3, "f(x)"), (4, 1, "the ratings")])
def test_re_feeding_brings_the_output_nearer_to_a_fixed_point(world, steps, target):
    found = computed("re-feeding", world=world, steps=steps, target=target)
    on, off = found.frames[-1], found.off[-1]
    assert on.distance < 0.7 * off.distance
    assert on.chain.shape == (re_feeding.TIMES, re_feeding.SHOWN)
    assert len(found.frames) == len(found.off) == 41


def test_without_steps_there_is_no_other_training():
    found = computed("re-feeding", steps=0)
    assert found.frames is found.off
    assert np.isfinite(found.rated).sum() >= re_feeding.LEAST and np.isfinite(found.missing).any()


def test_re_feeding_helps_the_predictions_at_the_larger_rate_alone():
    ahead = dict.fromkeys((0.02, 0.05), 0)
    for rate in ahead:
        for world in (0, 1, 2):
            found = computed("re-feeding", world=world, lr=rate)
            ahead[rate] += found.frames[-1].held_out < found.off[-1].held_out
    assert ahead[0.02] == 0 and ahead[0.05] >= 2


def test_a_network_that_says_the_same_to_everybody_is_near_a_fixed_point():
    found = computed("re-feeding", steps=3, target="the ratings", lr=0.1)
    on, off = found.frames[-1], found.off[-1]
    assert on.distance < 0.5 * off.distance
    assert np.abs(on.chain[2] - on.chain[1]).max() < 0.05
    assert on.spread < 0.4 * off.spread
    assert on.held_out == pytest.approx(found.plain, rel=0.05)


def gap(fitted) -> float:
    return fitted.frames[-1].held_out - fitted.frames[-1].known


def test_the_gap_grows_with_width_and_shrinks_with_dropout_and_people():
    by_width = [gap(computed("over-fitting", width=width).own) for width in (2, 4, 8, 16, 32, 64)]
    assert (np.diff(by_width) > 0).all()
    plain = computed("over-fitting", dropout=0.5, beside="no dropout")
    assert gap(plain.own) < 0.7 * gap(plain.other)
    assert plain.own.frames[-1].held_out < plain.other.frames[-1].held_out
    few = computed("over-fitting", people=30, beside="200 people")
    assert gap(few.other) < gap(few.own)


def test_wide_networks_learn_by_heart_and_deep_ones_less():
    wide = computed("over-fitting", width=64, beside="4 units")
    assert wide.own.frames[-1].known < wide.own.floor < wide.other.frames[-1].known
    assert wide.own.frames[-1].held_out > wide.other.frames[-1].held_out
    assert wide.own.best < 10
    deep, shallow = (computed("over-fitting", depth=depth).own for depth in (3, 1))
    assert deep.weights > shallow.weights
    assert deep.frames[-1].held_out < shallow.frames[-1].held_out


def test_nothing_beats_the_noise_floor_and_the_best_epoch_is_the_lowest():
    found = computed("over-fitting", dropout=0.5)
    for fitted in (found.own, found.other):
        errors = [frame.held_out for frame in fitted.frames]
        assert errors[fitted.best] == min(errors) > fitted.floor
    assert found.frames is found.own.frames
    apart = found.own.frames[-1].points - found.own.ratings
    assert np.sqrt((apart**2).mean(1)) == pytest.approx([found.own.frames[-1].known, found.own.frames[-1].held_out], rel=0.25)


def test_a_network_is_not_compared_with_itself():
    assert computed("over-fitting", width=4).other is None
    assert computed("over-fitting", beside="no dropout").other is None
