"""Stands in for engine.runs in the tests of the background engine: a run that trains nothing, at a known pace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from engine.processes import current
from engine.store import MetricRow, RunStore


def advance(value: int) -> int:
    """One epoch of `training`: the result depends on every epoch before."""
    return (value * 31 + 7) % 1009


def execute(run_id: str, store: RunStore) -> None:
    """Claims, advances, checkpoints and obeys as the config's `fake` section says: seconds (per epoch), deaf, child, die_at, linger."""
    if not store.claim(run_id, current()):
        return
    run = store.get(run_id)
    fake = run.config.get("fake", {})
    folder = Path(store.artifacts) / run_id
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "fake.json"
    epoch, value = json.loads(checkpoint.read_text()) if checkpoint.exists() else (0, 1)
    if fake.get("child"):
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    while epoch < run.epochs:
        if epoch == fake.get("die_at"):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(fake.get("seconds", 0.0))
        epoch, value = epoch + 1, advance(value)
        with (folder / "trace").open("a") as trace:
            trace.write(f"{os.getpid()} {epoch}\n")
        store.add_metrics(run_id, [MetricRow(epoch, "value", value, epoch, 0.0)])
        temporary = checkpoint.with_suffix(".tmp")
        temporary.write_text(json.dumps([epoch, value]))
        temporary.replace(checkpoint)
        wish = store.beat(run_id, epoch=epoch, step=epoch)
        if wish.want != "run" and not fake.get("deaf"):
            store.finish(run_id, "paused" if wish.want == "pause" else "stopped")
            return
    store.finish(run_id, "finished", summary={"value": value})
    time.sleep(fake.get("linger", 0.0))


def hangs(run_id: str, store: RunStore) -> None:
    """A run that never claims its row."""
    time.sleep(60)


def broken(run_id: str, store: RunStore) -> None:
    """A run that ends before it claims its row."""
    raise SystemExit(3)


def contend(url: str, artifacts: str, run_id: str, barrier, results) -> None:
    """One of many processes that try to claim the same run."""
    store = RunStore(url, Path(artifacts))
    barrier.wait(30)
    results.put(store.claim(run_id))


def write_points(url: str, artifacts: str, run_id: str, first: int, barrier) -> None:
    """One of many processes that write to one database at once."""
    barrier.wait(30)
    store = RunStore(url, Path(artifacts))
    for step in range(first, first + 40):
        store.add_metrics(run_id, [MetricRow(step, "loss", step / 2, 0.0, 0.0)])
