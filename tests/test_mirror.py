"""What MLflow has of runs: all of it, once, without the run's knowing; and nothing at all where nobody asked for it."""

import csv
import http.server
import itertools
import os
import socket
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from engine import experiment, runs
from engine.commands import main
from engine.config import parse
from engine.evaluation import recommend
from engine.mirror import conversation, follow, process
from engine.mirror.process import Mirror, connect, sentence
from engine.settings import settings

ROOT = Path(__file__).parents[1]
SECONDS = 90
"""A machine with much else to do imports MLflow for long."""


@pytest.fixture(scope="module")
def ratings(tmp_path_factory):
    rng = np.random.default_rng(5)
    user, item = np.nonzero(rng.random((50, 20)) < 0.5)
    values = (rng.integers(1, 6, len(user)) + rng.integers(1, 6, 20)[item]) // 2
    path = tmp_path_factory.mktemp("ratings") / "films.csv"
    pd.DataFrame({"user": [f"u{one}" for one in user], "item": item, "rating": values}).to_csv(path, index=False, quoting=csv.QUOTE_MINIMAL)
    return path


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The address of an MLflow store in a folder, which runs are mirrored to."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("ENCORE_IDLE", "1")
    monkeypatch.setenv(follow.VARIABLE, (tmp_path / "mlruns").as_uri())
    return (tmp_path / "mlruns").as_uri()


@pytest.fixture
def alone(monkeypatch):
    """Runs are noted, and no process is started for them."""
    monkeypatch.setattr(follow, "_start", lambda files, store: None)


def made(store, ratings, epochs=3, **model):
    config = {"dataset": {"name": str(ratings)}, "evaluation": {"max_rank": 3}, "training": {"epochs": epochs, "batch_size": 16}}
    return store.create(parse({**config, "model": model or {"layers": [6]}}).model_dump(mode="json"))


def mirror_of(store, server, **options):
    return Mirror(follow.place(store.url, server), store, connect(server), **{"idle": 0.1, "pace": 0.0, **options})


def only_run(server):
    """The one run of the one experiment, as MLflow tells it."""
    client = connect(server)
    experiment = client.get_experiment_by_name("films")
    (found,) = client.search_runs([experiment.experiment_id])
    return found


def same_curves(server, store, run):
    """Every epoch of every curve is there, once, with its value."""
    client, mirrored = connect(server), only_run(server)
    rows = store.metrics(run.id)
    rows = rows[~rows["name"].str.startswith("batch/")]
    assert len(rows)
    for name, values in rows.groupby("name"):
        points = client.get_metric_history(mirrored.info.run_id, name.replace("@", "_at_"))
        assert [(point.step, point.value) for point in points] == [*zip(values["epoch"], values["value"], strict=True)]


def test_a_process_of_its_own_mirrors_a_run_to_a_model_that_scores_as_the_engine_does(store, ratings, server):
    run = made(store, ratings)
    runs.execute(run.id, store)
    run = store.get(run.id)
    assert run.state == "finished" and "mlflow.tracking" not in sys.modules, "not in the run's process"
    files = follow.place(store.url, server)
    deadline = time.monotonic() + SECONDS
    while files.notes() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not files.notes(), files.log.read_text()
    mirrored = only_run(server)
    assert (mirrored.info.run_name, mirrored.info.status) == (run.name, "FINISHED")
    assert mirrored.data.params["model.layers"] == "[6]" and mirrored.data.params["training.epochs"] == "3"
    assert "training.lr" not in mirrored.data.params, "a default"
    assert mirrored.data.metrics["test/rmse"] == pytest.approx(run.summary["metrics"]["test"]["rmse"])
    assert {one.path for one in connect(server).list_artifacts(mirrored.info.run_id)} == {"config.toml", "figures.json", "metrics.csv"}
    same_curves(server, store, run)
    scores_as_the_engine(mirrored, server, experiment.load_model(run.id, store))


