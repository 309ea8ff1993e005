"""One store, one daemon, whatever lies around: other homes, older code, a broken start, a database that goes and comes back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine import background, processes
from engine.background import launch
from engine.background.place import CODE, Standing, announce, code_version, place, standing
from engine.errors import InputError
from engine.settings import settings
from tests.background_lab import check_finished, until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes as POSIX does")


def test_two_homes_with_one_store_have_one_daemon(lab, monkeypatch, tmp_path):
    pid = lab.start()
    monkeypatch.setenv("ENCORE_STORE", settings().store_url)
    (tmp_path / "link.db").symlink_to(tmp_path / "encore.db")
    for url in (settings().store_url, f"sqlite:///{tmp_path / 'link.db'}", f"sqlite:///{tmp_path}/deep/../encore.db"):
        monkeypatch.setenv("ENCORE_HOME", str(tmp_path / "other"))
        monkeypatch.setenv("ENCORE_STORE", url)
        assert background.daemon_state() == "ready"
        with pytest.raises(InputError, match=r"keeps its artifacts in .*: give both the same ENCORE_HOME"):
            background.ensure_daemon(command=["false"])
        second = subprocess.run(lab.command(), capture_output=True, text=True, timeout=30, check=False)
        assert (second.returncode, "another daemon serves this store" in second.stderr) == (0, True)
        monkeypatch.setenv("ENCORE_HOME", str(tmp_path))
        assert lab.daemon() == pid


def test_an_idle_daemon_of_older_code_is_replaced_and_a_busy_one_is_not(lab, monkeypatch):
    copy = lab.home / "older"
    shutil.copytree(CODE, copy / "engine", ignore=shutil.ignore_patterns("__pycache__"))
    for file in (copy / "engine").rglob("*.py"):
        os.utime(file, (1e9, 1e9))
    monkeypatch.setattr(launch, "CODE", copy / "engine")
    old = lab.start()
    assert standing(place(settings())).code == 10**18
    run_id = lab.submit(30, seconds=0.05)
    lab.at(run_id, 1)
    until(lambda: standing(place(settings())).busy)
    assert background.ensure_daemon(command=["false"]) == "ready"
    assert lab.daemon() == old
    check_finished(lab, run_id, 30)
    until(lambda: not standing(place(settings())).busy)
    monkeypatch.setattr(launch, "CODE", CODE)
    assert background.ensure_daemon(command=lab.command()) == "starting"
    until(lambda: background.daemon_state() == "ready")
    assert lab.daemon() != old
    assert processes.identify(old) is None
    assert standing(place(settings())).code == code_version()
    check_finished(lab, lab.submit(2), 2)


def test_a_busy_daemon_begins_anew_with_new_code_where_runs_wait_and_none_is_lost(lab):
    copy = lab.home / "copy"
    shutil.copytree(CODE, copy / "engine", ignore=shutil.ignore_patterns("__pycache__"))
    lab.slots = 1
    with (lab.home / "log").open("wb") as log:
        daemon = subprocess.Popen(lab.command(), cwd=copy, stderr=log)
    until(lambda: background.daemon_state() == "ready")
    first, second = lab.submit(60, seconds=0.1), lab.submit(2)
    run = lab.at(first, 1)
    (copy / "engine" / "addition.py").write_text("")
    until(lambda: "adopting" in (lab.home / "log").read_text())
    assert (check_finished(lab, first, 60).pid, lab.store.get(first).attempts) == (run.pid, 1)
    check_finished(lab, second, 2)
    daemon.terminate()
    assert daemon.wait(10) == 0
    until(lambda: not lab.alive())


def test_a_daemon_that_does_not_start_says_why_and_is_not_started_at_every_look(lab):
    broken = [sys.executable, "-c", "import sys; sys.exit('The moon is wrong.')"]
    assert background.ensure_daemon(command=broken) == "starting"
    until(lambda: not background.daemon_alive())
    files = place(settings())
    until(lambda: files in launch._failed)
    with pytest.raises(InputError, match=r"does not start \(exit code 1\); the end of .*daemon.log is: The moon is wrong\."):
        background.ensure_daemon(command=broken)
    launch._failed.clear()
    lab.start()


def test_a_wrong_setting_is_told_before_a_daemon_is_started(lab, monkeypatch):
    monkeypatch.setenv("ENCORE_SLOTS", "cpu:many")
    with pytest.raises(InputError, match="ENCORE_SLOTS is 'cpu:many'"):
        background.ensure_daemon(command=["false"])


def test_a_home_that_is_no_folder_is_told(lab, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ENCORE_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(InputError, match="Let ENCORE_HOME name another"):
        background.ensure_daemon(command=["false"])


def test_a_database_that_vanishes_for_a_while_is_waited_for(lab):
    lab.start()
    run_id = lab.submit(60, seconds=0.05)
    lab.at(run_id, 3)
    waits = lab.submit(3)
    lab.store.close()
    away = lab.home / "away"
    away.mkdir()
    # Nobody holds a connection of these, so that whoever wants one has to open the file anew.
    parts = [lab.home / f"encore.db{ending}" for ending in ("", "-wal", "-shm")]
    there = [part for part in parts if part.exists()]
    for part in there:
        part.rename(away / part.name)
    time.sleep(1.5)
    assert not parts[0].exists(), "nobody makes an empty database in its place"
    for part in there:
        (away / part.name).rename(part)
    assert check_finished(lab, run_id, 60).attempts == 1
    check_finished(lab, waits, 3)


def test_a_daemon_that_cannot_write_its_status_goes_on(lab):
    lab.start()
    status = place(settings()).status
    status.unlink()
    status.mkdir()
    time.sleep(1.5)
    check_finished(lab, lab.submit(3), 3)
    status.rmdir()
    until(lambda: background.daemon_state() == "ready")


def test_a_process_that_never_begins_is_killed_and_in_the_end_given_up(lab):
    lab.before, lab.target = ["babysitter.START_SECONDS = 0.5"], "standin:hangs"
    lab.start()
    run = lab.ended(lab.submit(3))
    assert run.state == "crashed"
    assert run.error.startswith("The run did not begin within 0 seconds and was killed. That happened 3 times")


def test_who_looks_at_runs_has_a_dead_daemon_started_again(lab, monkeypatch):
    started = []
    monkeypatch.setattr(background, "ensure_daemon", lambda: started.append(True) or "starting")
    assert background.attend(lab.store) == [] and not started, "nothing waits or runs"
    sweep = lab.store.create_sweep({}, "grid")
    assert background.attend(lab.store) == [] and started, "a sweep has a daemon ask for its next run"
    lab.store.end_sweep(sweep.id, "stopped")
    started.clear()
    run_id = lab.submit(3)
    lab.store.claim(run_id, processes.Identity(processes.current().host, 2**22 + 1, "0-1"))
    assert background.attend(lab.store) == [] and started
    assert lab.store.get(run_id).state == "running", "the daemon goes on with it"

    def fails():
        raise InputError("It does not start.")

    monkeypatch.setattr(background, "ensure_daemon", fails)
    assert [run.state for run in background.attend(lab.store)] == ["crashed"], "without one, the state is to be true"


def test_what_a_newer_daemon_says_is_understood(lab):
    files = place(settings())
    announce(files, Standing(processes.current(), ready=True))
    told = files.status.read_text()
    files.status.write_text(told.replace('"ready"', '"colour": "blue", "ready"'))
    assert background.daemon_state() == "ready"
    files.status.write_text("{")
    assert background.daemon_state() == "down"
    files.status.unlink()


def test_the_daemon_holds_a_lock_beside_the_database(lab, tmp_path):
    files = place(settings())
    assert Path(files.lock).parent == tmp_path.resolve()
