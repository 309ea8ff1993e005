"""The line of runs that wait: owners take turns, people move their runs, and a limit holds."""

from __future__ import annotations

import itertools
import json
import sqlite3

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from engine import background
from engine.background import daemon
from engine.commands import main
from engine.errors import InputError
from engine.processes import Identity, current
from engine.settings import session_limit
from engine.store.integrity import faults
from engine.store.line import MOVES, Waiting, in_turn

CONFIG = {"training": {"epochs": 7}}
GONE = Identity(current().host, current().pid, "0-1")


def waiting(owners, lost=()):
    return [Waiting(f"{owner}{number}", owner, "auto", number in lost, float(number)) for number, owner in enumerate(owners)]


def order(line, served=None):
    return " ".join(one.id for one in in_turn(line, served or {}))


def test_owners_take_turns():
    assert order(waiting("AAAB")) == "A0 B3 A1 A2"
    assert order(waiting("AABBC")) == "A0 B2 C4 A1 B3"


def test_whose_turn_is_longest_ago_comes_first():
    assert order(waiting("AAB"), {"A": 5, "B": 3}) == "B2 A0 A1"
    assert order(waiting("AABC"), {"A": 1, "B": 2}) == "C3 A0 B2 A1"


def test_who_lost_his_process_goes_on_before_anybody_begins():
    assert order(waiting("AABA", lost=(1, 3))) == "A1 A3 A0 B2"


@given(st.lists(st.sampled_from("ABCD"), max_size=30), st.dictionaries(st.sampled_from("ABCD"), st.integers(1, 9)))
def test_turns_are_fair(owners, served):
    line = waiting(owners)
    found = in_turn(line, served)
    assert sorted(found) == sorted(line), "everybody stands in line once"
    for owner in set(owners):
        mine = [one.place for one in found if one.owner == owner]
        assert mine == sorted(mine), "an owner's own runs keep their order"
    for first, second in itertools.permutations(set(owners), 2):
        for length in range(len(found)):
            turns = [one.owner for one in found[:length]]
            if second in [one.owner for one in found[length:]]:
                assert turns.count(first) <= turns.count(second) + 1, "nobody has two turns while another waits for his first"


def ids(store):
    return [one.id for one in store.waiting()]


def test_the_store_counts_turns_whatever_the_clock_says(store, monkeypatch):
    monkeypatch.setattr("engine.store.store.time.time", lambda: 1e9)
    first, second, third = (store.create(CONFIG, owner="A").id for _ in range(3))
    other = store.create(CONFIG, owner="B").id
    assert ids(store) == [first, other, second, third]
    assert store.assign(first, "cpu/1")
    assert store.claim(first)
    assert not store.assign(first, "cpu/2"), "it waits no more"
    assert (store.get(first).slot, ids(store)) == ("cpu/1", [other, second, third])
    late = store.create(CONFIG, owner="B").id
    assert store.assign(other, "cpu/2") and store.claim(other)
    assert ids(store) == [second, late, third]


def test_a_lost_run_gives_its_slot_back_and_goes_first(store):
    first, second = store.create(CONFIG).id, store.create(CONFIG).id
    store.assign(second, "cpu/1")
    store.claim(second, GONE)
    store.lose(store.get(second), "Gone.")
    assert (store.get(second).state, store.get(second).slot) == ("queued", None)
    assert ids(store) == [second, first]


@pytest.mark.parametrize(
    ("moves", "then"),
    [
        ([(2, "front")], [2, 0, 1, 3]),
        ([(2, "up")], [0, 2, 1, 3]),
        ([(0, "down")], [1, 0, 2, 3]),
        ([(0, "up"), (0, "front"), (3, "down")], [0, 1, 2, 3]),
        ([(3, "front"), (2, "front"), (3, "down")], [2, 0, 3, 1]),
    ],
)
def test_runs_are_moved_among_their_owners(store, moves, then):
    mine = [store.create(CONFIG, owner="A").id for _ in range(4)]
    theirs = store.create(CONFIG, owner="B").id
    for number, where in moves:
        store.move(mine[number], where)
    assert [one for one in ids(store) if one != theirs] == [mine[number] for number in then]
    assert ids(store).index(theirs) == 1