def scores_as_the_engine(mirrored, server, trained):
    import mlflow

    mlflow.set_tracking_uri(server)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MLflow's
        model = mlflow.pyfunc.load_model(mirrored.data.tags["encore.model"])
    assert "asks for a prediction" in model.metadata.metadata["does"]
    assert not list(Path(mirrored.info.artifact_uri.removeprefix("file://")).parents[1].rglob("*.pkl"))
    data, visible = trained.split.interactions, trained.split.visible
    row, other = visible[[4]], visible[[9]]
    shown = [
        {"user": name, "item": str(data.items.index[item]), "rating": float(rating)}
        for name, ratings in (("someone", row), ("somebody else", other))
        for item, rating in zip(ratings.indices, ratings.data, strict=True)
    ]
    lists = model.predict(pd.DataFrame(shown), params={"top": 4})
    best, scores = recommend(trained.model, visible, 4, 4)
    first = lists[lists["user"] == "someone"]
    assert (first["item"].tolist(), first["place"].tolist()) == ([str(data.items.index[item]) for item in best], [1, 2, 3, 4])
    np.testing.assert_allclose(first["score"], scores, rtol=1e-5, atol=1e-5)
    assert len(lists) == 8 and (lists["title"].str.len() > 0).all()
    asked = [("somebody else", int(best[0])), ("someone", 3), ("someone", 5)]
    pairs = [{"user": name, "item": str(data.items.index[item]), "rating": np.nan} for name, item in asked]
    answer = model.predict(pd.DataFrame([*pairs, *shown, {"user": "someone", "item": "unheard of", "rating": np.nan}]))
    expected = [trained.model.score(visible, np.array([4 if name == "someone" else 9]))[0, item] for name, item in asked]
    np.testing.assert_allclose(answer["score"], [*expected, np.nan], rtol=1e-5, atol=1e-5)
    assert [*zip(answer["user"], answer["item"], strict=True)][:3] == [(one["user"], one["item"]) for one in pairs]


def test_a_resumed_run_goes_on_as_the_same(store, ratings, server, alone, monkeypatch):
    monkeypatch.setattr(runs, "BEAT_EVERY", 0.0)
    run = made(store, ratings)
    beat = store.beat

    def stopping(run_id, **told):
        if told.get("epoch") == 1:
            store.ask(run_id, "stop")
        return beat(run_id, **told)

    with monkeypatch.context() as stopped:
        stopped.setattr(store, "beat", stopping)
        runs.execute(run.id, store)
    assert store.get(run.id).state == "stopped"
    assert mirror_of(store, server).work() == []
    first = only_run(server)
    assert (first.info.status, first.data.tags["encore.state"]) == ("KILLED", "stopped")
    same_curves(server, store, run)
    store.ask(run.id, "run")
    runs.execute(run.id, store)
    assert store.get(run.id).state == "finished"
    assert mirror_of(store, server).work() == []
    again = only_run(server)
    assert (again.info.run_id, again.info.status, again.data.tags["encore.state"]) == (first.info.run_id, "FINISHED", "finished")
    same_curves(server, store, run)
    assert again.data.tags["encore.model"].startswith("models:/")
    assert mirror_of(store, server).work() == [], "nothing is left to tell"


def test_a_conversation_that_was_cut_anywhere_is_taken_up_where_it_stopped(store, ratings, server, alone):
    run = made(store, ratings, epochs=2)
    runs.execute(run.id, store)
    store._write(lambda connection: connection.exec_driver_sql("UPDATE runs SET state = 'failed', error = 'The disk was full.'"))
    client = connect(server)
    for cut in itertools.count(1):
        begun = conversation.converse(run.id, store, client)
        if len([*itertools.islice(begun, cut)]) < cut:
            break
        begun.close()
    assert cut >= 8
    mirrored = only_run(server)
    assert (mirrored.info.status, mirrored.data.tags["encore.error"]) == ("FAILED", "The disk was full.")
    assert {one.path for one in client.list_artifacts(mirrored.info.run_id)} == {"config.toml", "figures.json", "metrics.csv"}
    same_curves(server, store, run)


