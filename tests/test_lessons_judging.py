"""Lessons on what a network reads and on how models are judged: their pictures are known answers, and their claims hold."""

import json
import math
from functools import cache

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import NoiseConfig
from engine.lessons import leakage, lesson, negatives, noise, ranking
from engine.metrics import root_mean_square
from engine.models import build
from engine.models.configs import AutoencoderConfig
from engine.reproduce import results

ROW = np.array([5.0, 0.0, 2.0, 0.0])
"""One person's ratings, of mean 3.5."""


def entering(default: str, kind: str = "none", level: float = 0.5, seed: int = 0) -> noise.Entering:
    model = build(AutoencoderConfig(layers=(2,), default=default, default_rating=3.0), 1, len(ROW))
    return noise.entering(model, sp.csr_array(ROW[None].astype(np.float32)), 0, NoiseConfig(kind=kind, level=level), seed)


@cache
def found(name: str, **values):
    one = lesson(name)
    return one.compute(one.options(values))


@pytest.mark.parametrize(("name", "values"), [("noise", {"noise": "masking"}), ("leakage", {}), ("negatives", {}), ("ranking", {})])
def test_the_same_options_give_the_same_result(name, values):
    one, again = (lesson(name).compute(lesson(name).options(values)) for _ in range(2))
    if hasattr(one, "frames"):
        assert all(np.array_equal(a.outputs, b.outputs) for a, b in zip(one.frames, again.frames, strict=True))
        if name == "noise":
            assert all(np.array_equal(a.kept.values, b.kept.values) for a, b in zip(one.frames, again.frames, strict=True))
    elif name == "negatives":
        assert all(np.array_equal(one.accuracy[sampler], again.accuracy[sampler]) for sampler in negatives.SAMPLERS)
    else:
        assert one.metrics == again.metrics


@pytest.mark.parametrize(("default", "read"), [("zero", [5, 0, 2, 0]), ("constant", [5, 3, 2, 3]), ("mean", [5, 3.5, 2, 3.5])])
def test_the_row_that_enters_has_the_default_where_nobody_rated(default, read):
    one = entering(default)
    assert one.values == pytest.approx(np.array(read))
    assert one.kinds == ("rated", "default", "rated", "default")


@pytest.mark.parametrize("default", ["zero", "constant", "mean"])
def test_gaussian_noise_moves_ratings_and_no_default(default):
    one = entering(default, "gaussian")
    assert one.kinds == ("noised", "default", "noised", "default")
    assert one.values[[1, 3]] == pytest.approx({"zero": 0, "constant": 3}.get(default, one.values[[0, 2]].mean()))


def test_masked_ratings_read_as_if_nobody_had_rated():
    rows = [entering("mean", "masking", seed=seed) for seed in range(20)]
    assert {row.kinds[0] for row in rows} == {"rated", "hidden"}
    for row in rows:
        kept = [rating for rating, kind in zip(ROW, row.kinds, strict=True) if kind == "rated"]
        mean = np.mean(kept) if kept else 0.0
        read = [rating if kind == "rated" else mean for rating, kind in zip(ROW, row.kinds, strict=True)]
        assert row.values == pytest.approx(np.array(read))


def test_dropout_hides_or_enlarges_whatever_stands_in_the_row():
    for seed in range(10):
        row = entering("constant", "dropout", 0.25, seed)
        clean = np.array([5, 3, 2, 3])
        hidden = np.array(row.kinds) == "hidden"
        assert row.values == pytest.approx(np.where(hidden, 0, clean / 0.75))
    assert entering("zero", "dropout", 0.25).kinds[1] == "default"


def test_zero_without_noise_is_what_the_others_are_compared_with():
    one = found("noise", default="zero")
    assert [frame.validation for frame in one.frames] == one.plain.tolist()
    rated = np.isfinite(one.rated)
    assert one.frames[0].kept.values[rated] == pytest.approx(one.rated[rated])


def test_the_mean_is_the_better_default_where_ratings_fall_by_chance_and_zero_where_people_choose():
    last = {
        (default, chosen): found("noise", default=default, chosen=chosen).frames[-1].validation
        for default in ("zero", "constant", "mean")
        for chosen in (False, True)
    }
    assert last["mean", False] < last["constant", False] < last["zero", False] - 0.1
    assert last["zero", True] < last["constant", True] < last["mean", True] - 0.1


