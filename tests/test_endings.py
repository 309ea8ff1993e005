"""Runs that cannot go on: what is said of each, and that it is said even when there is hardly room for it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from safetensors import SafetensorError
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from engine import babysitter, disk, endings, processes, runs
from engine.config import merge, parse
from engine.files import no_room
from engine.settings import settings
from engine.store import MetricRow, RunStore, database, reserve

SMALL = {
    "preprocessing": {"sample_users": 150, "sample_items": 120},
    "model": {"layers": [12]},
    "training": {"epochs": 3, "batch_size": 32, "lr": 0.01},
    "evaluation": {"max_rank": 6},
}


@pytest.fixture
def store(monkeypatch):
    monkeypatch.setattr(database, "RETRIES", (0.01, 0.01))
    store = RunStore(settings().store_url, settings().artifacts)
    yield store
    store.close()


def made(store, changes=None):
    return store.create(parse(merge(SMALL, changes or {})).model_dump(mode="json")).id


def run(store, changes=None):
    run_id = made(store, changes)
    runs.execute(run_id, store)
    return store.get(run_id)


# --- lack of memory ---


@pytest.fixture
def counters(tmp_path, monkeypatch):
    """The kernel's counters, as a file of our own."""
    file = tmp_path / "vmstat"
    monkeypatch.setattr(processes, "COUNTERS", file)
    return file


def ended(code, kills, store, facts=None):
    process = None if code is None else SimpleNamespace(exitcode=code)
    return babysitter._reason(SimpleNamespace(facts=facts), process, kills, store)


def test_a_containers_share_of_the_memory_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(processes, "GROUP_ROOT", tmp_path)
    whole = processes.memory_there()
    for groups, file, limit in (
        ("0::/a/b\n", "a/memory.max", "5000\n"),
        ("4:memory:/box\n0::/\n", "memory/box/memory.limit_in_bytes", "7000"),
        ("0::/\n", "memory.max", "max\n"),
    ):
        (tmp_path / "cgroup").write_text(groups)
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(limit)
        assert processes.memory_there() == (int(limit) if limit.strip().isdigit() else whole)
        (tmp_path / file).unlink()


@pytest.mark.parametrize("code", [-9, None, babysitter.SERVER_GONE])
def test_a_run_that_the_kernel_killed_for_lack_of_memory_is_named_as_that(store, counters, monkeypatch, code):
    monkeypatch.setattr(processes, "memory_there", lambda: 8_000_000_000)
    counters.write_text("nr_free_pages 7\noom_kill 4\n")
    text, then = ended(code, 3, store, {endings.EXPECTED: 9_500.0})
    assert (text, then) == (
        "Out of memory, killed by the system: about 9.5 GB were expected before it began, and this machine has 8.0 GB: make the layers or "
        "the batch smaller, or sample users and items.",
        "failed",
    )


def test_a_run_that_somebody_else_killed_goes_on(store, counters):
    counters.write_text("oom_kill 3\n")
    assert ended(-9, 3, store) == ("The run's process was killed.", "queued")
    counters.unlink()
    assert ended(-9, None, store) == ("The run's process was killed, perhaps for lack of memory.", "queued")
    assert ended(-15, None, store) == ("The run's process was ended by SIGTERM.", "queued")
    assert ended(None, None, store) == ("The run's process ended without a word.", "queued")
    assert ended(3, None, store)[0].startswith("The run's process ended with exit code 3")


def test_an_allocation_that_fails_stands_beside_the_estimate(store, monkeypatch):
    def starved(*_):
        raise MemoryError

    monkeypatch.setattr(runs.Trainer, "_epoch", starved)
    one = run(store)
    assert one.state == "failed"
    expected = disk.size(one.facts[endings.EXPECTED] * 1e6)
    assert one.error.startswith(f"Out of memory: about {expected} were expected before it began, and this machine has ")


# --- divergence ---


def test_a_divergent_run_says_when_and_what_to_try(store):
    wild = {"training.optimizer": "sgd", "training.lr": 1e6}
    one = run(store, wild)
    assert (one.state, one.facts["diverged_epoch"]) == ("failed", 1)
    assert one.error == "The loss stopped being a number in epoch 1: try a lower learning rate than 1e+06."
    one = run(store, {**wild, "refeed.steps": 1, "refeed.start_epoch": 2})
    assert one.error.endswith("try a lower learning rate than 1e+06, or re-feeding from a later epoch than 2.")


def test_a_divergent_run_ends_before_its_epoch_does(store, monkeypatch):
    monkeypatch.setattr(runs, "POINT_EVERY", 0.0)
    one = run(store, {"training.optimizer": "sgd", "training.lr": 1e12, "training.batch_size": 1})
    assert (one.state, one.facts["diverged_epoch"], one.epoch) == ("failed", 1, 0)
    points = store.metrics(one.id, names=["batch/loss"])
    assert 0 < len(points) < 20, "of 150 batches"


