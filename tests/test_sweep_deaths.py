"""A sweep under murder: whatever dies, each trial is asked for once, ends once, and with the same value."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import sweepfake

from engine import background, processes
from engine.sweeps import config_of, grid, parse_sweep, trials_of
from tests.background_lab import until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes as POSIX does")
AXES = {"model.dropout": "0, 0.2, 0.3", "training.lr": "0.001, 0.01, 0.1, 1"}


def test_a_sweep_outlives_every_daemon_that_leads_it(lab):
    """Kills the daemon, and now and then a run: the next daemon goes on, and nothing is asked twice or lost."""
    lab.target, lab.idle = "sweepfake:execute", 0.5
    config = parse_sweep({"base": {"training": {"epochs": 6}}, "axes": AXES, "sampler": "grid", "at_a_time": 3})
    sweep = lab.store.create_sweep(config.model_dump(mode="json"), "grid")
    draw, kills = random.Random(3), 0
    background.ensure_daemon(command=lab.command())
    while kills < 3 and lab.store.get_sweep(sweep.id).state == "running":
        time.sleep(draw.uniform(0.05, 0.2))
        running = [run for run in lab.store.list(("running",)) if run.strikes < 2]
        if running and kills % 3 == 1 and processes.alive((run := draw.choice(running)).process):
            with contextlib.suppress(ProcessLookupError):
                os.kill(run.pid, signal.SIGKILL)
                kills += 1
        elif background.daemon_state() == "ready" and lab.store.get_sweep(sweep.id).asked > 2 * kills:
            os.kill(lab.daemon(), signal.SIGKILL)
            kills += 1
            until(lambda: not background.daemon_alive())
        background.ensure_daemon(command=lab.command())
    assert kills >= 1
    until(lambda: background.ensure_daemon(command=lab.command()) and lab.store.get_sweep(sweep.id).state != "running", 40)
    ended = lab.store.get_sweep(sweep.id)
    trials = trials_of(ended, config_of(ended), lab.store)
    assert (ended.state, ended.asked) == ("finished", 12)
    assert [trial.settings for trial in trials] == [*grid(config)]
    for trial in trials:
        assert [(run.repeat, run.state, run.epoch) for run in trial.runs] == [(0, "finished", 6)]
        assert trial.values == [sweepfake.objective(lab.store.get(run.id).config) for run in trial.runs]
    assert len(lab.store.list()) == 12
    until(lambda: not lab.alive())  # for it is idle now, and was not while a sweep ran