def test_a_run_is_followed_while_it_trains(store, ratings, server, alone):
    """Rows and states as they come, and a process that is gone between them."""
    run = made(store, ratings)
    client = connect(server)
    store.claim(run.id)
    talk = conversation.converse(run.id, store, client)

    def listen(steps=12):
        for _ in range(steps):
            next(talk)
        return only_run(server)

    row = ("train/seconds", 0.5)
    store.add_metrics(run.id, [(4, *row, 1.0, 0.5), (4, "batch/loss", 2.0, 1.0, 0.5)])
    assert listen().info.status == "RUNNING"
    store.add_metrics(run.id, [(4, "batch/loss", 2.0, 1.0, 0.5), (8, "batch/loss", 2.0, 2.0, 1.0)])
    listen()
    store.add_metrics(run.id, [(8, *row, 2.0, 1.0)])
    points = client.get_metric_history(listen().info.run_id, "train/seconds")
    assert [point.step for point in points] == [1, 2], "also where a point within the epoch came first"
    assert points[1].timestamp - points[0].timestamp == 500
    store.lose(store.get(run.id), "The run's process was lost.")
    mirrored = listen()
    assert (mirrored.info.status, mirrored.data.tags["encore.state"]) == ("SCHEDULED", "queued")
    assert "batch/loss" not in mirrored.data.metrics


def test_what_people_write_on_a_run_is_told_whenever_they_write_it(store, ratings, server, alone):
    run = made(store, ratings, name="bias")
    store.claim(run.id)
    talk = conversation.converse(run.id, store, connect(server))

    def tags(steps=8):
        for _ in range(steps):
            next(talk)
        return only_run(server).data.tags

    assert "encore.tags" not in tags(12)
    store.edit(run.id, tags=["lesson 3", "best"], remark="Look at this.")
    assert (tags()["encore.tags"], tags()["mlflow.note.content"]) == ("lesson 3, best", "Look at this.")
    store.finish(run.id, "failed", error="The disk was full.")
    assert [*talk] and only_run(server).data.tags["encore.error"] == "The disk was full."
    store.ask(run.id, "run")
    runs.execute(run.id, store)
    assert mirror_of(store, server).work() == []
    assert only_run(server).data.tags["encore.error"] == "", "it has finished since"
    changed = CliRunner().invoke(main, ["runs", "edit", run.id, "--tags", "last", "--note", ""])
    assert changed.exit_code == 0 and follow.place(store.url, server).notes() == [run.id], "it is to be followed once more"
    assert mirror_of(store, server).work() == []
    assert only_run(server).data.tags["encore.tags"] == "last"


def test_what_cannot_be_exported_has_no_model_and_says_so(store, ratings, server, alone):
    run = made(store, ratings, name="bias")
    runs.execute(run.id, store)
    store.add_facts(run.id, {"split_fingerprint": "0" * 16})
    assert mirror_of(store, server).work() == []
    assert only_run(server).data.tags["encore.model"] == "none"
    assert [text for _, text in store.logs(run.id) if "MLflow gets no model of this run: The ratings of" in text]


# --- servers that do not answer as they should ---


class Wrong(http.server.BaseHTTPRequestHandler):
    """Somebody else's server: it answers everything, and nothing as MLflow does."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<h1>It works!</h1>")

    do_POST = do_GET

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture(params=["closed", "silent", "wrong"])
def useless(request, monkeypatch):
    """An address where nobody listens, nobody answers, or somebody else does."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://someone:secret@127.0.0.1:{listening.getsockname()[1]}"
        if request.param == "closed":
            listening.close()
        if request.param == "wrong":
            listening.close()
            with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Wrong) as found:
                threading.Thread(target=found.serve_forever, daemon=True).start()
                monkeypatch.setenv(follow.VARIABLE, f"http://someone:secret@127.0.0.1:{found.server_port}")
                yield os.environ[follow.VARIABLE]
                found.shutdown()
            return
        monkeypatch.setenv(follow.VARIABLE, address)
        yield address


def test_a_useless_server_is_told_of_once_and_the_run_is_kept_for_a_better_time(store, ratings, useless, alone):
    run = made(store, ratings, name="bias")
    runs.execute(run.id, store)
    assert store.get(run.id).state == "finished"
    for _ in range(2):
        assert mirror_of(store, useless).work() == [run.id]
    told = [text for _, text in store.logs(run.id) if "MLflow" in text]
    assert len(told) == 1 and told[0].startswith("MLflow does not have all of this run yet (")
    assert "secret" not in told[0] and "\n" not in told[0]


@pytest.mark.parametrize("broken", ["_start", "_served", "place"])
def test_nothing_that_goes_wrong_around_a_run_is_its_affair(store, ratings, server, monkeypatch, broken):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(follow, broken, fail)
    run = made(store, ratings, name="bias")
    runs.execute(run.id, store)
    assert store.get(run.id).state == "finished"


