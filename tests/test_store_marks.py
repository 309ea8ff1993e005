"""What people mark and write on runs, and databases from before there was such a thing."""

from __future__ import annotations

import json
import multiprocessing
import sqlite3
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
import standin

from engine.commands import main
from engine.errors import InputError
from engine.settings import settings
from engine.store import RunStore
from engine.store.marks import MOST_TAGS, REMARK_LENGTH, TAG_LENGTH, checked_remark, checked_tags
from engine.store.migrations import VERSION

VERSION_1 = """
CREATE TABLE encore_schema (version INTEGER NOT NULL, PRIMARY KEY (version));
INSERT INTO encore_schema VALUES (1);
CREATE TABLE runs (
    number INTEGER NOT NULL, id VARCHAR(12) NOT NULL, name VARCHAR(64) NOT NULL, state VARCHAR(16) NOT NULL,
    want VARCHAR(16) NOT NULL, config JSON NOT NULL, queue VARCHAR(16) NOT NULL, error TEXT, created DOUBLE NOT NULL,
    started DOUBLE, finished DOUBLE, heartbeat DOUBLE, epoch INTEGER NOT NULL, epochs INTEGER NOT NULL, step INTEGER NOT NULL,
    attempts INTEGER NOT NULL, strikes INTEGER NOT NULL, mark INTEGER NOT NULL, device VARCHAR(64), watch_user VARCHAR(255),
    facts JSON, summary JSON, host VARCHAR(255), pid INTEGER, process_started VARCHAR(64), note TEXT NOT NULL,
    PRIMARY KEY (number), UNIQUE (id), UNIQUE (name)
);
CREATE INDEX runs_state ON runs (state, number);
CREATE TABLE metrics (
    run_id VARCHAR(12) NOT NULL, step INTEGER NOT NULL, name VARCHAR(128) NOT NULL, value DOUBLE, epoch DOUBLE NOT NULL,
    seconds DOUBLE NOT NULL, PRIMARY KEY (run_id, step, name), FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
CREATE TABLE lists (
    run_id VARCHAR(12) NOT NULL, epoch INTEGER NOT NULL, model VARCHAR(64) NOT NULL, user_id VARCHAR(255) NOT NULL,
    items JSON NOT NULL, PRIMARY KEY (run_id, epoch, model, user_id), FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
CREATE TABLE logs (
    number INTEGER NOT NULL, run_id VARCHAR(12) NOT NULL, time DOUBLE NOT NULL, text TEXT NOT NULL, PRIMARY KEY (number),
    FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
"""
"""What the first version of the schema made of SQLite."""
INSERT = (
    "INSERT INTO runs (id, name, state, want, config, queue, created, epoch, epochs, step, attempts, strikes, mark, note) "
    "VALUES (?, ?, 'finished', 'run', '{\"training\": {\"epochs\": 7}}', 'daemon', 1.5, 7, 7, 70, 1, 0, 0, 'done')"
)
OLD = ("0123456789ab", "jolly-lynx-42")


@pytest.fixture
def store(store_url, tmp_path):
    store = RunStore(store_url, tmp_path / "artifacts")
    yield store
    store.close()


@pytest.fixture
def old(tmp_path) -> str:
    """URL of a database of version 1 with one run."""
    with sqlite3.connect(tmp_path / "old.db") as connection:
        connection.executescript(VERSION_1)
        connection.execute(INSERT, OLD)
        connection.execute("INSERT INTO metrics VALUES (?, 10, 'loss', 0.5, 1, 0.1)", OLD[:1])
    connection.close()
    return f"sqlite:///{tmp_path / 'old.db'}"


def test_a_run_is_marked_and_written_on_in_any_state(store):
    run = store.create({})
    assert (run.starred, run.tags, run.remark) == (False, [], "")
    store.claim(run.id)
    changed = store.edit(run.id, starred=True, tags=["baseline", "lecture 3"])
    assert (changed.starred, changed.tags, changed.remark, changed.state) == (True, ["baseline", "lecture 3"], "", "running")
    assert store.edit(run.id, remark=" two\nlines ") == store.get(run.id)
    assert (store.get(run.id).remark, store.get(run.id).tags) == ("two\nlines", ["baseline", "lecture 3"])
    cleared = store.edit(run.id, starred=False, tags=[], remark="")
    assert (cleared.starred, cleared.tags, cleared.remark) == (False, [], "")
    assert store.edit(run.id) == cleared


def test_nothing_is_written_on_no_run(store):
    with pytest.raises(InputError, match="There is no run"):
        store.edit("000000000000", starred=True)


