"""The background engine under murder: whatever dies, runs end once, with the same result, and the states are true."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from engine import background, processes
from engine.background import truth
from engine.background.place import place, standing
from engine.settings import settings
from tests.background_lab import check_finished, until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes as POSIX does")


def test_a_killed_run_goes_on_from_its_checkpoint(lab):
    lab.start()
    run_id = lab.submit(20, seconds=0.03)
    run = lab.at(run_id, 3)
    os.kill(run.pid, signal.SIGKILL)
    row = check_finished(lab, run_id, 20)
    assert row.attempts == 2
    assert row.pid != run.pid
    assert "The run's process was killed." in lab.store.logs(run_id)[-1][1]
    epochs = [epoch for _, epoch in lab.trace(run_id)]
    assert len(epochs) <= 21
    assert sorted(set(epochs)) == list(range(1, 21))


def test_a_run_outlives_its_daemon_and_the_next_one_adopts_it(lab):
    pid = lab.start()
    run_id = lab.submit(60, seconds=0.05)
    run = lab.at(run_id, 3)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not background.daemon_alive())
    reached = lab.store.get(run_id).epoch
    lab.at(run_id, reached + 3)
    assert background.reconcile(lab.store) == []
    lab.slots = 1
    assert lab.start() != pid
    queued = lab.submit(1)
    row = check_finished(lab, run_id, 60)
    assert (row.pid, row.attempts) == (run.pid, 1)
    assert lab.trace(run_id) == [(run.pid, epoch) for epoch in range(1, 61)]
    assert check_finished(lab, queued, 1).started >= row.finished


def test_a_killed_adopted_run_is_tried_again(lab):
    daemon = lab.start()
    run_id = lab.submit(120, seconds=0.05)
    run = lab.at(run_id, 2)
    os.kill(daemon, signal.SIGKILL)
    until(lambda: not background.daemon_alive())
    lab.start()
    os.kill(run.pid, signal.SIGKILL)
    assert check_finished(lab, run_id, 120).attempts == 2


def test_when_daemon_and_run_die_the_next_daemon_goes_on(lab):
    daemon = lab.start()
    run_id = lab.submit(20, seconds=0.03)
    run = lab.at(run_id, 3)
    os.kill(daemon, signal.SIGKILL)
    os.kill(run.pid, signal.SIGKILL)
    until(lambda: not background.daemon_alive())
    lab.start()
    assert check_finished(lab, run_id, 20).attempts == 2


def test_an_adversary_changes_no_result(lab):
    """Kills run processes and daemons at random: every run ends as if nothing had been, and no two processes train one at once."""
    draw = random.Random(4)
    ids = [lab.submit(30, seconds=0.02) for _ in range(4)]
    lab.start()
    kills = 0
    while kills < 7:
        if not lab.store.list(states=("queued", "running")):
            ids.append(lab.submit(30, seconds=0.02))  # a fast machine is done before all are killed
        time.sleep(draw.uniform(0.05, 0.3))
        status, running = standing(place(settings())), lab.store.list(states=["running"])
        # Three deaths within one epoch would rightly end a run.
        running = [run for run in running if run.strikes < 2]
        if status is not None and draw.random() < 0.3:
            os.kill(status.process.pid, signal.SIGKILL)
            kills += 1
        elif running and processes.alive((run := draw.choice(running)).process):
            with contextlib.suppress(ProcessLookupError):
                os.kill(run.pid, signal.SIGKILL)
                kills += 1
        background.ensure_daemon(command=lab.command())
    until(lambda: background.ensure_daemon(command=lab.command()) == "ready")
    for run_id in ids:
        check_finished(lab, run_id, 30)
        pids = [pid for pid, _ in lab.trace(run_id)]
        turns = 1 + sum(left != right for left, right in itertools.pairwise(pids))
        assert turns == len(set(pids)), "two processes trained one run at once"
    os.kill(lab.daemon(), signal.SIGTERM)
    until(lambda: not lab.alive())


def test_a_run_that_always_dies_at_the_same_place_is_given_up(lab):
    lab.start()
    run_id = lab.submit(5, die_at=2)
    run = lab.ended(run_id)
    assert run.state == "crashed"
    assert run.error == (
        "The run's process was killed. That happened 3 times without a new epoch. Resume it to go on from its last checkpoint."
    )
    assert [epoch for _, epoch in lab.trace(run_id)] == [1, 2]


def test_a_run_that_cannot_begin_is_given_up(lab):
    lab.target = "standin:broken"
    lab.start()
    run = lab.ended(lab.submit(5))
    assert (run.state, run.attempts) == ("crashed", 0)
    assert "exit code 3" in run.error


def test_a_target_that_cannot_be_imported_harms_no_daemon(lab):
    lab.target = "nowhere:execute"
    pid = lab.start()
    assert lab.ended(lab.submit(5)).state == "crashed"
    assert lab.daemon() == pid


@pytest.mark.parametrize(("want", "then"), [("pause", "paused"), ("stop", "stopped")])
def test_a_run_obeys_and_can_go_on(lab, want, then):
    lab.start()
    run_id = lab.submit(30, seconds=0.03)
    lab.at(run_id, 2)
    lab.store.ask(run_id, want)
    assert lab.ended(run_id).state == then
    lab.store.ask(run_id, "run")
    check_finished(lab, run_id, 30)
    assert [epoch for _, epoch in lab.trace(run_id)] == list(range(1, 31))


@pytest.mark.parametrize(("want", "then"), [("pause", "paused"), ("stop", "stopped")])
def test_a_run_that_does_not_obey_is_killed_with_its_children(lab, want, then):
    lab.patience = 0.3
    lab.start()
    run_id = lab.submit(10_000, seconds=0.02, deaf=True, child=True)
    run = lab.at(run_id, 2)
    children = [child.pid for child in psutil.Process(run.pid).children()]
    assert len(children) == 1
    lab.store.ask(run_id, want)
    assert lab.ended(run_id).state == then
    assert processes.alive(run.process) is False
    until(lambda: processes.identify(children[0]) is None)
    check_finished(lab, lab.submit(2), 2)


def test_a_process_that_does_not_end_with_its_run_is_killed(lab):
    lab.patience, lab.slots = 0.3, 1
    lab.start()
    run = check_finished(lab, lab.submit(2, linger=60.0), 2)
    assert processes.alive(run.process)
    check_finished(lab, lab.submit(2), 2)
    assert lab.store.get(run.id) == run
    assert not processes.alive(run.process)


def test_children_of_a_killed_run_die_with_it(lab):
    lab.start()
    run_id = lab.submit(200, seconds=0.02, child=True)
    run = lab.at(run_id, 1)
    child = psutil.Process(run.pid).children()[0].pid
    os.kill(run.pid, signal.SIGKILL)
    until(lambda: processes.identify(child) is None)
    lab.store.ask(run_id, "stop")
    assert lab.ended(run_id).state == "stopped"


def test_runs_survive_the_death_of_the_server_they_were_forked_from(lab):
    daemon = lab.start()
    run_id = lab.submit(40, seconds=0.05)
    run = lab.at(run_id, 2)
    server = psutil.Process(run.pid).ppid()
    assert server != daemon
    os.kill(server, signal.SIGKILL)
    later = lab.submit(2)
    check_finished(lab, later, 2)
    assert (check_finished(lab, run_id, 40).attempts, lab.store.get(run_id).pid) == (1, run.pid)


def foreground(lab, kill):
    """A foreground run in a process of its own that dies before or after it claims."""
    code = "; ".join(
        [
            "import os, time, signal, standin",
            "from engine.settings import settings",
            "from engine.store import RunStore",
            "here = settings()",
            "store = RunStore(here.store_url, here.artifacts)",
            "run = store.create({'training': {'epochs': 3}, 'fake': {'die_at': 1}}, queue='foreground')",
            "os.kill(os.getpid(), signal.SIGKILL)" if kill == "before" else "standin.execute(run.id, store)",
        ]
    )
    subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[1])
    return lab.store.list()[0].id


@pytest.mark.parametrize("kill", ["before", "after"])
def test_a_foreground_run_whose_process_died_is_crashed_daemon_or_not(lab, kill):
    run_id = foreground(lab, kill)
    assert lab.store.get(run_id).state == ("queued" if kill == "before" else "running")
    assert [run.id for run in background.reconcile(lab.store)] == [run_id]
    assert lab.store.get(run_id).state == "crashed"
    lab.start()
    again = foreground(lab, kill)
    assert lab.ended(again).state == "crashed"


def test_a_live_run_is_not_lost_when_the_clock_jumps(lab, monkeypatch):
    run_id = lab.submit(3)
    lab.store.claim(run_id)
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert background.reconcile(lab.store) == []
    assert lab.store.get(run_id).state == "running"


def test_a_run_on_another_host_is_lost_by_its_heartbeat(lab, monkeypatch):
    run_id = lab.submit(3)
    lab.store.claim(run_id, processes.Identity("elsewhere", 1, "x-1"))
    assert background.reconcile(lab.store) == []
    now = time.monotonic()
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert background.reconcile(lab.store) == [], "the clock on the wall jumps"
    monkeypatch.setattr(truth.time, "monotonic", lambda: now + 61)
    assert [run.state for run in background.reconcile(lab.store)] == ["crashed"]