def test_without_mlflows_library_the_log_says_what_to_install(store, ratings, server, monkeypatch):
    monkeypatch.setattr(follow, "find_spec", lambda name: None)
    run = made(store, ratings, name="bias")
    runs.execute(run.id, store)
    assert [text for _, text in store.logs(run.id) if "MLflow" in text] == [follow.MISSING]
    assert not (settings().home / "mlflow").exists()


def test_no_more_than_one_request_a_second_and_run(store, server, monkeypatch):
    asked = []

    def talk(self, run_id):
        for _ in range(4):
            asked.append((run_id, time.monotonic()))
            yield

    monkeypatch.setattr(Mirror, "begin", talk)
    mirror = mirror_of(store, server, pace=0.1, idle=0.3)
    mirror.files.folder.mkdir(parents=True)
    for run_id in ("a" * 12, "b" * 12):
        mirror.files.note(run_id).touch()
    began = time.monotonic()
    assert mirror.work() == []
    for run_id in ("a" * 12, "b" * 12):
        times = [moment for one, moment in asked if one == run_id]
        assert len(times) == 4 and min(np.diff(times)) >= 0.1
    assert time.monotonic() - began < 10, "the runs are told of side by side, and the process leaves"
    assert process.SECOND == 1.0


def test_two_processes_never_mirror_the_same(store, server, monkeypatch):
    files = follow.place(store.url, server)
    files.folder.mkdir(parents=True)
    files.note("a" * 12).touch()
    assert not follow._served(files)
    with process.FileLock(files.lock):
        assert follow._served(files)
        monkeypatch.setattr(process, "connect", lambda server: pytest.fail("another one is at it"))
        process.serve(store)


def test_batches_hold_whole_epochs_and_no_more_than_a_request_may():
    names = [f"validation/m{number}" for number in range(11)]
    rows = pd.DataFrame(
        [(8 * epoch, name, epoch / 2, float(epoch), 0.1 * epoch) for epoch in range(1, 301) for name in names],
        columns=["step", "name", "value", "epoch", "seconds"],
    )
    batches = [*conversation._batches(rows, 1000)]
    assert all(len(batch) <= conversation.BATCH for batch in batches)
    assert sum(map(len, batches)) == len(rows)
    ends = [{point.step for point in batch} for batch in batches]
    assert not set.intersection(*ends[:2]) and ends[0] == set(range(1, 82))


def test_names_and_errors_are_written_as_others_take_them():
    assert conversation._key("validation/ndcg@10") == "validation/ndcg_at_10"
    assert conversation._key("a:b (c)") == "a_b _c_"
    assert sentence(OSError("https://me:secret@host/path refused.\nTraceback")) == "OSError: https://host/path refused"
    assert sentence(ValueError()) == "ValueError"


def test_the_command_asks_for_the_setting(monkeypatch):
    monkeypatch.delenv(follow.VARIABLE, raising=False)
    said = CliRunner().invoke(main, ["mirror"])
    assert said.exit_code == 2 and "MLFLOW_TRACKING_URI is not set" in said.output


WATCHED = """
import os, sys
from engine import commands, experiment, export, mirror, runs
from engine.config import parse
from engine.mirror import follow
from engine.settings import settings
from engine.store import RunStore
store = RunStore(settings().store_url, settings().artifacts)
def done():
    config = {"dataset": {"name": "toy"}, "split": {"kind": "random"}, "model": {"name": "bias"}, "evaluation": {"max_rank": 2}}
    run = store.create(parse(config).model_dump(mode="json"))
    runs.execute(run.id, store)
    assert store.get(run.id).state == "finished"
    assert not [name for name in sys.modules if name.partition(".")[0] == "mlflow"]
done()
assert not (settings().home / "mlflow").exists()
os.environ["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:9"
follow._start = lambda *_: None
done()
assert [*(settings().home / "mlflow").rglob("*.run")]
"""


def test_without_the_setting_nothing_of_mlflow_is_imported_and_with_it_not_by_the_run(monkeypatch):
    monkeypatch.delenv(follow.VARIABLE, raising=False)
    subprocess.run([sys.executable, "-c", WATCHED], cwd=ROOT, check=True)