def test_masking_helps_zero_and_hurts_the_mean():
    assert found("noise", default="zero", noise="masking").frames[-1].validation < found("noise", default="zero").frames[-1].validation
    assert found("noise", default="mean", noise="masking").frames[-1].validation > found("noise", default="mean").frames[-1].validation


def test_holding_out_more_only_takes_ratings_from_training():
    less, more = found("leakage", hidden=0.2), found("leakage", hidden=0.6)
    assert np.array_equal(less.ratings, more.ratings, equal_nan=True)
    assert ((more.parts == 0) <= (less.parts == 0)).all()
    share = (more.parts > 0).sum() / (more.parts >= 0).sum()
    assert share == pytest.approx(0.6, abs=0.03)
    assert (more.parts == 1).sum() == pytest.approx((more.parts == 2).sum(), rel=0.1)


def test_errors_are_of_each_part_after_each_epoch():
    one = found("leakage")
    for number, part in enumerate(leakage.PARTS):
        by_hand = [root_mean_square(frame.outputs[one.parts == number] - one.ratings[one.parts == number]) for frame in one.frames]
        assert one.errors[part] == pytest.approx(np.array(by_hand), rel=1e-5)


def test_a_leaked_error_falls_with_the_width_and_says_nothing_of_sealed_ratings():
    wide = (2, 16, 64)
    leaked, honest = (
        [{part: e[-1] for part, e in found("leakage", leak=on, width=w).errors.items()} for w in wide] for on in (True, False)
    )
    validation = [one["validation"] for one in leaked]
    assert validation[0] > validation[1] > validation[2] and validation[2] < 0.2
    for one, other in zip(leaked, honest, strict=True):
        assert one["validation"] == pytest.approx(one["training"], abs=0.05)
        assert one["validation"] < other["validation"]
        assert other["validation"] == pytest.approx(other["sealed"], abs=0.15)
    # By the leaked error one would take the widest, which is the worst.
    assert leaked[2]["sealed"] > leaked[0]["sealed"] + 0.3
    assert honest[2]["validation"] > honest[0]["validation"] + 0.3


def test_measured_errors_are_those_of_the_kept_tables():
    kept = json.loads((results.FOLDER / "3-leaky.json").read_text())["results"]
    mine = [one["figures"] for one in kept if one["row"] == "as published (leaky)" and one["dataset"] == "ml-latest-small"]
    leaky = leakage.measured()["3-leaky"]
    assert leaky.reconstruction_mse == pytest.approx(np.mean([one["reconstruction_mse"] for one in mine]))
    assert leaky.rmse == pytest.approx(np.mean([one["held_out_rmse"] for one in mine]))
    assert (leaky.pairs, leaky.users) == (188, 14)


def test_tables_that_nobody_has_filled_are_left_out(monkeypatch, tmp_path):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    assert leakage.measured() == {}


@pytest.mark.parametrize("sampler", negatives.SAMPLERS)
def test_accuracy_is_the_expectation_over_every_question(sampler):
    skew, place = 1.0, 8
    taste, hidden, known = negatives.world(skew)
    counts = known.sum(0)
    scores = negatives.scores(counts, taste)[place]
    weights = {"random": np.ones(len(counts)), "softmax": np.exp(counts / negatives.USERS), "popularity": counts}[sampler]
    per_user = []
    for user in range(negatives.USERS):
        wanted, seen = hidden[[user]].indices, np.append(hidden[[user]].indices, known[[user]].indices)
        others = np.setdiff1d(np.arange(negatives.FILMS), seen)
        chances = weights[others] / weights[others].sum()
        right = [(scores[user, one] > scores[user, others]) + (scores[user, one] == scores[user, others]) / 2 for one in wanted]
        per_user.append(np.mean([share @ chances for share in right]))
    one = found("negatives", skew=skew)
    assert one.accuracy[sampler][place] == pytest.approx(np.mean(per_user), abs=1e-6)
    assert one.errors[sampler][place] == pytest.approx(np.std(per_user, ddof=1) / math.sqrt(negatives.USERS), abs=1e-6)


