"""The background engine at work: one daemon per store, runs in order, and a daemon that leaves when it should."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine import background, processes
from engine.background import place as files
from engine.background.place import bound, place
from engine.errors import InputError
from engine.settings import settings
from tests.background_lab import check_finished, until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes as POSIX does")


def test_a_warm_daemon_begins_a_run_at_once_and_leaves_nothing_behind(lab):
    assert background.daemon_state() == "down"
    pid = lab.start()
    assert background.ensure_daemon(command=["false"]) == "ready"
    waits = []
    for _ in range(3):
        run = check_finished(lab, lab.submit(3), 3)
        waits.append(run.started - run.created)
    assert min(waits) < 0.5
    os.kill(pid, signal.SIGTERM)
    until(lambda: not lab.alive())
    assert not background.daemon_alive()
    assert lab.store.counts()["finished"] == 3


def test_runs_wait_for_a_slot_and_go_in_order(lab):
    lab.slots = 1
    ids = [lab.submit(4, seconds=0.02) for _ in range(3)]
    lab.start()
    rows = [check_finished(lab, run_id, 4) for run_id in ids]
    assert rows[0].finished <= rows[1].started
    assert rows[1].finished <= rows[2].started


def test_one_store_has_one_daemon(lab):
    racers = [subprocess.Popen(lab.command(), stderr=subprocess.PIPE, text=True) for _ in range(3)]
    until(background.daemon_alive)
    pid = lab.daemon()
    losers = [racer for racer in racers if racer.pid != pid]
    assert len(losers) == 2
    for racer in losers:
        _, told = racer.communicate(timeout=20)
        assert racer.returncode == 0
        assert "another daemon serves this store" in told
    assert lab.daemon() == pid
    check_finished(lab, lab.submit(2), 2)
    winner = next(racer for racer in racers if racer.pid == pid)
    winner.send_signal(signal.SIGTERM)
    winner.communicate(timeout=20)
    assert winner.returncode == 0


def test_another_store_in_the_same_home_has_its_own_daemon(lab, monkeypatch):
    pid = lab.start()
    monkeypatch.setenv("ENCORE_STORE", f"sqlite:///{lab.home / 'other.db'}")
    assert background.daemon_state() == "down"
    assert lab.start() != pid


def test_a_daemon_that_is_told_to_leave_leaves_its_runs_alone(lab):
    pid = lab.start()
    run_id = lab.submit(40, seconds=0.05)
    run = lab.at(run_id, 2)
    os.kill(pid, signal.SIGTERM)
    until(lambda: processes.identify(pid) is None)
    assert not background.daemon_alive()
    assert lab.store.get(run_id).state == "running"
    assert check_finished(lab, run_id, 40).pid == run.pid
    until(lambda: not lab.alive())


def test_an_idle_daemon_begins_anew_when_the_code_has_changed(lab):
    copy = lab.home / "copy"
    shutil.copytree(Path(background.__file__).parents[1], copy / "engine", ignore=shutil.ignore_patterns("__pycache__"))
    with (lab.home / "log").open("wb") as log:
        daemon = subprocess.Popen(lab.command(), cwd=copy, stderr=log)
    until(lambda: background.daemon_state() == "ready")
    (copy / "engine" / "addition.py").write_text("")
    until(lambda: (lab.home / "log").read_text().count("ready") == 2)
    assert lab.daemon() == daemon.pid
    check_finished(lab, lab.submit(2), 2)
    daemon.terminate()
    assert daemon.wait(10) == 0


def test_an_idle_daemon_leaves(lab):
    lab.idle = 0.3
    background.ensure_daemon(command=lab.command())
    check_finished(lab, lab.submit(2), 2)
    until(lambda: not background.daemon_alive())
    until(lambda: not lab.alive())


def test_a_daemon_whose_home_is_gone_leaves(lab):
    lab.start()
    place(settings()).lock.unlink()
    until(lambda: not lab.alive())


def test_reconcile_leaves_to_a_daemon_what_is_its_own(lab):
    run_id = lab.submit(3)
    lab.store.claim(run_id, processes.Identity(processes.current().host, 2**22 + 1, "0-1"))
    assert background.reconcile(lab.store, daemon=True) == []
    assert lab.store.get(run_id).state == "running"
    [lost] = background.reconcile(lab.store)
    assert (lost.state, lost.error) == ("crashed", "The process that trained it is gone. Resume it to go on from its last checkpoint.")


def test_the_log_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LOG_BYTES", 10)
    log = tmp_path / "daemon.log"
    bound(log)
    with log.open("ab") as writer:
        writer.write(b"0123456789abc")
        writer.flush()
        bound(log)
        writer.write(b"new")
    assert (log.read_bytes(), (tmp_path / "daemon.old.log").read_bytes()) == (b"new", b"0123456789abc")


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5"])
def test_settings_that_are_no_numbers_are_told(lab, monkeypatch, text):
    monkeypatch.setenv("ENCORE_SLOTS", text)
    with pytest.raises(InputError, match="ENCORE_SLOTS"):
        background.serve(settings())


def test_the_pages_door_imports_no_torch():
    code = "import sys, engine.store, engine.background; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[1]).returncode == 0