def test_a_final_refit_that_diverges_is_no_success(store, monkeypatch):
    calm = runs.Trainer._end_epoch

    def end(trainer, sums, refeeding):
        record = calm(trainer, sums, refeeding)
        alone = trainer.monitor == "rmse" and trainer.validate()["rmse"] == 0.0  # the refit measures nothing
        return record.__class__(**{**vars(record), "loss": float("nan")}) if alone else record

    monkeypatch.setattr(runs.Trainer, "_end_epoch", end)
    one = run(store, {"training.refit": True})
    assert (one.state, one.error) == ("failed", "The loss stopped being a number in epoch 1: try a lower learning rate than 0.01.")


# --- a full disk ---


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "x"), True),
        (OSError(errno.EDQUOT, "x"), True),
        (OSError(errno.EACCES, "x"), False),
        (SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"), True),
        (OperationalError("UPDATE", {}, Exception("database or disk is full")), True),
        (OperationalError("UPDATE", {}, Exception("database is locked")), False),
        (None, False),
    ],
)
def test_a_full_disk_is_told_from_other_errors(error, full):
    assert no_room(error) is full
    outer = RuntimeError("while saving")
    outer.__cause__ = error
    assert no_room(outer) is full


def test_artifacts_that_find_no_room_end_the_run_as_failed(store, monkeypatch):
    earlier = run(store)
    saved = store.load(earlier.id, "model")[0]

    def full(*_, **__):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    with monkeypatch.context() as patch:
        patch.setattr("safetensors.torch.save_file", full)
        one = run(store)
    assert one.state == "failed"
    assert one.error.startswith(f"The disk is full: make room in {store.artifacts}, where ")
    assert one.error.endswith(" are left, then resume the run, which goes on from its last checkpoint.")
    assert not list(store.artifacts.glob("*/.*.tmp")), "no half-written file stays"
    assert all((store.load(earlier.id, "model")[0][name] == value).all() for name, value in saved.items())
    store.ask(one.id, "run")
    runs.execute(one.id, store)
    assert store.get(one.id).summary["metrics"] == earlier.summary["metrics"]


def limited(store):
    """Lets SQLite have no page more than it has while there is a reserve; it then says what it says on a full disk."""

    @event.listens_for(store._engine, "begin")
    def limit(connection):
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages if store.reserve.path.exists() else 1_000_000}")

    return lambda: event.remove(store._engine, "begin", limit)


def test_a_database_that_finds_no_room_gives_up_its_reserve_for_the_last_words(store):
    earlier = run(store)
    run_id = made(store)
    assert store.claim(run_id)
    assert store.reserve.path.stat().st_size == reserve.SIZE
    free = limited(store)
    rows = [MetricRow(step, f"a long name of a metric {step}", 1.0, 0.0, 0.0) for step in range(500)]
    with pytest.raises(OperationalError, match="full"):
        store.add_metrics(run_id, rows)
    assert store.reserve.path.exists(), "a point of a curve is not worth it"
    store.finish(run_id, "failed", error="x" * 20_000)
    assert not store.reserve.path.exists()
    assert store.get(run_id).state == "failed"
    free()
    again = RunStore(store.url, store.artifacts)
    assert again.get(earlier.id) == earlier
    assert again.reserve.path.exists(), "kept again, as soon as there is room"
    again.close()


def test_a_run_ends_as_failed_when_its_rows_find_no_room(store):
    run_id = made(store, {"training.epochs": 400})
    free = limited(store)
    runs.execute(run_id, store)
    one = store.get(run_id)
    assert one.state == "failed" and one.error.startswith("The disk is full"), one.error
    free()


def test_a_run_that_could_not_even_write_its_end_tells_it_by_its_exit_code(store):
    text, then = ended(babysitter.NO_ROOM, None, store)
    assert (then, text.startswith("The disk is full: make room in ")) == ("failed", True)


@pytest.mark.soak(only=True)
def test_a_real_disk_that_is_full(tmp_path):
    """On a small disk in memory, where one can be mounted; elsewhere the tests above stand for it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = 'mount -t tmpfs -o size=16m small "$0"'
    for namespace in (["unshare", "-m"], ["unshare", "-rm"]):
        if subprocess.run([*namespace, "sh", "-c", mount, disk], check=False, capture_output=True).returncode == 0:
            break
    else:
        pytest.skip("nothing can be mounted here")
    program = Path(__file__).with_name("full_disk.py")
    command = [*namespace, "sh", "-c", f'{mount} && exec "$1" "$2" "$0"', disk, sys.executable, program]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "ENCORE_THREADS": "1"})
    found = json.loads(done.stdout)
    for state, error in (found["large"], found["long"]):
        assert state == "failed" and error.startswith(f"The disk is full: make room in {disk}/artifacts, where "), error
    rest = {name: value for name, value in found.items() if name not in ("large", "long")}
    assert rest == {
        "earlier": "finished",
        "opens": ["failed", "failed", "finished"],
        "earlier is whole": True,
        "reserve again": True,
        "same as before": True,
        "resumable": "stopped",
    }
