"""Sweeps led over a queue of runs that only pretend: what is asked, stopped, repeated, given up, and gone on with after a death."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
import sweepfake

from engine.errors import InputError
from engine.store import Place, RunStore, TakenError
from engine.sweeps import Range, Trial, best_of, config_of, grid, parse_sweep, trials_of
from engine.sweeps.conductor import Conductor
from engine.sweeps.sampling import next_setting
from engine.sweeps.trials import _as_axis_has_it

AXES = {"model.dropout": "0, 0.15, 0.3, 0.45", "training.lr": "0.0001..0.1 log"}
GRID = {"model.dropout": "0, 0.15, 0.3, 0.45", "training.lr": "0.0001..0.1 log step 10"}


def started(store, epochs=2, **given):
    """A sweep of short runs."""
    config = parse_sweep({"base": {"training": {"epochs": epochs}}, "axes": AXES, "trials": 8, **given})
    return store.create_sweep(config.model_dump(mode="json"), config.sampler, config.metric_name)


def led(store, sweep, *, reborn=False, turns=400, after=lambda turn: None):
    """The sweep's trials when it does not run any more; with `reborn` another conductor leads it after each turn."""
    conductor, runs = Conductor(store, lambda: 2), sweepfake.Steps(store)
    for turn in range(turns):
        if not conductor.turn():
            break
        runs.turn()
        after(turn)
        conductor = Conductor(store, lambda: 2) if reborn else conductor
    else:
        raise AssertionError("the sweep does not end")
    return trials_of(store.get_sweep(sweep.id), config_of(sweep), store)


def told(trials: list[Trial]):
    return [(trial.number, dict(trial.settings), trial.state, trial.mean) for trial in trials]


def test_a_grid_finds_the_planted_best(store):
    sweep = started(store, axes=GRID, sampler="grid", trials=None)
    trials = led(store, sweep)
    ended = store.get_sweep(sweep.id)
    assert (ended.state, ended.asked, ended.metric) == ("finished", 16, "rmse")
    assert [trial.settings for trial in trials] == [*grid(config_of(sweep))]
    best = best_of(trials, "rmse")
    assert best.settings == sweepfake.BEST and best.mean == sweepfake.FLOOR
    assert [run.sweep for run in store.list()] == [sweep.id] * 16


@pytest.mark.parametrize("pruner", ["none", "median", "hyperband"])
@pytest.mark.parametrize("sampler", ["grid", "random", "tpe"])
def test_every_sampler_with_every_pruner_asks_once_and_ends(store, sampler, pruner):
    sweep = started(store, 5 if pruner != "none" else 1, axes=GRID, sampler=sampler, pruner=pruner, trials=10, at_a_time=3)
    trials = led(store, sweep)
    assert store.get_sweep(sweep.id).state == "finished"
    assert [trial.number for trial in trials] == [*range(10)]
    assert len({str(trial.settings) for trial in trials}) == 10
    assert [len(trial.runs) for trial in trials] == [1] * 10
    states = {trial.state for trial in trials}
    assert states == ({"finished"} if pruner == "none" else {"finished", "pruned"})
    for trial in trials:
        run = store.get(trial.runs[0].id)
        assert run.config["model"]["dropout"] == trial.settings["model.dropout"]
        if trial.state == "pruned":
            epoch, value = trial.runs[0].pruned
            assert run.state == "stopped" and epoch <= run.epoch < run.epochs
            assert value == pytest.approx(sweepfake.at_epoch(sweepfake.objective(run.config), epoch))
        else:
            assert trial.mean == sweepfake.objective(run.config)
    best = best_of(trials, "rmse")
    assert best.mean == min(sweepfake.objective(store.get(trial.runs[0].id).config) for trial in trials)


@pytest.mark.parametrize(("sampler", "pruner", "epochs", "trials"), [("random", "median", 4, 9), ("tpe", "none", 1, 14)])
def test_a_conductor_that_dies_after_each_turn_does_as_one_that_lives(store, sampler, pruner, epochs, trials):
    """TPE's model is told everything anew, and asks for the same."""
    how = {"sampler": sampler, "pruner": pruner, "trials": trials, "at_a_time": 1, "epochs": epochs}
    undisturbed = led(store, started(store, **how))
    assert told(led(store, started(store, **how), reborn=True)) == told(undisturbed)
    assert {trial.state for trial in undisturbed} == ({"finished"} if pruner == "none" else {"finished", "pruned"})


