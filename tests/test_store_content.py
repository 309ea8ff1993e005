"""What the run store keeps of a run: rows, lists, log lines and artifacts come back as they were."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as rules
from hypothesis import strategies as st

from engine.errors import InputError
from engine.store import Away, MetricRow, RunStore, artifacts
from engine.store.integrity import faults

CONFIG = {"model": {"name": "autoencoder"}, "training": {"epochs": 7}}


@pytest.fixture
def store(store_url, tmp_path):
    store = RunStore(store_url, tmp_path / "artifacts")
    yield store
    store.close()


@rules(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["loss", "rmse"]), st.floats(width=32)), max_size=6),
        max_size=5,
    )
)
def test_metric_rows_are_neither_lost_nor_doubled(store, batches):
    run = store.create(CONFIG)
    expected = {}
    for batch in batches:
        assert store.add_metrics(run.id, [MetricRow(step, name, value, step / 2, 1.0) for step, name, value in batch])
        expected |= {(step, name): value for step, name, value in batch}
    frame = store.metrics(run.id)
    assert list(zip(frame["step"], frame["name"], strict=True)) == sorted(expected)
    np.testing.assert_array_equal(frame["value"], [expected[key] for key in sorted(expected)])
    np.testing.assert_array_equal(frame["epoch"], frame["step"] / 2)


def test_metrics_are_read_from_where_one_left_off(store):
    run = store.create(CONFIG)
    empty = store.metrics(run.id)
    assert len(empty) == 0
    store.add_metrics(run.id, [MetricRow(np.int64(n), name, np.float32(n), n, n) for n in range(4) for name in ("a", "b")])
    frame = store.metrics(run.id, after_step=1, names=["b"])
    assert frame["step"].tolist() == [2, 3]
    assert list(frame.dtypes) == list(empty.dtypes)


def test_lists_keep_the_latest_of_each_model(store):
    run = store.create(CONFIG)
    store.add_list(run.id, 0, "svd", "u1", [{"item": "a", "score": 1.0}])
    for epoch in (1, 2, 2, 3):
        store.add_list(run.id, epoch, "run", "u1", [{"item": str(epoch), "score": 2.0}])
    store.add_list(run.id, 3, "run", "u2", [])
    assert [row["epoch"] for row in store.lists(run.id, "u1")] == [0, 1, 2, 3]
    assert store.lists(run.id, "u1", last=1) == [
        {"epoch": 0, "model": "svd", "user_id": "u1", "items": [{"item": "a", "score": 1.0}]},
        {"epoch": 3, "model": "run", "user_id": "u1", "items": [{"item": "3", "score": 2.0}]},
    ]
    assert len(store.lists(run.id)) == 5


def test_log_lines_come_back_in_order(store):
    run = store.create(CONFIG)
    for n in range(5):
        store.log(run.id, f"line {n}")
    assert [line for _, line in store.logs(run.id, last=3)] == ["line 2", "line 3", "line 4"]


@pytest.mark.parametrize("odd", ["a\x00b", "caf\udce9.csv", "\ud83d", "🎬 é", "''; DROP TABLE runs;--", "%s %(x)s :y"])
def test_odd_letters_break_nothing(store, odd):
    run = store.create({"dataset": {"name": odd, odd: 1}})
    store.log(run.id, odd)
    store.watch(run.id, odd)
    store.add_list(run.id, 1, "run", odd, [{"item": odd}])
    store.add_facts(run.id, {"users": [odd]})
    kept = store.get(run.id)
    name = kept.watch_user
    assert name == odd if odd.isprintable() else name == odd.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    assert (store.logs(run.id)[0][1], kept.facts, kept.config["dataset"]["name"]) == (name, {"users": [name]}, name)
    assert store.lists(run.id, odd)[0]["items"] == [{"item": name}]
    assert store.find(odd) is None


def test_rows_come_in_the_same_order_from_every_database(store):
    run, names = store.create(CONFIG), ["b/a", "B_a", "b", "é", "B", "a b", "z"]
    store.add_metrics(run.id, [MetricRow(step, name, 1.0, 1, 1) for step in (2, 1) for name in names])
    for name in names:
        store.add_list(run.id, 1, "run", name, [])
    assert store.metrics(run.id)["name"].tolist() == sorted(names) * 2
    assert [row["user_id"] for row in store.lists(run.id)] == sorted(names)


def test_facts_are_merged(store):
    run = store.create(CONFIG)
    assert run.facts is None
    store.add_facts(run.id, {"threads": 2, "floor": math.nan})
    store.add_facts(run.id, {"threads": 1})
    assert store.get(run.id).facts == {"threads": 1, "floor": None}


def test_tensors_come_back_as_they_were(store):
    run = store.create(CONFIG)
    weight = torch.arange(6.0).reshape(2, 3)
    tensors = {
        "weight": weight,
        "tied": weight.T,
        "same": weight,
        "half": torch.ones(2, dtype=torch.bfloat16),
        "counts": np.array([[1, 2]])[:, ::-1],
        "none": torch.empty(0),
    }
    meta = {"epoch": np.int64(3), "rmse": math.inf, "names": ["é"]}
    assert not store.has(run.id, "weights")
    store.save(run.id, "weights", tensors, meta)
    assert store.has(run.id, "weights")
    loaded, told = store.load(run.id, "weights")
    assert told == {"epoch": 3, "rmse": math.inf, "names": ["é"]}
    assert set(loaded) == set(tensors)
    for name, value in tensors.items():
        expected = torch.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value
        assert loaded[name].dtype == expected.dtype
        assert torch.equal(loaded[name], expected)


@pytest.mark.parametrize("broken", ["safetensors.torch.save_file", "engine.files.sync"])
def test_a_write_that_fails_leaves_the_old_artifact(store, monkeypatch, broken):
    run = store.create(CONFIG)
    store.save(run.id, "weights", {"w": torch.zeros(2)}, {"epoch": 1})

    def full(*arguments, **options):
        if broken.endswith("save_file"):
            Path(arguments[1]).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(broken, full)
    with pytest.raises(OSError, match="No space"):
        store.save(run.id, "weights", {"w": torch.ones(2)}, {"epoch": 2})
    monkeypatch.undo()
    tensors, meta = store.load(run.id, "weights")
    assert (tensors["w"].tolist(), meta) == ([0.0, 0.0], {"epoch": 1})
    assert [file.name for file in (store.artifacts / run.id).iterdir()] == ["weights.safetensors"]


def test_what_a_killed_writer_left_is_cleared(store):
    run = store.create(CONFIG)
    store.save(run.id, "weights", {}, {})
    (store.artifacts / run.id / ".weights.safetensors.abcd.tmp").write_bytes(b"half")
    store.save(run.id, "weights", {}, {"epoch": 2})
    assert [file.name for file in (store.artifacts / run.id).iterdir()] == ["weights.safetensors"]


def test_missing_and_damaged_artifacts_are_told(store):
    run = store.create(CONFIG)
    with pytest.raises(InputError, match="no 'weights' yet"):
        store.load(run.id, "weights")
    store.save(run.id, "weights", {}, {})
    (store.artifacts / run.id / "weights.safetensors").write_bytes(b"nonsense")
    with pytest.raises(InputError, match="damaged"):
        store.load(run.id, "weights")


@pytest.mark.parametrize("run_id", ["", "..", "../../etc", "0123456789ab/..", "0123456789AB", "0123456789a\n", "calm-otter-1"])
def test_only_ids_name_folders(store, run_id):
    with pytest.raises(InputError):
        store.has(run_id, "weights")
    with pytest.raises(InputError):
        store.save(run_id, "weights", {}, {})


@pytest.mark.parametrize("name", ["", "../weights", "a/b", "Weights", ".hidden", "a.b"])
def test_only_plain_words_name_artifacts(store, name):
    with pytest.raises(InputError):
        store.load("0123456789ab", name)


def test_delete_takes_all_of_a_run_and_nothing_else(store):
    run, other = store.create(CONFIG), store.create(CONFIG)
    for each in (run, other):
        store.add_metrics(each.id, [MetricRow(1, "loss", 1.0, 1, 1)])
        store.add_list(each.id, 1, "run", "u", [])
        store.log(each.id, "line")
        store.save(each.id, "weights", {}, {})
    store.delete(run.id)
    with pytest.raises(InputError, match=f"There is no run '{run.id}'"):
        store.get(run.id)
    assert store.find(run.id) is None
    assert (len(store.metrics(run.id)), store.lists(run.id), store.logs(run.id)) == (0, [], [])
    assert not artifacts.folder(store.artifacts, run.id).exists()
    assert (len(store.metrics(other.id)), len(store.lists(other.id)), len(store.logs(other.id))) == (1, 1, 1)
    assert store.has(other.id, "weights")


def test_values_of_another_kind_are_told(tmp_path):
    store = RunStore(f"sqlite:///{tmp_path / 'encore.db'}", tmp_path / "artifacts")
    run = store.create(CONFIG)
    store.add_metrics(run.id, [MetricRow(1, "loss", math.nan, 1, 1), MetricRow(2, "loss", 1, 1, 1)])
    store.add_list(run.id, 1, "run", "u", [{"item": "1"}])
    store.log(run.id, "line")
    assert faults(store) == []
    with sqlite3.connect(store.file) as connection:
        connection.execute("UPDATE metrics SET value = 'zz' WHERE step = 2")
        connection.execute("UPDATE lists SET items = '[{'")
    assert faults(store) == ["items of 1 of its lists is of another kind", "value of 1 of its metrics is of another kind"]
    store.close()


def test_a_database_that_is_busy_is_not_called_damaged(tmp_path, monkeypatch):
    store = RunStore(f"sqlite:///{tmp_path / 'encore.db'}", tmp_path / "artifacts")

    def locked():
        raise Away("PRAGMA", {}, sqlite3.OperationalError("database is locked"))

    monkeypatch.setattr(store, "reading", locked)
    with pytest.raises(Away, match="locked"):
        faults(store, 0.1)
    store.close()
