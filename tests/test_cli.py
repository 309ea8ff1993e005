"""The command line as scripts see it: last line of stdout is JSON, 2 is the caller's mistake, one sentence on stderr."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli import call, last_json
from tests.engine_processes import end_engine

ROOT = Path(__file__).parents[1]
TOY = [
    "--dataset",
    "synthetic",
    "--set",
    "preprocessing.sample_users=120",
    "--set",
    "preprocessing.sample_items=100",
    "--set",
    "model.layers=8",
]
PRINTED = """
 1  1  1  0  2  0  0  0  1  1
 2  0  1  1  4  0  2  1  3  1
 0  1  0  0  0  0  0  0  0  0
 1  4  0  1  0  1  0  0  0  1
 0  0  0  0  1  0  0  0  0  0
 2  3  1  0  1  1  0  0  0  1
 0  0  0  4  1  0  3  0  4  0
 0  3  0  2 -1  1  1  0  1  1
 1  1  0  0  1  0  0  0  0  0
 1 -1  1  1  4  0  1  1  3  1
 2  5  0  1  0  1  0  0  0  1
 2  0  1 -1  4  0  0  1  1  1
 0  1  0  2  0  0  1  0  2  0
 1  4  0  4  0  1  1  0  3  1
 2  0  1 -1  4  0  0  1  1  1
-1  1  0  3 -1  0  1  0  2  0
 1  2  0  1  0  1  0  0  1  1
 2  4  1  0  1  1  0  0  0  2
