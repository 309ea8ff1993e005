"""Real trainings while somebody kills whatever he can: each ends with the numbers of a twin whom nobody disturbed."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time

import psutil
import pytest

from engine import background, processes, runs
from engine.background.place import place, standing
from engine.config import merge, parse
from engine.endings import EXPECTED
from engine.settings import settings
from engine.store import RunStore
from tests.background_lab import until
from tests.soak import SOAK

pytestmark = [pytest.mark.soak, pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes as POSIX does")]

RUNS, KILLS, KINDS, EPOCHS = (30, 40, 10, 120) if SOAK else (3, 3, 2, 30)
TRUE_WITHIN = 10.0 if SOAK else 30.0
"""Seconds in which a state has to be true again; beside other tests a new daemon takes longer to start."""
SMALL = {
    "preprocessing": {"sample_users": 150, "sample_items": 120},
    "model": {"layers": [12], "dropout": 0.2},
    "training": {"epochs": EPOCHS, "batch_size": 16, "lr": 0.005},
    "evaluation": {"max_rank": 6},
}
CHANGES = ({}, {"refeed.steps": 1, "refeed.noise": 0.1}, {"model.orientation": "item"}, {"training.refit": True}, {"noise.kind": "masking"})


def configuration(kind):
    return parse(merge(SMALL, {**CHANGES[kind % len(CHANGES)], "training.seed": kind})).model_dump(mode="json")


def figures(store, run):
    """What a run ends with: its summary's figures, and every metric that does not depend on time."""
    frame = store.metrics(run.id)
    rows = frame[~frame["name"].str.startswith("batch/") & (frame["name"] != "train/seconds")]
    assert not frame.duplicated(["step", "name"]).any()
    summary = {name: run.summary[name] for name in ("epochs", "best_epoch", "metrics", "baselines", "difference")}
    return summary, rows[["step", "name", "value", "epoch"]].to_numpy().tolist()


def undisturbed(folder):
    """What each kind of run ends with in a process that nobody kills."""
    store = RunStore(f"sqlite:///{folder / 'twins.db'}", folder / "twins")
    found = []
    for kind in range(KINDS):
        run = store.create(configuration(kind))
        runs.execute(run.id, store)
        assert store.get(run.id).state == "finished", store.get(run.id).error
        found.append(figures(store, store.get(run.id)))
    store.close()
    return found


class Adversary:
    """Kills the daemon, a run's process or the server that runs are forked from; sees how long a state stays untrue."""

    def __init__(self, lab, seed):
        self.lab, self.draw = lab, random.Random(seed)
        self.kills, self.untrue, self.worst = {"run": 0, "daemon": 0, "server": 0}, {}, 0.0

    def look(self):
        """Notes for how long rows have said that they run, of which the process is gone."""
        now = time.monotonic()
        wrong = {run.id for run in self.lab.store.list(states=["running"]) if not processes.alive(run.process)}
        self.untrue = {run_id: self.untrue.get(run_id, now) for run_id in wrong}
        self.worst = max([self.worst, *(now - since for since in self.untrue.values())])

    def strike(self):
        """One kill, where there is anything to kill."""
        said = standing(place(settings()))
        # Three deaths within one epoch would rightly end a run.
        running = [run for run in self.lab.store.list(states=["running"]) if run.strikes < 2 and processes.alive(run.process)]
        dice = self.draw.random()
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if dice < 0.25 and said is not None and said.ready:
                os.kill(said.process.pid, signal.SIGKILL)
                self.kills["daemon"] += 1
            elif running:
                run = self.draw.choice(running)
                server = psutil.Process(run.pid).parent()
                if dice > 0.9 and server is not None and "forkserver" in " ".join(server.cmdline()):
                    server.kill()
                    self.kills["server"] += 1
                else:
                    os.kill(run.pid, signal.SIGKILL)
                    self.kills["run"] += 1


def test_an_adversary_changes_no_figure(lab, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ENCORE_THREADS", "1")
    twins = undisturbed(tmp_path)
    lab.target, lab.preload = "engine.runs:execute", ("torch", "engine.ready")

    def submitted(number):
        return lab.store.create(configuration(number % KINDS), owner=f"session {number % 3}").id

    ids = [submitted(number) for number in range(RUNS)]
    lab.start(120)
    adversary, began = Adversary(lab, seed=6), time.monotonic()
    while (goes_on := sum(adversary.kills.values()) < KILLS) or lab.store.list(states=("queued", "running")):
        assert time.monotonic() - began < 900, "it does not come to an end"
        if goes_on and not lab.store.list(states=("queued", "running")):
            ids.append(submitted(len(ids)))  # a fast machine is done before he is
        if goes_on:
            adversary.strike()
        calm = time.monotonic() + adversary.draw.uniform(0.2, 1.5)
        while time.monotonic() < calm:
            background.ensure_daemon(command=lab.command())
            adversary.look()
            time.sleep(0.1)
    seconds, attempts = time.monotonic() - began, sum(lab.store.get(run_id).attempts for run_id in ids)
    told = f"{len(ids)} runs, kills {adversary.kills}, {attempts} attempts, {seconds:.0f} s, longest untrue state {adversary.worst:.1f} s"
    with capsys.disabled():
        sys.stdout.write(f"\n{told}\n" if SOAK else "")
    assert adversary.worst < TRUE_WITHIN
    for number, run_id in enumerate(ids):
        run = lab.store.get(run_id)
        assert (run.state, run.error) == ("finished", None)
        assert figures(lab.store, run) == twins[number % KINDS], f"run {number} after {run.attempts} attempts"
        assert not lab.store.has(run_id, "checkpoint")
        assert 0.5 < run.facts[EXPECTED] / run.summary["peak_memory_mb"] < 1.5, "the estimate of its memory is of its size"
    until(lambda: background.ensure_daemon(command=lab.command()) == "ready", 120)
    os.kill(lab.daemon(), signal.SIGTERM)
    until(lambda: not lab.alive(), 30)
