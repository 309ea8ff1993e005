"""Sweeps on the command line: started, waited for, listed, told to rest, their best kept; mistakes are one sentence and exit code 2."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import sweepfake

from engine import background, presets
from engine.commands import sweeps
from engine.settings import settings
from engine.store import RunStore
from engine.sweeps import parse_sweep
from engine.sweeps.conductor import Conductor
from engine.sweeps.config import USUAL_TRIALS, SweepConfig
from tests.cli import call, last_json

START = ["sweep", "start", "--epochs", 2, "--field", "model.dropout=0, 0.3", "--field", "training.lr=0.01, 0.1", "--sampler", "grid"]
NUMBERS = {"--trials": "trials", "--minutes": "minutes", "--seeds": "seeds", "--folds": "folds", "--at-a-time": "at_a_time"}
NUMBERS |= {"--sampler-seed": "seed"}


@pytest.fixture(autouse=True)
def store(monkeypatch):
    """The daemon's part is played in this process, a turn each time somebody asks for it."""
    store = RunStore(settings().store_url, settings().artifacts)
    conductor, steps = Conductor(store, lambda: 2), sweepfake.Steps(store)
    monkeypatch.setattr(background, "ensure_daemon", lambda *_, **__: conductor.turn() and steps.turn())
    monkeypatch.setattr(sweeps, "LOOK", 0.0)
    yield store
    store.close()


def test_a_sweep_is_started_waited_for_and_its_best_kept():
    started = call(*START, "--wait", "--json")
    told = last_json(started)
    assert (told["state"], told["asked"], told["counts"]) == ("finished", 4, {"finished": 4})
    assert told["best"]["settings"] == {"model.dropout": 0.3, "training.lr": 0.01} and told["best"]["mean"] == sweepfake.FLOOR
    assert [one["mean"] for one in told["trials"]] == sorted(one["mean"] for one in told["trials"])
    assert "4 settings, 4 runs" in started.stderr and "of 4 settings" in started.stderr
    name = told["name"]
    assert last_json(call("sweep", "list", "--json"))["sweeps"][0]["name"] == name
    shown = call("sweep", "show", name)
    assert shown.stdout.splitlines()[1].split()[:3] == [str(told["best"]["number"]), "rmse", "0.8000"]
    kept = last_json(call("sweep", "keep", name, "my-best", "--json"))
    assert presets.preset("my-best").values == kept["values"] == {"model": {"dropout": 0.3}, "training": {"lr": 0.01, "epochs": 2}}
    assert last_json(call("sweep", "compare", name, 0, 1, "--json"))["metric"] == "rmse"
    assert "has finished: start a new one" in call("sweep", "resume", name, code=2).stderr


def test_a_sweep_rests_and_goes_on(store):
    name = last_json(call(*START, "--seeds", 2, "--at-a-time", 1, "--json"))["name"]
    assert last_json(call("sweep", "pause", name, "--json"))["state"] == "paused"
    assert "is stopped" in call("sweep", "stop", name).stdout
    assert "is running" in call("sweep", "resume", name).stdout
    assert store.get_sweep(name).state == "running"


def test_where_there_is_no_sweep_the_list_says_so():
    assert call("sweep", "list").stdout == "no sweep yet: sweep start begins one\n"
    assert last_json(call("sweep", "list", "--json")) == {"sweeps": []}


def test_help_says_what_each_number_means_and_what_it_is_without_one():
    said = " ".join(call("sweep", "start", "--help").stdout.split())
    for option, field in NUMBERS.items():
        about = said.partition(f"{option} N ")[2].partition(")")[0]
        default = SweepConfig.model_fields[field].default
        assert f"(default: {'' if default is None else default}" in about, option
    assert f"else {USUAL_TRIALS}" in said


def test_a_sweep_that_is_given_up_ends_with_1():
    result = call("sweep", "start", "--epochs", 4, "--field", "training.lr=2, 10", "--sampler", "grid", "--wait", code=1)
    assert "All settings failed" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sweep", "start"], "Nothing varies"),
        (["sweep", "start", "--field", "model.dropout"], "--field takes section.field=values"),
        (["sweep", "start", "--field", "model.dropout=0,1"], "model.dropout: input should be less than 1"),
        (["sweep", "start", "--field", "model.droput=0,1"], "Did you mean 'model.dropout'?"),
        (["sweep", "start", "--field", "model.tied=true,false", "--field", "model.tied=false,true"], "is given twice"),
        (["sweep", "start", "--field", "model.dropout=0,0.5", "--trials", "few"], "trials: input should be a valid integer"),
        (["sweep", "start", "--field", "model.dropout=0,0.5", "--dataset", "mars"], "Unknown dataset 'mars'"),
        (["sweep", "show", "nowhere"], "There is no sweep 'nowhere'."),
        (["sweep", "stop", "nowhere"], "There is no sweep 'nowhere'."),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(store, arguments, words):
    result = call(*arguments, code=2)
    assert words in result.stderr and len(result.stderr.strip().splitlines()) == 1
    assert store.sweeps() == []


def test_what_is_not_there_is_told():
    name = last_json(call(*START, "--epochs", 9, "--json"))["name"]
    assert "There is no setting 9" in call("sweep", "compare", name, 0, 9, code=2).stderr
    assert "No setting of" in call("sweep", "keep", name, "best", code=2).stderr


def test_before_the_first_run_there_is_nothing_to_compare_or_keep(store):
    sweep = store.create_sweep(parse_sweep({"axes": {"training.lr": [0.01, 0.1]}}).model_dump(mode="json"), "tpe")
    store.end_sweep(sweep.id, "stopped")  # or a daemon would be started for it, and ask for a setting
    name = sweep.name
    assert "There is no setting 0: none has begun yet." in call("sweep", "compare", name, 0, 1, code=2).stderr
    assert "No setting of" in call("sweep", "keep", name, "best", code=2).stderr


def test_the_limit_of_a_session_holds_for_the_sweeps_of_the_command_line(store, monkeypatch):
    monkeypatch.setenv("ENCORE_RUNS_PER_SESSION", "1")
    name = last_json(call(*START, "--json"))["name"]
    assert (store.get_sweep(name).owner, store.get_sweep(name).most) == ("cli", 1)
    assert len(store.list(("queued", "running"))) == 1
