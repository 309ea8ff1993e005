"""The queue as people see it: places and estimated starts with known answers."""

from __future__ import annotations

import pytest

from engine import queue as engine_queue
from engine.config import merge, parse
from engine.queue import queue, when
from engine.settings import settings
from engine.store import RunStore

TEN = {"training": {"epochs": 10}}


@pytest.fixture
def store(monkeypatch):
    monkeypatch.setattr(engine_queue, "daemon_alive", lambda: True)
    store = RunStore(settings().store_url, settings().artifacts)
    yield store
    store.close()


def made(store, changes=None, owner=""):
    return store.create(parse(merge(TEN, changes or {})).model_dump(mode="json"), owner=owner)


def trained(store, pace):
    """A finished run whose epochs took so many seconds, and that took no time besides."""
    run = made(store)
    store.claim(run.id)
    store.beat(run.id, epoch=10)
    store.finish(run.id, "finished", summary={"seconds_per_epoch": pace, "epochs": 10})
    return run


def starts(store, slots=("cpu/1",)):
    return {turn.run.id: None if turn.starts_in is None else round(turn.starts_in, 3) for turn in queue(store, slots)}


def test_an_empty_queue(store):
    assert queue(store) == []


def test_each_starts_when_those_before_have_ended(store):
    trained(store, 2.0)
    ids = [made(store).id for _ in range(3)]
    assert starts(store) == dict(zip(ids, (0, 20, 40), strict=True))
    assert starts(store, ("cpu/1", "cpu/2")) == dict(zip(ids, (0, 0, 20), strict=True))
    assert [turn.position for turn in queue(store, ("cpu/1",))] == [1, 2, 3]


def test_what_runs_is_waited_for_as_far_as_it_has_to_go(store):
    trained(store, 2.0)
    running, waits = made(store), made(store)
    store.assign(running.id, "cpu/1")
    assert [(turn.starting, turn.position, turn.starts_in) for turn in queue(store, ("cpu/1",))] == [(True, 0, 0), (False, 1, 20)]
    store.claim(running.id)
    store.beat(running.id, epoch=7)
    assert starts(store) == {waits.id: pytest.approx(6)}
    assert starts(store, ("cpu/1", "cpu/2")) == {waits.id: 0}


def test_a_run_that_runs_tells_how_long_its_like_take(store, monkeypatch):
    running, waits, last = made(store), made(store), made(store)
    store.assign(running.id, "cpu/1")
    store.claim(running.id)
    store.beat(running.id, epoch=5)
    monkeypatch.setattr(engine_queue.time, "time", lambda: store.get(running.id).started + 40)
    assert starts(store) == {waits.id: pytest.approx(40), last.id: pytest.approx(40 + 80)}


def test_where_no_run_tells_how_long_it_takes_nothing_is_said(store):
    first, second = made(store), made(store)
    assert starts(store) == {first.id: 0, second.id: None}
    running = queue(store, ("cpu/1",))[1]
    assert when(running) == "start not known yet"


def test_each_kind_of_slot_has_a_line_of_its_own(store):
    trained(store, 2.0)
    gpu, cpu = made(store, {"training.device": "cuda"}), made(store, {"training.device": "cpu"})
    either = made(store)
    turns = {turn.run.id: turn for turn in queue(store, ("cpu/1", "cuda:0/1"))}
    assert {turn.run.id: (turn.kind, turn.position) for turn in turns.values()} == {
        gpu.id: ("cuda", 1),
        cpu.id: ("cpu", 1),
        either.id: ("cuda", 2),
    }
    assert {turn.kind for turn in queue(store, ("cpu/1",))} == {"cpu"}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "starts at once"),
        (1.4, "starts in about 1 s"),
        (59, "starts in about 59 s"),
        (170, "starts in about 3 min"),
        (9000, "starts in about 2.5 h"),
    ],
)
def test_when_in_words(store, seconds, words):
    assert when(engine_queue.Turn(made(store), 1, "cpu", seconds, False)) == words
