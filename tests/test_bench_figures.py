"""Measured times by hand-made numbers: projections, targets, turns, what is kept; and the processes that are measured."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from functools import partial
from pathlib import Path

import psutil
import pytest

from engine.bench import figures, results
from engine.bench.children import Child, ChildError
from engine.bench.duel import Conditions, alternate
from engine.bench.figures import Measurement, Target, Timing
from engine.bench.suites import at_least, memory
from engine.errors import InputError
from engine.presets import preset

ROOT = Path(__file__).parents[1]


# Figures


def test_a_slice_is_projected_to_an_epoch():
    timing = Timing([3.0, 1.0, 2.0], batches=20, batches_per_epoch=1_000)
    assert (timing.seconds, timing.projected) == (100.0, True)
    assert (Timing([3.0, 1.0, 2.0], 20, 20).seconds, Timing([4.0]).projected) == (2.0, False)


def test_targets_are_judged_by_the_figures():
    slow, fast = Timing([6.0], 10, 20), Timing([1.0], 5, 10, peak_memory_gb=3.0)
    measured = Measurement("one epoch", fast, slow, [at_least(5), memory(2.5), Target("share", "share_bf16", 0.4, "least")])
    told = measured.as_dict()
    assert told["ratio"] == 6.0
    assert [(one["value"], one["met"]) for one in told["targets"]] == [(6.0, True), (3.0, False), (None, None)]
    assert told["met"] is False
    assert Measurement("one epoch", fast).as_dict()["met"] is None


def test_a_whole_epoch_that_ran_once_counts_for_its_seconds():
    timing = Timing([1.0], 5, 50)
    assert Measurement("one epoch", timing, once={"batches": 50, "seconds": 12.0}).figures()["seconds"] == 12.0
    assert Measurement("one epoch", timing, once={"batches": 20, "seconds": 4.0}).figures()["seconds"] == 10.0


def test_a_measured_epoch_goes_before_a_projected_one():
    encore = Timing([1.0], 5, 50)
    for batches, expected in ((50, (12.0, False)), (20, (10.0, True))):
        one = Measurement("one epoch", encore, once={"batches": batches, "seconds": 12.0}).as_dict()
        assert figures.best_known(one) == expected
    assert figures.best_known(Measurement("evaluation", Timing([3.0])).as_dict()) == (3.0, False)


@pytest.mark.parametrize(
    ("target", "value", "told"),
    [
        ("at least 3 × as fast as the dense loop", 2.518, "2.52 ×"),
        ("at least 10 × as fast as the dense loop", 13.56, "13.6 ×"),
        ("at least 40 % of the machine's bf16 matrix rate", 0.3746, "37.5 %"),
        ("peak memory ≤ 2.5 GB", 1.353, "1.35 GB"),
        ("at least 200 batches at a stretch", 200, "200 batches"),
        ("median of one new user ≤ 10 ms", 0.00145, "1.45 ms"),
        ("epoch ≤ 150 s", None, "–"),
    ],
)
def test_a_targets_value_is_told_in_its_unit(target, value, told):
    assert figures.reached({"target": target, "value": value}) == told


def test_contenders_take_turns_and_the_first_round_does_not_count():
    order, told = [], []

    def call(name, seconds):
        order.append(name)
        return seconds[order.count(name) - 1]

    calls = {"a": partial(call, "a", [9.0, 1.0, 2.0]), "b": partial(call, "b", [[9.0], [1.0, 3.0, 5.0], [4.0]])}
    assert alternate(calls, Conditions(2, {}, told.append)) == {"a": [1.0, 2.0], "b": [[1.0, 3.0, 5.0], [4.0]]}
    assert order == ["a", "b"] * 3
    assert told == ["warm-up: a 9 s", "warm-up: b 9 s", "round 1: a 1 s", "round 1: b 3 s", "round 2: a 2 s", "round 2: b 4 s"]


def test_figures_are_kept_suite_by_suite_in_order(tmp_path):
    path = tmp_path / "speed.json"
    results.merge(path, {"b": {"order": 1}, "a": {"order": 2, "met": None}})
    results.merge(path, {"b": {"order": 1, "met": True}, "c": {"order": 0}})
    assert [*results.read(path)] == ["c", "b", "a"]
    assert results.read(path)["b"] == {"order": 1, "met": True}
    text = path.read_text()
    results.merge(path, {})
    assert path.read_text() == text
    path.write_text("{")
    assert results.read(path) == {} == results.read(tmp_path / "absent.json")


CHIP = {"cpu": "a chip", "cores": 2, "threads": 2, "gpu": None}
PEAKS = {"bf16": {"gflops": 400.0}}


def test_fewer_rounds_do_not_replace_more(tmp_path):
    path = tmp_path / "speed.json"
    five = {"machine": CHIP, "rounds": 5, "settings": {}}
    assert results.keep(path, "ml1m", five) is None
    assert results.keep(path, "ml1m", {**five, "rounds": 1}) == 5
    assert results.read(path) == {"ml1m": five}
    for other in ({"settings": {"training.path": "dense"}}, {"machine": {**CHIP, "cpu": "another"}}, {"rounds": 5, "date": "later"}):
        fresh = {**five, "rounds": 1, **other}
        assert results.keep(path, "ml1m", fresh) is None
        assert results.read(path) == {"ml1m": fresh}
        results.merge(path, {"ml1m": five})


def test_a_machine_far_below_its_usual_matrix_rate_is_busy(monkeypatch, tmp_path):
    monkeypatch.setattr(results, "RECORDED", tmp_path / "published.json")
    assert results.usual_rate(CHIP) is None
    results.merge(results.RECORDED, {"a": {"machine": CHIP, "peaks": PEAKS}, "b": {"machine": {**CHIP, "cores": 9}, "peaks": PEAKS}})
    results.merge(results.here(), {"a": {"machine": CHIP, "peaks": {"bf16": {"gflops": 380.0}}}, "old": {}})
    assert results.usual_rate(CHIP) == 400
    rates = {200.0: 0.5, 239.0: 0.5975, 240.0: None, 500.0: None}
    assert {rate: results.slowed({"peaks": {"bf16": {"gflops": rate}}, "usual_rate": 400.0}) for rate in rates} == rates
    assert results.slowed({"peaks": PEAKS, "usual_rate": None}) is results.slowed({"peaks": PEAKS}) is None


def test_reading_results_needs_no_torch():
    code = "import sys, engine.bench.results, engine.bench.figures; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


# Processes


def test_a_child_keeps_its_state_and_tells_what_went_wrong():
    with Child("the queue", deque, [1]) as child:
        child.ask("append", 5)
        assert [child.ask("count", 5), child.ask("pop"), child.ask("pop")] == [1, 5, 1]
        with pytest.raises(ChildError, match=r"the queue failed(.|\n)*IndexError: pop from an empty deque"):
            child.ask("pop")
        assert child.ask("count", 5) == 0
    assert not child._process.is_running()


def test_the_end_of_a_child_is_told():
    with Child("the caller") as child:
        with pytest.raises(InputError, match="Did you mean 'demo'"):
            child.call(preset, "dmo")
        for _ in range(2):
            with pytest.raises(ChildError, match="the caller was killed, perhaps for want of memory"):
                child.call(signal.raise_signal, signal.SIGKILL)


class Unreadable(Exception):
    """Can be pickled, but not read back."""

    def __init__(self, one, other):
        super().__init__(one)


def fail():
    raise Unreadable("this went wrong", 2)


def test_what_cannot_be_pickled_is_told_as_text():
    with Child("the caller") as child:
        with pytest.raises(ChildError, match=r"the caller failed(.|\n)*Unreadable: this went wrong"):
            child.call(fail)
        assert child.call(max, 1, 2) == 2


def test_a_child_ends_in_the_middle_of_a_call():
    child = Child("the sleeper")
    ending = threading.Timer(0.5, child.end)
    ending.start()
    started = time.monotonic()
    with pytest.raises(ChildError):
        child.call(time.sleep, 60)
    assert time.monotonic() - started < 30
    ending.join()
    assert not child._process.is_running()
    child.end()


CALL = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell may have switched off for what it runs behind
from engine.bench.children import Child
with Child("the sleeper") as child:
    print(child._process.pid, flush=True)
    child.call(time.sleep, 60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no process groups")
@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill"])
def test_a_child_in_the_middle_of_a_call_ends_with_its_parent(blow):
    parent = subprocess.Popen(
        [sys.executable, "-c", CALL], cwd=ROOT, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    child = psutil.Process(int(parent.stdout.readline()))
    # A terminal's Ctrl-C reaches the whole group, a kill one process.
    os.killpg(parent.pid, blow) if blow == signal.SIGINT else parent.send_signal(blow)
    parent.communicate(timeout=30)
    assert parent.returncode != 0
    assert psutil.wait_procs([child], timeout=30) == ([child], [])