def test_two_that_share_a_place_can_be_moved(store):
    mine = [store.create(CONFIG).id for _ in range(3)]
    with store._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE runs SET place = 2")
    for moved, where, then in ((2, "front", [2, 0, 1]), (0, "down", [2, 1, 0])):
        store.move(mine[moved], where)
        assert ids(store) == [mine[number] for number in then]


def test_what_cannot_be_moved_is_told(store):
    run = store.create(CONFIG)
    store.claim(run.id)
    with pytest.raises(InputError, match=f"'{run.name}' is running: only a run that waits"):
        store.move(run.id, "front")
    with pytest.raises(InputError, match="no run 'ffffffffffff'"):
        store.move("ffffffffffff", "up")
    with pytest.raises(InputError, match="front, up or down"):
        store.move(run.id, "sideways")


def test_a_limit_holds_for_each_owner(store):
    first = store.create(CONFIG, owner="A", limit=2)
    store.create(CONFIG, owner="A", limit=2)
    store.claim(first.id)
    with pytest.raises(InputError, match=r"You have 2 runs waiting or running, and 2 are the most at a time \(ENCORE_RUNS_PER_SESSION\)"):
        store.create(CONFIG, owner="A", limit=2)
    store.create(CONFIG, owner="B", limit=2)
    store.finish(first.id, "failed", error="No.")
    third = store.create(CONFIG, owner="A", limit=2)
    with pytest.raises(InputError, match="wait for one to end, or stop one"):
        store.ask(first.id, "run", limit=2)
    store.ask(third.id, "stop")
    assert store.ask(first.id, "run", limit=2).state == "queued"
    with pytest.raises(InputError, match="You have 1 run waiting or running, which is the most"):
        store.create(CONFIG, owner="B", limit=1)


@pytest.mark.parametrize("text", ["0", "-3", "few", "1.5", "²"])
def test_a_limit_that_is_no_number_is_told(monkeypatch, text):
    monkeypatch.setenv("ENCORE_RUNS_PER_SESSION", text)
    with pytest.raises(InputError, match="ENCORE_RUNS_PER_SESSION"):
        session_limit()
    monkeypatch.setenv("ENCORE_IDLE", text)
    with pytest.raises(InputError, match=r"ENCORE_IDLE is '.*': give a whole number from 1 up"):
        daemon._number("ENCORE_IDLE", 1800)


def test_the_command_line_shows_and_moves(store, monkeypatch):
    monkeypatch.setattr(background, "ensure_daemon", lambda *_: "starting")
    monkeypatch.setenv("ENCORE_RUNS_PER_SESSION", "2")
    submit = ["submit", "--preset", "demo", "--json"]
    first, second = (json.loads(CliRunner().invoke(main, submit).stdout)["run_id"] for _ in range(2))
    refused = CliRunner().invoke(main, submit)
    assert refused.exit_code == 2 and "You have 2 runs" in refused.stderr
    store.create(store.get(first).config, owner="browser-1")
    told = json.loads(CliRunner().invoke(main, ["runs", "move", second, "front", "--json"]).stdout)
    assert (told["place"], told["waiting"]) == (1, 3)
    shown = json.loads(CliRunner().invoke(main, ["runs", "queue", "--json"]).stdout)
    assert [(turn["run_id"], turn["owner"]) for turn in shown["queue"]][::2] == [(second, "cli"), (first, "cli")]
    assert [turn["position"] for turn in shown["queue"]] == [1, 2, 3]
    assert "2. for a CPU slot" in CliRunner().invoke(main, ["runs", "queue"]).stdout
    stopped = CliRunner().invoke(main, ["stop", second])
    assert stopped.exit_code == 0 and stopped.stdout.endswith(f"({second}) is stopped\n")
    assert store.get(second).state == "stopped", "a run that waits is cancelled"
    assert set(MOVES) == {"front", "up", "down"}


@pytest.mark.parametrize("column", ["place", "served"])
def test_one_damaged_row_stops_nobody_elses(store, column):
    first, second, third = (store.create(CONFIG, owner=owner).id for owner in "AAB")
    store.assign(first, "cpu/1")
    with sqlite3.connect(store.file) as connection:
        connection.execute(f"UPDATE runs SET {column} = 'x' WHERE id = ?", (first,))
    assert faults(store) == [f"{column} of 1 of its runs is of another kind"]
    assert {one.id for one in store.waiting()} == {first, second, third}
    store.move(second, "front")
    assert store.assign(third, "cpu/1")