@pytest.mark.parametrize("skew", [0.0, 1.0, 2.0])
def test_softmax_of_shares_is_nearly_uniform(skew):
    one = found("negatives", skew=skew)
    assert one.ratio("random") == 1
    # A share lies between 0 and 1, so e to its power lies between 1 and e.
    shares = one.watched / negatives.USERS
    assert one.ratio("softmax") == pytest.approx(np.exp(np.ptp(shares)), rel=1e-5)
    assert one.ratio("softmax") < math.e
    assert one.ratio("popularity") == pytest.approx(one.watched.max() / one.watched.min())
    assert all(chances.sum() == pytest.approx(1) for chances in one.chances.values())
    apart = abs(one.accuracy["random"] - one.accuracy["softmax"]).max()
    assert apart < 0.03
    assert skew == 0 or abs(one.accuracy["random"] - one.accuracy["popularity"]).max() > 4 * apart


def test_popularity_beats_taste_under_random_negatives_and_loses_under_popular_ones():
    one = found("negatives")
    assert one.accuracy["random"][0] > one.accuracy["random"][-1] + 0.05
    assert one.accuracy["popularity"][0] < one.accuracy["popularity"][-1] - 0.05
    # Where all films are equally famous, popularity is a guess.
    assert found("negatives", skew=0).accuracy["random"][0] == pytest.approx(0.5, abs=0.04)


def test_a_film_that_nobody_is_known_to_have_watched_is_never_drawn_by_popularity():
    one = negatives.Negatives(np.array([2, 0]), {"popularity": np.array([1.0, 0.0])}, {}, {})
    assert one.ratio("popularity") == math.inf


@settings(max_examples=20, deadline=None)
@given(st.floats(-2, 2), st.floats(0, 0.9), st.integers(1, 10))
def test_what_keeps_the_order_keeps_the_lists(bias, shrink, k):
    plain, moved = found("ranking", bias=0, k=k), found("ranking", bias=bias, shrink=shrink, k=k)
    for name in ("recall", "ndcg"):
        assert moved.metrics[ranking.PERSONAL][name] == plain.metrics[ranking.PERSONAL][name]
    assert np.array_equal(moved.lists[ranking.PERSONAL], plain.lists[ranking.PERSONAL])


def test_a_bias_adds_its_square_to_the_mean_squared_error():
    plain, moved = found("ranking", bias=0), found("ranking", bias=1.5)
    mean_error = (plain.predicted[ranking.PERSONAL] - plain.truth).mean()
    expected = plain.metrics[ranking.PERSONAL]["rmse"] ** 2 + 2 * 1.5 * mean_error + 1.5**2
    assert moved.metrics[ranking.PERSONAL]["rmse"] ** 2 == pytest.approx(expected)


def test_shrinkage_has_a_best_amount_between_none_and_all():
    errors = [found("ranking", bias=0, shrink=shrink).metrics[ranking.PERSONAL]["rmse"] for shrink in (0, 0.4, 0.9)]
    assert errors[1] < min(errors[0], errors[2]) - 0.1


@settings(max_examples=10, deadline=None)
@given(st.floats(0.1, 4), st.integers(1, 10))
def test_errors_on_disliked_films_cost_no_list(harsh, k):
    plain, moved = (found("ranking", bias=0, harsh=one, k=k).metrics[ranking.PERSONAL] for one in (0, harsh))
    assert moved["recall"] >= plain["recall"] and moved["ndcg"] >= plain["ndcg"]


def test_the_model_with_the_lower_error_has_the_worse_lists():
    for k in (3, 5, 10):
        metrics = found("ranking", k=k).metrics
        assert metrics[ranking.PLAIN]["rmse"] < metrics[ranking.PERSONAL]["rmse"]
        assert all(metrics[ranking.PLAIN][name] < metrics[ranking.PERSONAL][name] for name in ("recall", "ndcg"))
    assert np.ptp(found("ranking").predicted[ranking.PLAIN], axis=0).max() == 0


def test_lists_are_judged_as_by_hand():
    truth = np.array([[5.0, 4, 3, 2], [1, 2, 3, 3.5]])
    predicted = np.array([[1.0, 4, 3, 2], [0, 0, 0, 0]])
    metrics = ranking.judged(predicted, truth, 2)
    # The first person likes two films, of which the second stands on top; the second likes none and counts for the RMSE alone.
    assert metrics["rmse"] == pytest.approx(math.sqrt((16 + 1 + 4 + 9 + 12.25) / 8))
    assert metrics["recall"] == 0.5
    assert metrics["ndcg"] == pytest.approx(1 / (1 + 1 / math.log2(3)))