def test_tpe_learns_where_it_is_good(store):
    trials = led(store, started(store, 1, sampler="tpe", trials=24, at_a_time=1))
    first, last = trials[:10], trials[-8:]
    assert sum(trial.mean for trial in last) / 8 < sum(trial.mean for trial in first) / 10 - 0.02


def test_a_setting_is_the_mean_of_its_repetitions(store):
    trials = led(store, started(store, seeds=2, folds=2, trials=3))
    for trial in trials:
        values = [sweepfake.objective(store.get(run.id).config) for run in trial.runs]
        assert (trial.values, trial.mean) == (values, pytest.approx(sum(values) / 4))
        assert trial.sd == pytest.approx(0.00129, abs=1e-5)
        assert [(run.config["training"]["seed"], run.config["split"]["fold"]) for run in (store.get(one.id) for one in trial.runs)] == [
            (0, 0),
            (1, 0),
            (0, 1),
            (1, 1),
        ]


def test_a_pruned_setting_is_not_repeated(store):
    trials = led(store, started(store, 4, sampler="random", pruner="median", seeds=3, trials=9))
    assert {(trial.state, len(trial.runs)) for trial in trials} == {("finished", 3), ("pruned", 1)}


def test_no_more_runs_than_asked_for_wait_or_run_at_once(store):
    seen = []
    led(store, started(store, at_a_time=3, seeds=2), after=lambda _: seen.append(sum(store.counts()[one] for one in ("queued", "running"))))
    assert max(seen) <= 3


def test_a_setting_that_diverges_is_told_as_failed_and_the_sweep_goes_on(store):
    sweep = started(store, 4, sampler="grid", axes={"training.lr": "0.001, 0.01, 10"}, trials=None)
    trials = led(store, sweep)
    assert store.get_sweep(sweep.id).state == "finished"
    assert {trial.settings["training.lr"]: trial.state for trial in trials} == {0.001: "finished", 0.01: "finished", 10.0: "failed"}
    assert "stopped being a number" in next(trial.error for trial in trials if trial.error)


@pytest.mark.parametrize(("axis", "sentence"), [("2..10", "The first "), ("2, 10", "All settings failed")])
def test_a_sweep_whose_first_settings_all_fail_ends_with_a_sentence(store, axis, sentence):
    sweep = started(store, 4, axes={"training.lr": axis}, trials=40)
    led(store, sweep)
    ended = store.get_sweep(sweep.id)
    assert ended.state == "failed" and ended.asked < 10
    assert ended.error.startswith(sentence) and "try a lower learning rate. Change the base" in ended.error
    assert not store.list(("queued", "running"))


def test_a_metric_that_no_run_has_is_told(store):
    sweep = started(store, metric="coverage")
    led(store, sweep)
    assert "It has no validation coverage@10" in store.get_sweep(sweep.id).error


def test_a_small_space_is_tried_once_and_then_the_sweep_ends(store):
    for sampler in ("random", "tpe"):
        sweep = started(store, axes={"model.dropout": "0, 0.3"}, sampler=sampler, trials=50)
        assert len(led(store, sweep)) == 2


def test_time_ends_a_sweep_and_its_last_runs_finish(store):
    sweep = started(store, 4, trials=None, minutes=1, sampler="random")
    trials = led(store, sweep, after=lambda turn: turn != 20 or store.change_sweep(sweep.id, seconds=60.0))
    assert store.get_sweep(sweep.id).state == "finished"
    assert 3 < len(trials) < 15 and all(trial.state == "finished" for trial in trials)


@pytest.mark.parametrize(("want", "state"), [("pause", "paused"), ("stop", "stopped")])
def test_a_sweep_rests_with_its_runs_and_goes_on(store, want, state):
    sweep = started(store, 4, seeds=2, sampler="random", trials=5)
    resting = led(store, sweep, after=lambda turn: turn != 6 or store.ask_sweep(sweep.name, want))
    while sweepfake.Steps(store).turn():
        pass
    assert store.get_sweep(sweep.id).state == state
    assert not store.list(("queued", "running")) and store.list((state,))
    assert store.ask_sweep(sweep.id, "run").state == "running"
    trials = led(store, sweep)
    assert [trial.settings for trial in trials[: len(resting)]] == [trial.settings for trial in resting]
    assert all(trial.state == "finished" and len(trial.runs) == 2 for trial in trials) and len(trials) == 5
    with pytest.raises(InputError, match="has finished: start a new one"):
        store.ask_sweep(sweep.id, "run")


