"""What a sweep's trials say, on trials with known answers; its outlook before the start; presets of one's own."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import t

from engine import presets, runs
from engine.commands import main
from engine.config import fields, merge, parse, read_toml
from engine.errors import InputError
from engine.paired import over_repeats
from engine.settings import settings
from engine.store import Place, TrialRun
from engine.sweeps import Range, Trial, config_of, grid, parse_sweep, trials_of
from engine.sweeps.analysis import best_so_far, contour, ranked
from engine.sweeps.difference import apart
from engine.sweeps.report import preset_text, preset_values, report
from engine.sweeps.starting import outlook, start
from engine.sweeps.suggest import as_range, as_values, suggested

SMALL = {
    "preprocessing": {"sample_users": 150, "sample_items": 100},
    "model": {"layers": [8]},
    "training": {"epochs": 2, "batch_size": 64},
    "evaluation": {"max_rank": 4},
}


def trial(number: int, value: float | None, state: str = "finished", ended: float = 0.0, **chosen) -> Trial:
    run = TrialRun(f"{number:012x}", "x", number, 0, state, 5, 5, None, ended or number + 1.0, chosen, value, None, "rmse")
    return Trial(number, chosen, state, (run,))


def test_the_best_so_far_goes_by_the_order_of_ending():
    some = [trial(0, 0.9, ended=5.0), trial(1, 0.7, ended=2.0), trial(2, None, "failed", ended=1.0), trial(3, 0.8, ended=3.0)]
    down, up = best_so_far(some, "rmse"), best_so_far(some, "ndcg@10")
    assert down.numbers.tolist() == up.numbers.tolist() == [1, 3, 0]
    assert (down.best.tolist(), up.best.tolist()) == ([0.7, 0.7, 0.7], [0.7, 0.8, 0.9])
    assert [one.number for one in ranked(some, "rmse")] == [1, 3, 0, 2]
    assert [one.number for one in ranked(some, "ndcg@10")] == [0, 3, 1, 2]


def test_a_contour_of_a_plane_is_that_plane():
    config = parse_sweep({"axes": {"model.dropout": "0..0.8", "training.lr": "0.0001..0.1 log"}})
    places = [(0.0, 1e-4), (0.8, 1e-4), (0.0, 1e-1), (0.8, 1e-1), (0.4, 1e-3)]
    value = lambda dropout, rate: 1 + 2 * dropout + 0.1 * math.log10(rate)  # noqa: E731
    some = [trial(n, value(*place), **{"model.dropout": place[0], "training.lr": place[1]}) for n, place in enumerate(places)]
    found = contour(config, some, "training.lr", "model.dropout")
    assert found.z.shape == (len(found.y), len(found.x)) == (25, 25)
    expected = [[value(dropout, rate) for rate in found.x] for dropout in found.y]
    np.testing.assert_allclose(found.z, expected, atol=2e-3)
    assert found.at.tolist()[3] == [24, 24]


def test_a_contour_over_names_goes_along_their_lines_and_leaves_open_what_nobody_tried():
    config = parse_sweep({"axes": {"model.dropout": "0..0.8", "model.activation": "selu, tanh, relu"}})
    some = [
        trial(0, 1.0, **{"model.dropout": 0.2, "model.activation": "selu"}),
        trial(1, 3.0, **{"model.dropout": 0.6, "model.activation": "selu"}),
    ]
    some.append(trial(2, 5.0, **{"model.dropout": 0.4, "model.activation": "tanh"}))
    found = contour(config, some, "model.dropout", "model.activation")
    assert found.y == ("selu", "tanh", "relu")
    assert found.z[0, 12] == pytest.approx(2.0) and np.isnan(found.z[0, 0])
    assert found.z[1, 12] == 5.0 and np.isfinite(found.z[1]).sum() == 1
    assert np.isnan(found.z[2]).all()
    turned = contour(config, some, "model.activation", "model.dropout")
    np.testing.assert_array_equal(turned.z, found.z.T)


@pytest.mark.parametrize("folds", [None, 4])
def test_the_interval_over_repetitions_is_students(folds):
    values = np.array([0.1, 0.3, 0.2, 0.4])
    shared = 1 / 3 if folds else 0.0
    assert over_repeats(values, folds) == pytest.approx(t.ppf(0.975, 3) * values.std(ddof=1) * math.sqrt(1 / 4 + shared))
    assert math.isnan(over_repeats(values[:1]))


def swept(store, axes, **given):
    """A sweep whose runs were trained here and now."""
    config = parse_sweep({"base": parse(merge({}, SMALL)), "axes": axes, "sampler": "grid", **given})
    sweep = store.create_sweep(config.model_dump(mode="json"), "grid", "rmse")
    for number, chosen in enumerate(sorted(grid(config), key=str)):
        for repeat in range(config.repeats):
            made = store.create(config.run_config(chosen, repeat).model_dump(mode="json"), place=Place(sweep.id, number, repeat))
            runs.execute(made.id, store)
    sweep = store.get_sweep(sweep.id)
    return sweep, config, trials_of(sweep, config, store)


def test_two_settings_are_compared_on_test_ratings_pair_by_pair(store):
    sweep, config, (same, other, far) = swept(store, {"training.lr": [0.001, 0.0011, 0.05]}, seeds=2)
    close, wide = apart(config, "rmse", same, other, store), apart(config, "rmse", same, far, store)
    assert close.repeats == 2 and close.over == "users and seeds" and close.on.endswith(" pairs")
    means = [np.mean([store.get(run.id).summary["metrics"]["test"]["rmse"] for run in one.runs]) for one in (same, far)]
    assert wide.value == pytest.approx(means[0] - means[1])
    assert not close.distinguishable
    itself = apart(config, "rmse", same, same, store)
    assert (itself.value, itself.half, itself.distinguishable) == (0.0, 0.0, False)
    one = apart(config, "rmse", only_first(same), only_first(far), store)
    assert one.over == "users" and one.distinguishable and not one.first_is_better
    assert apart(config, "rmse", same, Trial(9, {}, "deleted", ()), store) is None
    assert apart(config, "coverage@3", same, other, store) is None
    told = report(sweep, config, [same, other, far])
    assert told["best"]["number"] == 2 and told["trials"][0]["number"] == 2
    shown = CliRunner().invoke(main, ["sweep", "compare", sweep.name, "0", "2"])
    assert shown.exit_code == 0 and "(95 % over users and seeds)" in shown.stdout


def only_first(one: Trial) -> Trial:
    return replace(one, runs=one.runs[:1])


def test_folds_are_compared_fold_by_fold(store):
    _, config, (first, second) = swept(store, {"training.lr": [0.001, 0.05]}, folds=3)
    found = apart(config, "rmse", first, second, store)
    by_fold = np.subtract(*([store.get(run.id).summary["metrics"]["test"]["rmse"] for run in one.runs] for one in (first, second)))
    assert (found.value, found.half) == (pytest.approx(by_fold.mean()), pytest.approx(over_repeats(by_fold, 3)))
    assert (found.over, found.repeats) == ("folds", 3)


def test_an_outlook_counts_settings_and_runs_and_goes_by_earlier_runs(store):
    base = parse(merge({}, SMALL))
    grid = parse_sweep({"base": base, "axes": {"model.dropout": "0, 0.5", "training.lr": "0.001, 0.01"}, "sampler": "grid", "seeds": 3})
    assert (outlook(grid, [], 1).settings, outlook(grid, [], 1).runs, outlook(grid, [], 1).seconds) == (4, 12, None)
    run = store.create(base.model_dump(mode="json"), queue="foreground")
    runs.execute(run.id, store)
    run = replace(store.get(run.id), started=100.0, finished=107.0)
    run.summary["seconds_per_epoch"] = 0.5
    found = outlook(grid, [run], 2)
    assert found.by == run and not found.alike  # another dropout is another network
    # A training of two epochs takes a second, and what stands around it six.
    assert found.seconds == pytest.approx((1 + 6) * 12 / 2)
    only = parse_sweep({"base": base, "axes": {"training.lr": "0.001, 0.01"}, "sampler": "grid"})
    assert outlook(only, [run], 1).alike
    timed = parse_sweep({"base": base, "axes": {"training.lr": "0.001..0.01"}, "minutes": 0.1})
    assert (outlook(timed, [run], 1).settings, outlook(timed, [run], 1).seconds) == (None, 6.0)
    assert "do not compare" in outlook(parse_sweep({"axes": {"split.seed": "0, 1"}}), [], 1).remarks[0]


def test_a_sweep_that_would_fail_for_sure_is_not_begun(store):
    with pytest.raises(InputError, match="Unknown dataset 'mars'"):
        start(parse_sweep({"base": {"dataset": {"name": "mars"}}, "axes": {"model.dropout": "0, 0.5"}}), store)
    impossible = {"base": {"training": {"optimizer": "lbfgs"}}, "axes": {"model.dropout": "0.2, 0.5", "model.tied": "true, false"}}
    with pytest.raises(InputError, match="lbfgs needs a model"):
        start(parse_sweep(impossible), store)
    assert store.sweeps() == []


@pytest.mark.parametrize("path", [path for path, _ in fields()])
def test_every_suggestion_is_an_axis(path):
    text = suggested(parse({}), path)
    if not text:
        return
    axis = parse_sweep({"axes": {path: text}}).axes[path]
    if axis.ordered:
        assert as_values(as_range(axis)).choices[0] == pytest.approx(as_range(axis).low)
        assert isinstance(as_range(axis), Range)


def test_the_best_becomes_a_preset_that_trains_the_same(store, tmp_path):
    config = parse_sweep({"base": parse(merge({}, SMALL)), "axes": {"model.dropout": "0, 0.5", "model.layers": "16, 8; 4"}, "folds": 2})
    sweep = store.create_sweep(config.model_dump(mode="json"), "tpe", "rmse")
    best = trial(3, 0.9, **{"model.dropout": 0.5, "model.layers": [16, 8]})
    values = preset_values(config, best)
    assert parse(values) == parse(merge({}, {**SMALL, "model": {"layers": [16, 8], "dropout": 0.5}}))
    saved = presets.save("my-best", "My best", "What a sweep found.", values)
    assert (presets.preset("my-best"), saved.saved) == (saved, True)
    assert list(presets.presets())[-1] == "my-best"
    (tmp_path / "one.toml").write_text(preset_text(sweep, config_of(sweep), best))
    written = read_toml(tmp_path / "one.toml")
    assert written.pop("title").startswith(sweep.name) and "rmse 0.9000" in written.pop("shows") and written.pop("order")
    assert parse(written) == parse(values)
    for name, words in (("demo", "already"), ("my-best", "already"), ("../x", "is no name"), ("", "is no name")):
        with pytest.raises(InputError, match=words):
            presets.save(name, "t", "s", values)
    (settings().home / "presets" / "broken.toml").write_text("title = ")
    assert "broken" not in presets.presets() and "my-best" in presets.presets()
