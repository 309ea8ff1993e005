"""The run store: one winner, only what the states allow, and a database that others use too."""

from __future__ import annotations

import math
import multiprocessing
import os
import re
import sqlite3
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import create_engine, text

sys.path.insert(0, str(Path(__file__).parent))
import standin

from engine.errors import InputError
from engine.processes import Identity, alive, current, identify
from engine.store import STATES, STRIKES, MetricRow, RunStore, Wish, database

CONFIG = {"model": {"name": "autoencoder"}, "training": {"epochs": 7}}
GONE = Identity(current().host, current().pid, "0-1")


@pytest.fixture
def store(store_url, tmp_path):
    store = RunStore(store_url, tmp_path / "artifacts")
    yield store
    store.close()


@contextmanager
def nobody_writes(store):
    """Another process has begun to write and does not end; the connection that keeps the others waiting."""
    engine = database.connect(store.url)
    with engine.execution_options(writes=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("LOCK TABLE runs, metrics IN EXCLUSIVE MODE"))
        connection.execute(text("UPDATE runs SET note = 'half-way'"))
        yield connection
        connection.rollback()
    engine.dispose()


def brought_to(store, state):
    """A run in this state."""
    run = store.create(CONFIG)
    if state == "paused":
        store.ask(run.id, "pause")
    elif state != "queued":
        assert store.claim(run.id)
    if state == "stopped":
        store.ask(run.id, "stop")
    if state not in ("queued", "running", "paused"):
        store.finish(run.id, state)
    assert store.get(run.id).state == state
    return run


def test_a_new_run_is_queued_and_has_a_name_to_say(store):
    run = store.create(CONFIG, watch_user="7")
    assert re.fullmatch(r"[0-9a-f]{12}", run.id)
    assert re.fullmatch(r"[a-z]+-[a-z]+-\d+", run.name)
    assert (run.state, run.want, run.queue, run.epochs, run.watch_user, run.config) == ("queued", "run", "daemon", 7, "7", CONFIG)
    assert store.get(run.name) == store.get(run.id) == run
    assert run.process is None


def test_runs_are_listed_newest_first_whatever_the_clock_says(store, monkeypatch):
    clock = iter([300.0, 100.0, 200.0])
    monkeypatch.setattr("engine.store.store.time.time", lambda: next(clock))
    ids = [store.create(CONFIG).id for _ in range(3)]
    assert [run.id for run in store.list()] == ids[::-1]
    assert [run.id for run in store.list(limit=1)] == ids[-1:]
    assert [one.id for one in store.waiting()] == ids
    assert store.list(states=["running"]) == []
    assert store.counts() == {state: 3 if state == "queued" else 0 for state in STATES}


def test_names_are_unique_even_when_the_dice_repeat(store, monkeypatch):
    dice = iter(["calm-otter-1", "calm-otter-1", "calm-otter-2"])
    monkeypatch.setattr("engine.store.store.names.propose", lambda: next(dice))
    assert [store.create(CONFIG).name for _ in range(2)] == ["calm-otter-1", "calm-otter-2"]


def test_one_of_many_threads_gets_the_run(store):
    run = store.create(CONFIG)
    barrier, results = threading.Barrier(8), []

    def claim():
        barrier.wait()
        results.append(store.claim(run.id))

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False] * 7 + [True]
    assert store.get(run.id).attempts == 1


def test_one_of_many_processes_gets_the_run(tmp_path):
    context = multiprocessing.get_context("spawn")
    store = RunStore(f"sqlite:///{tmp_path / 'runs.db'}", tmp_path)
    barrier, results = context.Barrier(4), context.SimpleQueue()
    run = store.create(CONFIG)
    crowd = [context.Process(target=standin.contend, args=(store.url, str(store.artifacts), run.id, barrier, results)) for _ in range(4)]
    for process in crowd:
        process.start()
    assert sorted(results.get() for _ in crowd) == [False, False, False, True]
    for process in crowd:
        process.join()
    row = store.get(run.id)
    assert (row.state, row.attempts) == ("running", 1)
    assert row.pid in {process.pid for process in crowd}
    store.close()