def test_in_a_sweep_that_rests_no_setting_is_told_as_running(store):
    sweep = started(store, 2, seeds=3, sampler="random", trials=2, at_a_time=1)
    # When the first of the three has finished and the second is not begun.
    led(store, sweep, after=lambda _: store.list(("finished",)) and store.ask_sweep(sweep.id, "pause"))
    for want, state in (("pause", "paused"), ("stop", "stopped")):
        resting = store.ask_sweep(sweep.id, want)
        while sweepfake.Steps(store).turn():
            pass
        assert {trial.state for trial in trials_of(resting, config_of(resting), store)} == {state}
    ended = store.get_sweep(sweep.id).finished
    assert store.ask_sweep(sweep.id, "stop").finished == ended, "what is so already is left as it is"
    store.ask_sweep(sweep.id, "run")
    assert [trial.state for trial in led(store, sweep)] == ["finished"] * 2
    store.delete(store.runs_of(sweep.id)[0].id)
    assert [trial.state for trial in trials_of(store.get_sweep(sweep.id), config_of(sweep), store)] == ["finished", "stopped"]


def test_numbers_of_more_digits_than_a_database_keeps_are_told_as_asked_for(store):
    sweep = started(store, 1, axes={"training.lr": [0.012345678901234567, 0.1]}, sampler="grid", trials=2)
    trials = led(store, sweep)
    assert store.get_sweep(sweep.id).state == "finished"
    assert [trial.settings for trial in trials] == [*grid(config_of(sweep))]
    assert _as_axis_has_it(Range(low=0.01, high=0.12345678901234567), 0.123456789012346) == 0.12345678901234567


def test_a_damaged_row_keeps_nobody_from_the_others(store):
    """Bits flip: the run is told as one that failed, and line and sweeps go on."""
    sweep = started(store, 1, sampler="tpe", axes={"training.lr": "0.01, 0.02, 0.03"}, trials=3, at_a_time=1)

    def damage(turn):
        if turn == 1:
            with store._engine.begin() as connection:
                connection.exec_driver_sql("UPDATE runs SET config = replace(config, '{', '[') WHERE trial = 0")

    trials = led(store, sweep, after=damage)
    assert store.get_sweep(sweep.id).state == "finished"
    assert [(trial.state, bool(trial.settings)) for trial in trials] == [("failed", False), *[("finished", True)] * 2]
    assert "is damaged" in str(trials[0].error)
    waits = [store.create({"training": {"device": "cpu"}}) for _ in range(2)]
    with store._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE runs SET config = '[' WHERE id = ?", (waits[0].id,))
    assert [(one.id, one.device) for one in store.waiting()] == [(waits[0].id, "auto"), (waits[1].id, "cpu")]


def test_resuming_wakes_no_run_that_was_pruned(store):
    sweep = started(store, 5, sampler="random", pruner="hyperband", trials=12)
    led(store, sweep, after=lambda turn: turn != 9 or store.ask_sweep(sweep.id, "stop"))
    while sweepfake.Steps(store).turn():
        pass
    pruned = {run.id for run in store.list(("stopped",)) if "pruned" in (run.facts or {})}
    assert pruned
    store.ask_sweep(sweep.id, "run")
    assert pruned <= {run.id for run in store.list(("stopped",))}


def test_what_a_person_does_to_a_run_counts(store):
    sweep = started(store, 4, axes=GRID, sampler="grid", trials=4, at_a_time=4)

    def meddle(turn):
        if turn == 1:
            first, second, third, _ = reversed(store.list())
            store.ask(first.id, "stop")
            store.ask(second.id, "pause")
            if store.get(third.id).state == "queued":
                store.delete(third.id)
        if turn == 6:
            store.ask(store.list(("paused",))[0].id, "run")

    trials = led(store, sweep, after=meddle)
    assert [trial.state for trial in trials] == ["stopped", "finished", "deleted", "finished"]
    assert store.get_sweep(sweep.id).state == "finished"


def test_a_place_is_given_once_and_in_a_sweep_that_runs_alone(store):
    sweep = started(store)
    config = config_of(sweep).run_config({"model.dropout": 0.3, "training.lr": 0.01}).model_dump(mode="json")
    assert store.create(config, place=Place(sweep.id, 0, 0)).trial == 0
    for place in (Place(sweep.id, 0, 0), Place(sweep.id, 2, 0), Place("000000000000", 0, 0)):
        with pytest.raises(TakenError):
            store.create(config, place=place)
    assert store.get_sweep(sweep.id).asked == 1
    store.ask_sweep(sweep.id, "pause")
    with pytest.raises(TakenError):
        store.create(config, place=Place(sweep.id, 1, 0))
    assert len(store.list()) == store.get_sweep(sweep.id).asked == 1