def test_tags_of_all_runs_are_known(store):
    for tags in (["b", "A"], ["b"], []):
        store.edit(store.create({}).id, tags=tags)
    assert store.tags() == ["A", "b"]


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ([" "], "at least one letter"),
        (["a,b"], "comma"),
        (["a\x07b"], "cannot be shown"),
        (["x" * (TAG_LENGTH + 1)], "25 characters long"),
        ([f"tag {number}" for number in range(MOST_TAGS + 1)], "at most 8 tags"),
    ],
)
def test_a_tag_that_is_none_is_told_and_nothing_is_kept(store, tags, words):
    run = store.create({})
    with pytest.raises(InputError, match=words):
        store.edit(run.id, starred=True, tags=tags)
    assert store.get(run.id) == run


def test_a_note_has_an_end():
    assert len(checked_remark("x" * REMARK_LENGTH)) == REMARK_LENGTH
    with pytest.raises(InputError, match="2,001 characters"):
        checked_remark("x" * (REMARK_LENGTH + 1))


@given(st.lists(st.text("aAbB \t", min_size=1, max_size=TAG_LENGTH).filter(str.strip), max_size=MOST_TAGS))
def test_tags_are_clean_and_differ(tags):
    kept = checked_tags(tags)
    assert checked_tags(kept) == kept
    assert all(tag == " ".join(tag.split()) for tag in kept)
    assert len({tag.casefold() for tag in kept}) == len(kept)
    assert {tag.casefold() for tag in kept} == {" ".join(tag.split()).casefold() for tag in tags}


def test_a_store_of_the_first_version_opens_with_its_runs(old, tmp_path):
    store = RunStore(old, tmp_path)
    (run,) = store.list()
    assert (run.id, run.name, run.state, run.epoch, run.note) == (*OLD, "finished", 7, "done")
    assert (run.starred, run.tags, run.remark) == (False, [], "")
    assert store.metrics(run.id)["value"].tolist() == [0.5]
    assert store.edit(run.id, starred=True, tags=["kept"]).tags == ["kept"]
    store.close()
    again = RunStore(old, tmp_path)
    assert again.get(run.id).starred
    again.close()


def test_an_older_encore_that_still_runs_can_insert_runs(old, tmp_path):
    store = RunStore(old, tmp_path)
    with sqlite3.connect(tmp_path / "old.db") as connection:
        connection.execute(INSERT, ("ba9876543210", "calm-otter-7"))
    connection.close()
    assert [(run.name, run.starred, run.tags) for run in store.list()] == [("calm-otter-7", False, []), (OLD[1], False, [])]
    store.close()


def test_an_old_store_is_brought_up_once(old, tmp_path):
    errors, barrier = [], threading.Barrier(6)

    def open_it():
        barrier.wait()
        try:
            RunStore(old, tmp_path).close()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with sqlite3.connect(tmp_path / "old.db") as connection:
        assert connection.execute("SELECT version FROM encore_schema ORDER BY version").fetchall() == [(1,), (VERSION,)]
    connection.close()


def test_processes_that_bring_up_one_old_store_at_once_lose_nothing(old, tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    crowd = [context.Process(target=standin.write_points, args=(old, str(tmp_path), OLD[0], 40 * n, barrier)) for n in range(2)]
    for process in crowd:
        process.start()
    for process in crowd:
        process.join()
    assert [process.exitcode for process in crowd] == [0, 0]
    store = RunStore(old, tmp_path)
    assert store.metrics(OLD[0])["step"].tolist() == list(range(80))
    store.close()


def test_the_command_line_marks_and_lists(tmp_path):
    store = RunStore(settings().store_url, settings().artifacts)
    run = store.create({})
    answer = CliRunner().invoke(main, ["runs", "edit", run.name, "--star", "--tags", "base, lecture 3", "--note", "a look", "--json"])
    assert answer.exit_code == 0
    told = json.loads(answer.stdout)
    assert told == {"run_id": run.id, "name": run.name, "starred": True, "tags": ["base", "lecture 3"], "note": "a look"}
    listed = json.loads(CliRunner().invoke(main, ["runs", "--json"]).stdout)["runs"][0]
    assert (listed["starred"], listed["tags"], listed["note"]) == (True, ["base", "lecture 3"], "a look")
    assert "★" in CliRunner().invoke(main, ["runs"]).stdout
    assert CliRunner().invoke(main, ["runs", "edit", run.id, "--unstar", "--tags", ""]).exit_code == 0
    assert (store.get(run.id).starred, store.get(run.id).tags, store.get(run.id).remark) == (False, [], "a look")
    for wrong, words in (([run.id], "Say what to change"), ([run.id, "--tags", "x" * 30], "30 characters"), (["none", "--star"], "no run")):
        refused = CliRunner().invoke(main, ["runs", "edit", *wrong])
        assert refused.exit_code == 2 and words in refused.stderr
    store.close()
