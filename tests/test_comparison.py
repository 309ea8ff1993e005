"""Runs beside each other: settings, figures, seeds, users and what tells, on runs whose answers are known."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from engine import comparison
from engine.commands import main
from engine.comparison import Curve, band, by_user, differing, importance, on_one_ground, report, same_but_seed, settings_table
from engine.config import merge, parse
from engine.errors import InputError
from engine.paired import paired


def finished(store, changes=None, test=None, ground="a", liked=4.0):
    """A run that has finished with these test metrics, on the ratings of this fingerprint."""
    run = store.create(parse(merge({}, changes or {})).model_dump(mode="json"))
    store.claim(run.id)
    store.add_facts(run.id, {"split_fingerprint": ground, "liked": liked, "monitor": "rmse"})
    store.finish(run.id, "finished", summary={"metrics": {"test": test or {}, "validation": test or {}}})
    return store.get(run.id)


def left(store, run, errors, users, ground="a", pairs=None):
    """What a run leaves of its test: clipped errors, which are here the same as those not clipped."""
    kept = np.asarray(errors, np.float32)
    numbers = np.arange(len(kept)) if pairs is None else np.asarray(pairs)
    arrays = {"errors": kept, "unclipped": kept, "users": np.asarray(users, np.int32), "pairs": numbers.astype(np.int64)}
    store.save(run.id, "errors", arrays, {"fingerprint": ground})


def test_only_fields_that_differ_are_told(store):
    first = finished(store, {"model.dropout": 0.5})
    second = finished(store, {"training.lr": 0.01})
    assert differing([first, second]) == {
        "model.dropout": {first.id: 0.5, second.id: 0.0},
        "training.lr": {first.id: 1e-3, second.id: 0.01},
    }
    assert differing([first]) == {} == differing([first, finished(store, {"model.dropout": 0.5})])


def test_a_field_that_one_model_lacks_differs(store):
    network, svd = finished(store), finished(store, {"model": {"name": "svd", "rank": 5}})
    told = differing([network, svd])
    assert told["model.rank"] == {svd.id: 5}
    assert told["model.tied"] == {network.id: False}
    assert "split.test" not in told
    table = settings_table([network, svd])
    assert table.loc[network.id, "model.layers"] == ",".join(map(str, network.config["model"]["layers"])), "a list as its text"
    assert table.loc[svd.id, "model.layers"] is None


def test_a_setting_that_came_after_a_run_counts_as_its_default(store):
    new = finished(store)
    old = {**new.config, "training": {name: value for name, value in new.config["training"].items() if name != "momentum"}}
    other = store.create(old)
    assert differing([new, other]) == {}


def test_seeds_of_one_configuration_belong_together(store):
    runs = [finished(store, {"training.seed": seed, "model.dropout": dropout}) for dropout in (0.0, 0.5) for seed in (0, 1, 2)]
    again = finished(store, {"training.seed": 1})
    groups = same_but_seed([*runs, again])
    assert [[run.id for run in group] for group in groups] == [[run.id for run in runs[:3]], [run.id for run in runs[3:]]]
    other = finished(store, {"split.seed": 1})
    assert len(same_but_seed([runs[0], other])) == 2, "another split is another test"


def test_figures_of_other_ratings_are_set_apart(store):
    here = [finished(store, test={"rmse": 0.9, "ndcg@10": 0.1}) for _ in range(2)]
    elsewhere = finished(store, test={"rmse": 0.5, "ndcg@10": 0.1}, ground="b")
    other_hits = finished(store, test={"rmse": 0.9, "ndcg@10": 0.5}, liked=3.0)
    unfinished = store.create(parse({}).model_dump(mode="json"))
    runs = [elsewhere, *here, other_hits, unfinished]
    kept, out = on_one_ground(runs, "rmse")
    assert [run.id for run in kept] == [*(run.id for run in here), other_hits.id]
    assert [run.id for run in out] == [elsewhere.id, unfinished.id]
    kept, _ = on_one_ground(runs, "ndcg@10")
    assert [run.id for run in kept] == [run.id for run in here], "what counts as liked is another measure"
    assert comparison.metrics_of(runs) == ["rmse", "ndcg@10"]
    assert comparison.usual_metric(runs) == "rmse"
    ranker = finished(store, test={"ndcg@10": 0.2, "recall@10": 0.1})
    assert comparison.usual_metric([*runs, ranker]) == "ndcg@10", "not all of them have an RMSE"


def test_a_band_is_mean_and_sample_deviation_as_far_as_all_go():
    curves = [
        Curve(np.arange(1.0, 4), np.arange(1.0, 4), np.array([1.0, 2, 4])),
        Curve(np.arange(1.0, 3), np.arange(2.0, 4), np.array([3.0, 2])),
    ]
    found = band(curves)
    assert (found.epochs.tolist(), found.x.tolist(), found.mean.tolist(), found.curves) == ([1, 2], [1.5, 2.5], [2, 2], 2)
    assert found.sd == pytest.approx([math.sqrt(2), 0])
    assert np.isnan(band(curves[:1]).sd).all()


@given(st.lists(st.lists(st.floats(-10, 10), min_size=3, max_size=3), min_size=2, max_size=5))
def test_a_band_holds_its_mean_between_its_curves(values):
    curves = [Curve(np.arange(3.0), np.arange(3.0), np.array(one)) for one in values]
    found, y = band(curves), np.array(values)
    assert (found.mean >= y.min(axis=0) - 1e-9).all() and (found.mean <= y.max(axis=0) + 1e-9).all()
    assert found.sd == pytest.approx(np.array(values).std(axis=0, ddof=1))


def test_users_are_compared_by_their_own_rmse(store):
    first, second = finished(store), finished(store)
    left(store, first, [3, 4, 1, 0.5], [0, 0, 1, 2])
    left(store, second, [0, 5, 2, 0.5], [0, 0, 1, 2])
    found = by_user("rmse", first.id, second.id, store)
    own = [math.sqrt(12.5), 1, 0.5], [math.sqrt(12.5), 2, 0.5]
    assert found.first == pytest.approx(own[0]) and found.second == pytest.approx(own[1])
    assert found.pairs.tolist() == [2, 1, 1]
    assert (found.gained, found.lost, found.equal) == (1, 0, 2)
    assert found.gain == pytest.approx([0, 1, 0])
    assert found.mean == pytest.approx(1 / 3)
    assert found.half == pytest.approx(4.30265 * np.std([0, 1, 0], ddof=1) / math.sqrt(3)), "Student's t of three users"
    assert not found.distinguishable
    errors = [np.sqrt(np.mean(np.square(one))) for one in ([3, 4, 1, 0.5], [0, 5, 2, 0.5])]
    assert found.whole[0] == pytest.approx(errors[0] - errors[1], abs=1e-6)
    assert by_user("rmse", second.id, first.id, store).mean == pytest.approx(-1 / 3)
    absolute = by_user("mae", first.id, second.id, store)
    assert absolute.gain == pytest.approx([-1, 1, 0]) and absolute.whole is None


def test_a_clear_winner_is_distinguished_and_the_test_is_wilcoxons(store):
    draw = np.random.default_rng(0)
    first, second = finished(store), finished(store)
    users = np.repeat(np.arange(200), 3)
    errors = draw.normal(0, 1, 600)
    left(store, first, errors, users)
    left(store, second, errors * 1.2 + draw.normal(0, 0.05, 600), users)
    found = by_user("rmse", first.id, second.id, store)
    assert found.distinguishable and found.mean > 0 and found.gained > 150
    assert found.p_value == pytest.approx(stats.wilcoxon(found.gain).pvalue)
    assert found.p_value < 1e-10
    same = by_user("rmse", first.id, first.id, store)
    assert (same.gained, same.lost, same.equal, same.mean, same.half) == (0, 0, 200, 0, 0)
    assert math.isnan(same.p_value) and not same.distinguishable


def test_only_pairs_that_both_were_tested_on_count(store):
    first, second, third = (finished(store) for _ in range(3))
    left(store, first, [1, 2, 3], [0, 1, 2], pairs=[10, 11, 12])
    left(store, second, [5, 1], [0, 1], ground="b", pairs=[12, 10])
    left(store, third, [1], [0], ground="c", pairs=[99])
    found = by_user("rmse", first.id, second.id, store)
    assert (found.users.tolist(), found.first.tolist(), found.second.tolist()) == ([0, 2], [1, 3], [1, 5])
    assert by_user("rmse", first.id, third.id, store) is None
    assert by_user("ndcg@10", first.id, second.id, store) is None
    assert by_user("rmse", first.id, finished(store).id, store) is None, "it left nothing"


def test_rankings_gain_where_they_are_higher(store):
    first, second = finished(store), finished(store)
    store.save(first.id, "ranking", {"users": np.array([7, 8, 9]), "ndcg@10": np.float32([0.5, 0.2, 0.0])}, {"fingerprint": "a"})
    store.save(second.id, "ranking", {"users": np.array([7, 8, 9]), "ndcg@10": np.float32([0.25, 0.2, np.nan])}, {"fingerprint": "a"})
    found = by_user("ndcg@10", first.id, second.id, store)
    assert (found.users.tolist(), found.gain.tolist(), found.pairs) == ([7, 8], [0.25, 0.0], None)
    assert (found.gained, found.equal) == (1, 1)
    assert by_user("recall@10", first.id, second.id, store) is None


def test_users_whose_lists_are_judged_by_both_count_whatever_counts_as_liked(store):
    first, second = finished(store), finished(store)
    store.save(first.id, "ranking", {"users": np.array([7, 8, 9]), "ndcg@10": np.float32([0.5, 0.25, 0.0])}, {"fingerprint": "a"})
    store.save(second.id, "ranking", {"users": np.array([9, 7]), "ndcg@10": np.float32([0.5, 0.25])}, {"fingerprint": "a"})
    found = by_user("ndcg@10", first.id, second.id, store)
    assert (found.users.tolist(), found.gain.tolist()) == ([7, 9], [0.25, -0.5])


def test_a_user_without_a_value_takes_no_part_in_the_whole(store):
    first, second = finished(store), finished(store)
    users = {"users": np.array([7, 8, 9])}
    store.save(first.id, "ranking", {**users, "pairwise_random": np.float32([0.5, 0.25, 0.75])}, {"fingerprint": "a"})
    store.save(second.id, "ranking", {**users, "pairwise_random": np.float32([0.25, np.nan, 0.75])}, {"fingerprint": "a"})
    found = paired("pairwise_random", [[first.id], [second.id]], store)
    assert found.by_seed == pytest.approx([-0.125]) and found.on == "2 users"
    assert found.half == pytest.approx(by_user("pairwise_random", first.id, second.id, store).half)


def test_seeds_are_paired_one_with_the_other(store):
    sides = [[finished(store) for _ in range(2)] for _ in range(2)]
    for run, scale in zip([*sides[0], *sides[1]], (1, 2, 2, 3), strict=True):
        left(store, run, np.array([1, -1, 1, 1]) * scale, [0, 0, 1, 2])
    found = paired("rmse", [[run.id for run in side] for side in sides], store)
    assert found.by_seed == pytest.approx([-1, -1])
    assert found.on == "4 pairs"
    assert paired("rmse", [[sides[0][0].id], [""]], store) is None


def grid(store, effect, seeds=(0,)):
    """Runs over a grid of three settings, whose RMSE is `effect` of them."""
    for dropout in (0.0, 0.2, 0.4):
        for lr in (1e-3, 1e-2):
            for activation in ("selu", "tanh"):
                for seed in seeds:
                    changes = {"model.dropout": dropout, "training.lr": lr, "model.activation": activation, "training.seed": seed}
                    finished(store, changes, {"rmse": effect(dropout, lr, activation, seed)})
    return store.list()


def test_what_tells_is_found_out_of_sample(store):
    found = importance(grid(store, lambda dropout, lr, activation, seed: 0.8 + dropout + 0.01 * (lr == 1e-2), (0, 1)), "rmse")
    assert (found.runs, found.configurations, found.left_out) == (24, 12, 0)
    assert found.tells and found.explained > 0.7
    table = found.table.set_index("setting")
    assert set(table.index) == {"model.dropout", "training.lr", "model.activation"}, "the seed is no setting"
    assert found.table["setting"].iloc[0] == "model.dropout"
    low = table["importance"] - table["half"]
    assert low["model.dropout"] > 0.5 and low["model.activation"] <= 0


def test_noise_tells_nothing(store):
    draw = np.random.default_rng(1)
    found = importance(grid(store, lambda *_: 0.9 + draw.normal(0, 0.01), (0, 1)), "rmse")
    assert not found.tells
    assert (found.table["importance"] - found.table["half"] <= 0).all()


def test_settings_that_move_together_are_not_told_apart(store):
    for rank in range(12):
        finished(store, {"model": {"name": "svd", "rank": rank + 1}, "training.lr": 1e-3 * (rank + 1)}, {"rmse": 0.8 + rank / 100})
    found = importance(store.list(), "rmse")
    assert len(found.table) == 1
    assert {found.table["setting"].iloc[0], *found.table["together"].iloc[0]} == {"model.rank", "training.lr"}
    again = importance(store.list(), "rmse").table
    assert (again["importance"].tolist(), again["half"].tolist()) == (found.table["importance"].tolist(), found.table["half"].tolist())


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        (lambda store: [finished(store, {"model.dropout": n / 20}, {"rmse": 0.9}) for n in range(11)], "there are 11 with 11"),
        (lambda store: [finished(store, {"training.seed": n}, {"rmse": 0.9 + n}) for n in range(12)], "there are 12 with 1"),
        (lambda store: [finished(store, {"model.dropout": n / 20}, {"rmse": 0.9}) for n in range(12)], "whose rmse differs"),
    ],
)
def test_too_little_is_refused_in_a_sentence(store, runs, words):
    with pytest.raises(InputError, match=words):
        importance(runs(store), "rmse")


def test_two_runs_as_a_script_reads_them(store):
    first, second = finished(store, test={"rmse": 0.9}), finished(store, {"model.dropout": 0.5}, {"rmse": 0.8})
    left(store, first, [1, 2, 3], [0, 1, 2])
    left(store, second, [1, 1, 1], [0, 1, 2])
    answer = CliRunner().invoke(main, ["runs", "compare", first.name, second.id, "--json"])
    assert answer.exit_code == 0
    told = json.loads(answer.stdout)
    assert told["settings"] == {"model.dropout": {first.id: 0.0, second.id: 0.5}}
    assert told["figures"] == {"rmse": {first.id: 0.9, second.id: 0.8}}
    assert (told["metric"], told["same_ground"]) == ("rmse", True)
    against = told["against_first"][second.id]
    assert (against["gained"], against["lost"], against["equal"], against["pairs"]) == (0, 2, 1, 3)
    assert against["difference"] == pytest.approx(math.sqrt(14 / 3) - 1)
    said = CliRunner().invoke(main, ["runs", "compare", first.id, second.id]).stdout
    assert "model.dropout" in said and "0 of 3 users gain, 2 lose" in said and "model.tied" not in said


def test_a_comparison_needs_two_different_runs(store):
    one, other = finished(store), finished(store)
    assert report([one, other], store)["metric"] is None
    for runs, words in (([one], "takes 2 to 10"), ([one, one], "named twice")):
        with pytest.raises(InputError, match=words):
            report(runs, store)
    with pytest.raises(InputError, match="None of these runs has a test rmse"):
        report([one, other], store, "rmse")
    assert "settings are identical" in CliRunner().invoke(main, ["runs", "compare", one.id, other.id]).stdout