def test_a_database_of_either_kind_tells_settings_values_and_early_stops(store_url, tmp_path):
    store = RunStore(store_url, tmp_path)
    axes = {"model.tied": "true, false", "model.layers": "8, 4; 6", "evaluation.liked": "null, 3", "training.lr": "0.01, 1"}
    sweep = started(store, 5, axes=axes, sampler="grid", pruner="median", metric="rmse", trials=9, seeds=2)
    trials = led(store, sweep)
    assert [trial.settings for trial in trials] == [*grid(config_of(sweep))][:9]
    assert {type(trial.settings["model.tied"]) for trial in trials} == {bool}
    assert {trial.state for trial in trials} == {"finished", "pruned"}
    for trial in trials:
        last = trial.runs[0].pruned
        assert trial.mean is not None if last is None else last[1] > sweepfake.FLOOR
    assert store.get_sweep(sweep.id).state == "finished" and not store.any_sweep_runs()
    store.close()


def test_a_sweep_that_cannot_be_read_ends_with_a_sentence(store):
    sweep = store.create_sweep({"axes": {"model.nowhere": {"values": [1, 2]}}}, "grid")
    Conductor(store, lambda: 1).turn()
    assert "Unknown field 'model.nowhere'" in store.get_sweep(sweep.id).error


def test_the_next_setting_follows_from_what_there_is_alone(store):
    config = parse_sweep({"axes": AXES, "seed": 5})
    one = Trial(0, {"model.dropout": 0.3, "training.lr": 0.02}, "waiting", ())
    assert next_setting(config, (), "rmse") == next_setting(config, (), "rmse")
    assert next_setting(config, [one], "rmse") == next_setting(config, [one], "ndcg@10")
    assert len(f"{next_setting(config, [one], 'rmse')['training.lr']:g}") < 10


def test_two_that_lead_one_sweep_at_once_ask_for_each_trial_once(store):
    """As when a daemon that was thought dead wakes up again."""
    sweep = started(store, 1, sampler="random", trials=12, seeds=2)
    runs, ended = sweepfake.Steps(store), threading.Event()

    def lead() -> None:
        conductor = Conductor(RunStore(store.url, store.artifacts), lambda: 4)
        while not ended.is_set():
            conductor.turn()

    leaders = [threading.Thread(target=lead) for _ in range(2)]
    for leader in leaders:
        leader.start()
    deadline = time.monotonic() + 30
    while store.get_sweep(sweep.id).state == "running" and time.monotonic() < deadline:
        runs.turn(4)
    ended.set()
    for leader in leaders:
        leader.join()
    trials = trials_of(store.get_sweep(sweep.id), config_of(sweep), store)
    assert [(trial.number, trial.state, len(trial.runs)) for trial in trials] == [(number, "finished", 2) for number in range(12)]
    assert len(store.list()) == 24


@settings_of_hypothesis(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["turn", "epoch", "epoch", "reborn", "pause", "run", "stop one", "wake one"]), min_size=10, max_size=25))
def test_whatever_happens_every_trial_has_its_runs_once_and_the_sweep_can_end(store, deeds):
    sweep = started(store, 2, sampler="random", trials=4, seeds=2, pruner="median")
    conductor, runs = Conductor(store, lambda: 2), sweepfake.Steps(store)
    for deed in deeds:
        some = [run for run in store.runs_of(sweep.id) if run.state in ("queued", "running")]
        resting = [run for run in store.runs_of(sweep.id) if run.state == "stopped"]
        if deed == "turn":
            conductor.turn()
        elif deed == "epoch":
            runs.turn()
        elif deed == "reborn":
            conductor = Conductor(store, lambda: 2)
        elif deed in ("pause", "run") and store.get_sweep(sweep.id).state != "finished":
            store.ask_sweep(sweep.id, deed)
        elif deed == "stop one" and some:
            store.ask(some[0].id, "stop")
        elif deed == "wake one" and resting:
            store.ask(resting[0].id, "run")
        places = [(run.trial, run.repeat) for run in store.runs_of(sweep.id)]
        assert len(places) == len(set(places))
        assert {trial for trial, _ in places} == set(range(store.get_sweep(sweep.id).asked))
    if store.get_sweep(sweep.id).state == "paused":
        store.ask_sweep(sweep.id, "run")
    trials = led(store, sweep)
    assert store.get_sweep(sweep.id).state == "finished"
    assert {trial.state for trial in trials} <= {"finished", "pruned", "stopped"} and len(trials) == 4