"""


def test_svd_of_the_toy_is_the_printed_matrix():
    found = last_json(call("svd", "--dataset", "toy", "--rank", 3, "--json"))
    assert found["reconstruction"] == [[float(cell) for cell in line.split()] for line in PRINTED.strip().splitlines()]
    assert found["recommendations"]["2"] == "7"


def test_datasets_are_listed():
    rows = {row["name"]: row for row in last_json(call("datasets", "--json"))["datasets"]}
    assert rows["synthetic"]["available"]
    assert rows["ml-latest-small"] | {"available": False} == rows["ml-latest-small"]
    assert rows["ml-1m"]["ratings"] == 1_000_209


def test_train_then_show_and_recommend():
    trained = last_json(call("train", *TOY, "--epochs", 3, "--seed", 7, "--split", "last", "--json"))
    assert trained["state"] == "finished"
    assert trained["epochs"] == 3
    assert {"rmse", "rmse_clipped", "rmse_user_mean", "mae"} <= set(trained["metrics"]["test"])
    assert {"rmse", "rmse_clipped"} <= set(trained["baselines"]["svd"])
    assert trained["seconds_per_epoch"] > 0
    assert trained["peak_memory_mb"] > 0
    shown = last_json(call("show", trained["run_id"], "--json"))
    assert shown["config"]["training"] == shown["config"]["training"] | {"epochs": 3, "seed": 7}
    assert shown["config"]["split"]["kind"] == "last"
    assert [run["run_id"] for run in last_json(call("runs", "--json"))["runs"]] == [trained["run_id"]]
    lists = last_json(call("recommend", trained["run_id"], "--user", shown["facts"]["watch_user"], "--top", 4, "--json"))
    assert len(lists["recommendations"]) == len(lists["svd"]) == 4
    best, first = lists["recommendations"][0]["item"], lists["history"][0]["item"]
    asked = ("recommend", trained["run_id"], "--user", shown["facts"]["watch_user"], "--set", f"{first}:-", "--why", best, "--json")
    why = last_json(call(*asked))["why"]
    assert why["base"] + sum(part["contribution"] for part in why["parts"]) == pytest.approx(why["score"])
    assert first not in [part["item"] for part in why["parts"]]


def test_pairwise_questions_are_drawn_written_and_answered_again(tmp_path):
    run_id = last_json(call("train", *TOY, "--epochs", 1, "--json"))["run_id"]
    path = tmp_path / "made" / "answers.csv"
    drawn = last_json(call("pairwise", run_id, "--draw", "popularity", "--draws", 3, "--output", path, "--json"))
    assert (drawn["part"], drawn["questions"], drawn["run"]["pairs"]) == ("test", 3 * drawn["run"]["users"], drawn["questions"])
    assert path.read_text().splitlines()[0].replace('"', "") == "user,item_a,item_b,watched,score_a,score_b,predicted,shown"
    again = last_json(call("pairwise", run_id, path, "--json"))
    assert [again[name] for name in ("run", "popularity", "svd")] == [drawn[name] for name in ("run", "popularity", "svd")]
    asked = [",".join(line.split(",")[:3]) for line in path.read_text().splitlines()]
    (tmp_path / "asked.csv").write_text("\n".join(asked))
    result = call("pairwise", run_id, tmp_path / "asked.csv", "--json")
    assert last_json(result)["predicted"] == drawn["predicted"] and "run" not in last_json(result)
    assert "either a FILE of them or --draw" in call("pairwise", run_id, code=2).stderr
    assert "Unknown sampler 'rndom'" in call("pairwise", run_id, "--draw", "rndom", code=2).stderr
    assert "There is no file" in call("pairwise", run_id, tmp_path / "absent.csv", code=2).stderr
    assert "cannot be written" in call("pairwise", run_id, "--draw", "random", "-o", path / "below.csv", code=2).stderr


def test_a_file_of_ratings_is_a_dataset(tmp_path):
    lines = [f"{user},{item},{1 + (user + item) % 5}" for user in range(30) for item in range(20) if (user * item) % 3]
    path = tmp_path / "mine.csv"
    path.write_text("who,what,stars\n" + "\n".join(lines), encoding="utf-8")
    found = last_json(
        call(
            "train",
            "--dataset",
            path,
            "--set",
            "dataset.user=who",
            "--set",
            "dataset.item=what",
            "--set",
            "model.layers=4",
            "--epochs",
            2,
            "--json",
        )
    )
    assert found["state"] == "finished"


def test_configuration_file_and_set_are_laid_over_each_other(tmp_path):
    (tmp_path / "mine.toml").write_text(
        "[model]\nlayers = [5]\n[training]\nepochs = 2\nlr = 0.5\n[preprocessing]\nsample_users = 100\nsample_items = 80\n"
    )
    trained = last_json(call("train", "--config", tmp_path / "mine.toml", "--set", "training.lr=0.01", "--json"))
    config = last_json(call("show", trained["run_id"], "--json"))["config"]
    assert (config["model"]["layers"], config["training"]["epochs"], config["training"]["lr"]) == ([5], 2, 0.01)


@pytest.fixture
def files(tmp_path):
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "unrated.csv").write_text("user,item\n1,2\n")
    (tmp_path / "words.csv").write_text("user,item,rating\n1,2,4\n1,3,good\n")
    (tmp_path / "bare.csv").write_text("user,item,rating\n" + "".join(f"{u},{i},{1 + u % 5}\n" for u in range(9) for i in range(9)))
    (tmp_path / "tiny.csv").write_text("user,item,rating\n1,1,4\n")
    (tmp_path / "broken.toml").write_text("[model\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--dataset", "{}/absent.csv"], "absent.csv"),
        (["train", "--dataset", "{}/empty.csv"], "empty.csv"),
        (["train", "--dataset", "{}/unrated.csv"], "rating"),
        (["train", "--dataset", "{}/words.csv"], "good"),
        (["train", "--dataset", "{}/bare.csv", "--split", "time"], "no timestamps"),
        (["train", "--dataset", "{}/tiny.csv"], "leaves no"),
        (["train", "--dataset", "ml-lastest-small"], "Did you mean 'ml-latest-small'"),
        (["train", "--split", "rnadom"], "Did you mean 'random'"),
        (["train", "--set", "model.layrs=3"], "Did you mean 'model.layers'"),
        (["train", "--set", "model.layers=0"], "at least one unit"),
        (["train", "--set", "model.layers=512,-1"], "at least one unit"),
        (["train", "--set", "model.dropout=1.5"], "less than 1"),
        (["train", "--epochs", "0"], "training.epochs"),
        (["train", "--epochs", "many"], "training.epochs"),
        (["train", "--set", "training.lr"], "section.field=value"),
        (["train", "--config", "{}/absent.toml"], "no configuration file"),
        (["train", "--config", "{}/broken.toml"], "not readable as TOML"),
        (["train", "--preset", "dmo"], "Did you mean 'demo'"),
        (["train", "--model", "svd", "--dataset", "toy", "--set", "model.rank=99"], "at most"),
        (["submit", "--dataset", "netflix"], "cannot be downloaded"),
        (["train", "--dataset", "toy", "--set", "training.row_steps=on", "--set", "training.l2=1"], "row_steps"),
        (["submit", "--dataset", "nope"], "Unknown dataset 'nope'"),
        (["submit", "--dataset", "{}/absent.csv"], "absent.csv"),
        (["submit", "--dataset", "toy", "--split", "last"], "no timestamps"),
        (["submit", "--model", "svd", "--dataset", "toy"], "at most 10"),
        (["submit", "--set", "model.layers=50000000"], "make model.layers and the like or training.batch_size smaller"),
        (["train", "--set", "model.layers=abc"], "model.layers: input should be a valid list"),
        (["show", "000000000000"], "no run '000000000000'"),
        (["stop", "nobody"], "no run 'nobody'"),
        (["recommend", "000000000000", "--user", "1"], "no run"),
        (["recommend", "000000000000"], "--user ID or --ratings"),
        (["svd", "--dataset", "toy", "--rank", "0"], "between 1 and 10"),
        (["svd", "--dataset", "toy", "--rank", "11"], "between 1 and 10"),
        (["train", "--set", "training.device=tpu"], "training.device"),
        (["train", "--split", "users", "--set", "model.orientation=item"], "cannot score held-out users"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(files, arguments, words):
    result = call(*(argument.replace("{}", str(files)) for argument in arguments), code=2)
    sentence = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(sentence) == 1, result.stderr
    assert words in sentence[0]
    assert "Traceback" not in result.stderr + result.stdout


def test_an_unknown_user_is_answered():
    trained = last_json(call("train", *TOY, "--epochs", 1, "--json"))
    result = call("recommend", trained["run_id"], "--user", "Nobody Known", code=2)
    assert "There is no user 'Nobody Known'" in result.stderr


def test_submitted_runs_are_trained_by_the_daemon_and_obey():
    """submit → pause → resume → finished, with the real daemon, and the same figures as in the foreground."""
    options = [*TOY, "--epochs", 500]
    trained = last_json(call("train", *options, "--json"))
    run_id = last_json(call("submit", *options, "--json"))["run_id"]
    try:
        wait_for(run_id, lambda run: run["epochs"] >= 3)
        call("pause", run_id)
        paused = wait_for(run_id, lambda run: run["state"] == "paused")
        assert 3 <= paused["epochs"] < 500
        assert last_json(call("resume", run_id, "--json"))["state"] == "queued"
        finished = wait_for(run_id, lambda run: run["state"] not in ("queued", "running"))
        assert finished["state"] == "finished"
        assert finished["metrics"] == trained["metrics"]
        assert call("stop", run_id, code=2).stderr.endswith("has finished already.\n")
    finally:
        end_engine(os.environ["ENCORE_HOME"])


def wait_for(run_id, condition, seconds=180):
    deadline = time.monotonic() + seconds
    while True:
        run = last_json(call("show", run_id, "--json"))
        if condition(run):
            return run
        assert time.monotonic() < deadline, run
        time.sleep(0.1)


def test_a_failure_that_is_no_mistake_exits_with_1():
    result = call("train", *TOY, "--set", "training.optimizer=sgd", "--set", "training.lr=1e9", code=1)
    assert "Error: The loss stopped being a number in epoch" in result.stderr


def test_progress_goes_to_stderr_and_the_process_exits_as_promised():
    """In a process of its own, as a script would call it."""
    command = [sys.executable, "-m", "engine"]
    good = subprocess.run(
        [*command, "train", *TOY, "--epochs", "1", "--json"], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert good.returncode == 0, good.stderr
    assert len(good.stdout.strip().splitlines()) == 1
    assert "epoch 1" in good.stderr
    bad = subprocess.run([*command, "train", "--set", "model.dropout=1.5"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert bad.returncode == 2
    assert bad.stderr.strip() == "Error: model.dropout: input should be less than 1 (not 1.5)."
