"""A home with a daemon whose runs are stand-ins, for tests that kill what they like in it."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent))
import standin

from engine import background
from engine.background.place import place, standing
from engine.settings import settings
from engine.store import RunStore


def until(condition, seconds=15.0):
    """The first true answer; fails when none comes in time."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return answer


class Lab:
    """A home of its own, with a daemon whose runs are stand-ins."""

    def __init__(self, home):
        self.home = home
        self.store = RunStore(settings().store_url, settings().artifacts)
        self.target, self.preload = "standin:execute", ("standin",)
        self.slots, self.idle, self.patience = 2, 60.0, 15.0
        self.before = []

    def reopen(self):
        """Go over to the store of the settings now in force."""
        self.store.close()
        self.store = RunStore(settings().store_url, settings().artifacts)

    def command(self):
        job = f"Job(here.store_url, str(here.artifacts), {self.target!r}, {self.preload}, 1, {self.patience})"
        lines = [
            "from engine import babysitter, background",
            *self.before,
            "from engine.babysitter import Job",
            "from engine.settings import settings",
            "here = settings()",
            f"background.serve(here, job={job}, at_once={self.slots}, idle={self.idle}, patience=1.0)",
        ]
        return [sys.executable, "-c", "; ".join(lines)]

    def start(self, seconds=15.0):
        """Start a daemon and wait until it is ready; its pid."""
        background.ensure_daemon(command=self.command())
        until(lambda: background.daemon_state() == "ready", seconds)
        return self.daemon()

    def daemon(self):
        return standing(place(settings())).process.pid

    def submit(self, epochs, **fake):
        return self.store.create({"training": {"epochs": epochs}, "fake": fake}).id

    def ended(self, run_id, seconds=15.0):
        """The run when it is in the hands of nobody any more."""
        return until(lambda: (run := self.store.get(run_id)).state not in ("queued", "running") and run, seconds)

    def at(self, run_id, epoch, seconds=15.0):
        """The run when it has reached an epoch."""
        return until(lambda: (run := self.store.get(run_id)).epoch >= epoch and run.state == "running" and run, seconds)

    def trace(self, run_id):
        """(pid, epoch) of each epoch that was trained, in order."""
        lines = (self.store.artifacts / run_id / "trace").read_text().splitlines()
        return [tuple(map(int, line.split())) for line in lines]

    def alive(self):
        """All processes that work for this home, by what they were started with."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.pid != os.getpid() and process.environ().get("ENCORE_HOME") == str(self.home) and process.status() != "zombie":
                    found.append(process)
        return found

    def clear(self):
        for _ in range(50):
            left = self.alive()
            for process in left:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            if not left:
                break
            time.sleep(0.05)
        self.store.close()


def result(epochs):
    """What an undisturbed run of so many epochs ends with."""
    value = 1
    for _ in range(epochs):
        value = standin.advance(value)
    return value


def check_finished(lab, run_id, epochs, seconds=15.0):
    run = lab.ended(run_id, seconds)
    assert (run.state, run.error) == ("finished", None)
    assert run.summary == {"value": result(epochs)}
    assert lab.store.metrics(run_id)["step"].tolist() == list(range(1, epochs + 1))
    return run