def test_processes_that_open_and_write_one_new_database_at_once_lose_nothing(tmp_path):
    context = multiprocessing.get_context("spawn")
    store = RunStore(f"sqlite:///{tmp_path / 'runs.db'}", tmp_path)
    run = store.create(CONFIG)
    barrier = context.Barrier(3)
    crowd = [context.Process(target=standin.write_points, args=(store.url, str(tmp_path), run.id, 40 * n, barrier)) for n in range(3)]
    for process in crowd:
        process.start()
    for process in crowd:
        process.join()
    assert [process.exitcode for process in crowd] == [0, 0, 0]
    assert store.metrics(run.id)["step"].tolist() == list(range(120))
    store.close()


def test_threads_that_open_one_new_database_at_once_agree(store_url, tmp_path):
    errors, barrier = [], threading.Barrier(6)

    def open_it():
        barrier.wait()
        try:
            RunStore(store_url, tmp_path).close()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_store_that_was_open_before_a_fork_works_after_it(store):
    run = store.create(CONFIG)
    before = store._engine
    child = os.fork()
    if child == 0:
        os._exit(0 if store._engine is not before and store.claim(run.id) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.get(run.id).pid == child
    assert store.ask(run.id, "stop").want == "stop"


def test_a_beat_tells_and_hears(store):
    run = brought_to(store, "running")
    assert store.beat(run.id, epoch=2, step=40, device="cpu", note="training") == Wish("run", None)
    store.watch(run.id, "u9")
    store.ask(run.id, "pause")
    assert store.beat(run.id, step=41) == Wish("pause", "u9")
    row = store.get(run.id)
    assert (row.epoch, row.step, row.device, row.note) == (2, 41, "cpu", "training")
    assert row.heartbeat >= row.started >= row.created


def test_a_run_that_was_taken_away_hears_stop_and_can_end_nothing(store, tmp_path):
    run = store.create(CONFIG)
    assert store.claim(run.id, GONE)
    store.lose(store.get(run.id), "The process is gone.")
    other = RunStore(store.url, store.artifacts)
    assert other.claim(run.id)
    assert store.beat(run.id, epoch=5) == Wish("stop", None)
    store.finish(run.id, "failed", error="I am a ghost.")
    row = store.get(run.id)
    assert (row.state, row.epoch, row.error, row.attempts) == ("running", 0, None, 2)
    other.finish(run.id, "finished", summary={"rmse": math.nan, "n": np.int64(3)})
    row = store.get(run.id)
    assert (row.state, row.summary) == ("finished", {"rmse": None, "n": 3})
    other.close()


@pytest.mark.parametrize(
    ("state", "want", "then"),
    [
        ("queued", "run", "queued"),
        ("queued", "pause", "paused"),
        ("queued", "stop", "stopped"),
        ("running", "run", "running"),
        ("running", "pause", "running"),
        ("running", "stop", "running"),
        ("paused", "run", "queued"),
        ("paused", "step", "queued"),
        ("queued", "step", "queued"),
        ("running", "step", "running"),
        ("paused", "pause", "paused"),
        ("paused", "stop", "stopped"),
        ("finished", "run", InputError),
        ("finished", "pause", InputError),
        ("finished", "stop", InputError),
        ("stopped", "run", "queued"),
        ("stopped", "pause", InputError),
        ("stopped", "stop", "stopped"),
        ("failed", "run", "queued"),
        ("failed", "pause", InputError),
        ("failed", "stop", InputError),
        ("crashed", "run", "queued"),
        ("crashed", "pause", InputError),
        ("crashed", "stop", "stopped"),
    ],
)
def test_what_may_be_asked_in_which_state(store, state, want, then):
    run = brought_to(store, state)
    if then is InputError:
        with pytest.raises(InputError, match=run.name):
            store.ask(run.id, want)
        assert store.get(run.id).state == state
        return
    answer = store.ask(run.id, want)
    assert answer == store.get(run.id)
    assert answer.state == then
    assert answer.want == want
    assert store.claim(run.id) is (then == "queued")


def test_a_resumed_run_is_the_daemons_and_starts_counting_again(store):
    run = store.create(CONFIG, queue="foreground")
    assert run.process == current()
    assert store.waiting() == []
    assert not store.anybody_waits()
    store.claim(run.id)
    store.finish(run.id, "failed", error="The disk was full.")
    assert store.get(run.id).error == "The disk was full."
    again = store.ask(run.id, "run")
    assert (again.queue, again.attempts, again.strikes, again.error) == ("daemon", 0, 0, None)
    assert [one.id for one in store.waiting()] == [run.id]
    assert store.anybody_waits()


@pytest.mark.parametrize(
    ("asked", "ends", "then"),
    [
        (["pause", "run"], "paused", "queued"),
        (["stop", "run"], "stopped", "queued"),
        (["pause", "stop"], "paused", "stopped"),
        (["pause"], "paused", "paused"),
        (["stop"], "stopped", "stopped"),
        (["stop"], "finished", "finished"),
    ],
)
def test_the_last_wish_wins_over_an_answer_that_came_too_late(store, asked, ends, then):
    run = brought_to(store, "running")
    for want in asked:
        store.ask(run.id, want)
    store.finish(run.id, ends)
    assert store.get(run.id).state == then


def test_a_foreground_run_that_stops_by_itself_is_not_queued(store):
    run = store.create(CONFIG, queue="foreground")
    store.claim(run.id)
    store.finish(run.id, "stopped")
    assert store.get(run.id).state == "stopped"


def lose(store, run, epoch=None):
    assert store.claim(run.id, GONE)
    if epoch is not None:
        store.beat(run.id, epoch=epoch)
    return store.lose(store.get(run.id), "The process was killed.")


def test_a_lost_run_is_tried_again_a_few_times(store):
    run = store.create(CONFIG)
    states = [lose(store, run).state for _ in range(STRIKES)]
    assert states == ["queued"] * (STRIKES - 1) + ["crashed"]
    row = store.get(run.id)
    assert row.error.startswith("The process was killed. That happened 3 times")
    assert row.attempts == 3
    assert store.ask(run.id, "run").state == "queued"


def test_a_lost_run_that_makes_progress_is_tried_as_often_as_it_takes(store):
    run = store.create(CONFIG)
    assert [lose(store, run, epoch).state for epoch in range(1, 8)] == ["queued"] * 7
    assert store.get(run.id).strikes == 1


@pytest.mark.parametrize(("want", "then"), [("stop", "stopped"), ("pause", "paused")])
def test_a_lost_run_that_was_to_end_has_ended(store, want, then):
    run = store.create(CONFIG)
    store.claim(run.id, GONE)
    store.ask(run.id, want)
    assert store.lose(store.get(run.id), "Gone.").state == then


def test_a_run_that_changed_hands_is_not_lost(store):
    run = store.create(CONFIG)
    store.claim(run.id, GONE)
    seen = store.get(run.id)
    store.lose(seen, "Gone.")
    store.claim(run.id)
    assert store.lose(seen, "Gone.") is None
    assert store.get(run.id).state == "running"


def test_a_database_that_takes_no_rows_kills_no_training(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    monkeypatch.setattr(database, "RETRIES", (0.01, 0.01))
    store = RunStore(f"sqlite:///{tmp_path / 'runs.db'}", tmp_path)
    run = brought_to(store, "running")
    blocker = sqlite3.connect(tmp_path / "runs.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    assert store.add_metrics(run.id, [MetricRow(1, "loss", 0.5, 1, 1)]) is False
    assert "1 metric rows" in caplog.text
    assert len(store.metrics(run.id)) == 0
    with pytest.raises(OSError, match="metrics"):
        store.save(run.id, "checkpoint", {}, {})
    blocker.execute("ROLLBACK")
    blocker.close()
    assert store.add_metrics(run.id, [MetricRow(2, "loss", 0.4, 2, 2)]) is True
    assert store.metrics(run.id)["value"].tolist() == [0.5, 0.4]
    store.close()


def test_a_lock_that_passes_is_waited_for(store):
    run = store.create(CONFIG)
    with nobody_writes(store) as connection:
        timer = threading.Timer(0.3, connection.rollback)
        timer.start()
        assert store.add_metrics(run.id, [MetricRow(1, "loss", 0.5, 1, 1)])
        timer.join()


def test_reading_waits_for_no_writer(store):
    run = store.create(CONFIG)
    with nobody_writes(store):
        assert store.get(run.id).note == ""


def test_writing_waits_for_no_reader(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    monkeypatch.setattr(database, "RETRIES", ())
    store = RunStore(f"sqlite:///{tmp_path / 'runs.db'}", tmp_path)
    run = store.create(CONFIG)
    reader = sqlite3.connect(tmp_path / "runs.db", isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM runs").fetchone() == (1,)
    assert store.ask(run.id, "pause").state == "paused"
    reader.execute("ROLLBACK")
    reader.close()
    store.close()


def test_the_line_is_the_same_on_every_database(store):
    ids = [store.create({"training": {"epochs": 1, "device": device}}, owner=owner).id for owner, device in (("a", "cpu"), ("a", "cuda"))]
    ids.append(store.create({}, owner="b").id)
    assert [(one.id, one.device) for one in store.waiting()] == [(ids[0], "cpu"), (ids[2], "auto"), (ids[1], "cuda")]
    store.move(ids[1], "up")
    assert [one.id for one in store.waiting()] == [ids[1], ids[2], ids[0]]
    assert store.assign(ids[1], "cpu/1") and store.claim(ids[1]) and not store.assign(ids[1], "cpu/1")
    assert [one.id for one in store.waiting()] == [ids[2], ids[0]]
    with pytest.raises(InputError, match="only a run that waits"):
        store.move(ids[1], "up")


def test_who_adds_runs_at_once_gets_no_more_than_his_limit(store):
    barrier, refused = threading.Barrier(6), []

    def add():
        barrier.wait()
        try:
            store.create(CONFIG, owner="a", limit=2)
        except InputError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=add) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(store.list()), len(refused)) == (2, 4)


def test_a_running_run_is_not_deleted(store):
    run = brought_to(store, "running")
    with pytest.raises(InputError, match="stop it before"):
        store.delete(run.id)
    assert store.get(run.id).state == "running"


def test_a_newer_store_is_refused(store_url, tmp_path):
    RunStore(store_url, tmp_path).close()
    engine = create_engine(store_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE encore_schema SET version = 99"))
    engine.dispose()
    with pytest.raises(InputError, match=r"newer Encore \(its schema is 99, .*: update Encore, let ENCORE_STORE name"):
        RunStore(store_url, tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysql://x/y",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:////dev/null/x.db",
        "postgresql+asyncpg://x/y",
        "postgresql://x@/y?host=/dev/null",
        "postgres://x@127.0.0.1:1/y",
    ],
)
def test_a_url_that_is_no_store_is_told(tmp_path, url):
    with pytest.raises(InputError):
        RunStore(url, tmp_path)


def test_a_file_that_is_no_database_is_told(tmp_path):
    (tmp_path / "runs.db").write_bytes(b"x" * 4096)
    with pytest.raises(InputError, match=r"damaged \(file is not a database\): put a backup back by `python -m engine store restore"):
        RunStore(f"sqlite:///{tmp_path / 'runs.db'}", tmp_path)


def test_a_relative_url_means_the_same_from_everywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = RunStore("sqlite:///runs.db", Path("artifacts"))
    run = store.create(CONFIG)
    again = RunStore(store.url, store.artifacts)
    monkeypatch.chdir("/")
    assert again.get(run.id) == run == RunStore(f"sqlite:///{tmp_path / 'runs.db'}", tmp_path).get(run.id)


def test_a_process_is_told_from_a_later_one_with_its_pid():
    me = current()
    assert identify(me.pid) == me
    assert alive(me) is True
    assert alive(GONE) is False
    assert alive(Identity("elsewhere", me.pid, me.started)) is None
