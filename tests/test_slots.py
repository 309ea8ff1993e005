"""Slots: what a setting asks for, what the machine has, and who gets which."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import processes
from engine.background import slots
from engine.devices import pick_device
from engine.errors import InputError


@pytest.fixture
def machine(monkeypatch):
    """A machine of so many cores."""

    def of(cores):
        monkeypatch.setattr(slots, "cores", lambda: cores)

    of(8)
    return of


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("3", {"cpu": 3}),
        ("cpu:2", {"cpu": 2}),
        ("cpu:2,cuda:0:1", {"cpu": 2, "cuda:0": 1}),
        (" cuda:0 , cuda:1:2 ", {"cuda:0": 1, "cuda:1": 2}),
    ],
)
def test_what_a_setting_asks_for(machine, text, found):
    assert slots.asked(text) == found


@pytest.mark.parametrize(
    "text", ["0", "-1", "many", "1.5", "cpu", "cpu:0", "cuda", "cuda:x:1", "cpu:2,cpu:1", "gpu:1", "9", "cpu:4,cuda:0:5"]
)
def test_a_setting_that_is_none_is_told(machine, text):
    with pytest.raises(InputError, match=r"^ENCORE_SLOTS is '") as told:
        slots.asked(text)
    assert str(told.value).endswith(".") and "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("cores", "gpus", "text", "found"),
    [
        (2, 0, "", ["cpu/1"]),
        (8, 0, "", ["cpu/1", "cpu/2", "cpu/3", "cpu/4"]),
        (8, 2, "", ["cpu/1", "cpu/2", "cpu/3", "cpu/4", "cuda:0/1", "cuda:1/1"]),
        (2, 1, "", ["cpu/1", "cuda:0/1"]),
        (8, 1, "2", ["cpu/1", "cpu/2", "cuda:0/1"]),
        (8, 1, "cpu:2", ["cpu/1", "cpu/2"]),
        (8, 1, "cuda:0:2", ["cuda:0/1", "cuda:0/2"]),
        (8, 1, "cpu:1,cuda:5:1", ["cpu/1"]),
    ],
)
def test_slots_of_a_machine(machine, cores, gpus, text, found):
    machine(cores)
    assert list(slots.slots(text, gpus)) == found


@given(st.integers(1, 64), st.integers(0, 8), st.integers(0, 64))
def test_threads_of_all_slots_are_no_more_than_the_cores(cores, gpus, asked):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slots, "cores", lambda: cores)
        if asked > cores:
            return
        found = slots.slots(str(asked) if asked else "", gpus)
        assert found
        if cores > gpus:  # else each GPU has its run all the same
            assert len(found) * slots.threads(found) <= cores


def test_a_containers_share_of_the_cores_counts(tmp_path, monkeypatch):
    mine = processes.cores()
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(processes, "CPU_QUOTA", quota)
    for text, found in (("max 100000", mine), ("100000 100000", 1), ("10000 100000", 1), ("900000 1000", mine), ("nonsense", mine)):
        quota.write_text(text)
        assert processes.cores() == found


BOTH = ("cpu/1", "cpu/2", "cuda:0/1")


@pytest.mark.parametrize(
    ("wanted", "all_slots", "free", "found"),
    [
        ("auto", BOTH, BOTH, "cuda:0/1"),
        ("auto", BOTH, ("cpu/1",), None),
        ("auto", ("cpu/1",), ("cpu/1",), "cpu/1"),
        ("cpu", BOTH, BOTH, "cpu/1"),
        ("cpu", BOTH, ("cuda:0/1",), None),
        ("cuda", BOTH, ("cpu/1", "cuda:0/1"), "cuda:0/1"),
        ("cuda", ("cpu/1",), ("cpu/1",), "cpu/1"),
        ("cpu", ("cuda:0/1",), ("cuda:0/1",), "cuda:0/1"),
    ],
)
def test_a_run_gets_a_slot_of_what_it_asks_for(wanted, all_slots, free, found):
    assert slots.fitting(wanted, free, all_slots) == found


@pytest.mark.parametrize(
    ("taken", "found"),
    [
        ([], ["cpu/1", "cpu/2", "cuda:0/1"]),
        (["cpu/1"], ["cpu/2", "cuda:0/1"]),
        (["cpu/7"], ["cpu/1", "cuda:0/1"]),
        (["cpu/1", "cpu/1"], ["cuda:0/1"]),
        (["cuda:3/1"], ["cpu/1", "cpu/2"]),
        (["cpu/1", "cpu/2", "cpu/3"], []),
    ],
)
def test_who_has_a_slot_that_is_no_more_takes_anothers_room(taken, found):
    assert slots.free(BOTH, taken) == found


def test_a_run_trains_where_its_slot_is():
    assert str(pick_device("auto", "cpu/2")) == str(pick_device("cpu", "cpu/1")) == "cpu"
    assert str(pick_device("auto", "cuda:1/1")) == str(pick_device("cuda", "cuda:1/2")) == "cuda:1"
    assert str(pick_device("cpu", "cuda:0/1")) == "cpu"
    with pytest.raises(InputError, match="the engine has no slot for a GPU"):
        pick_device("cuda", "cpu/1")
