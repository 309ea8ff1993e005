"""How long a run waits for its first training step: from its submission to the first point of its curve, on a warm engine with a free slot.

    .venv/bin/python benchmarks/first_step.py [--rounds 10] [--preset demo]

Starts an engine of its own in a temporary home, submits runs as the pages do, one after the other, and stops each after its first
step. Prints one line a round and the median as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from engine import background
from engine.background.place import place, standing
from engine.config import parse
from engine.presets import DEMO, preset
from engine.settings import settings
from engine.store import RunStore


def first_step(store: RunStore, watch: sqlite3.Connection, values: dict) -> float:
    """Seconds from the submission of a run to its first point; the run is stopped then."""
    submitted = time.perf_counter()
    run = store.create(values)
    background.ensure_daemon()
    while watch.execute("SELECT 1 FROM metrics WHERE run_id = ? LIMIT 1", (run.id,)).fetchone() is None:
        if store.get(run.id).error:
            sys.exit(str(store.get(run.id).error))
        time.sleep(0.005)
    waited = time.perf_counter() - submitted
    store.ask(run.id, "stop")
    while store.get(run.id).state in ("queued", "running"):
        time.sleep(0.05)
    time.sleep(1.0)  # until its slot is free again
    return waited


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--preset", default=DEMO)
    given = parser.parse_args()
    values = parse(preset(given.preset).values).model_dump(mode="json")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        os.environ["ENCORE_HOME"] = home
        os.environ.pop("ENCORE_STORE", None)
        store = RunStore(settings().store_url, settings().artifacts)
        watch = sqlite3.connect(Path(home) / "encore.db", isolation_level=None)
        background.ensure_daemon()
        while background.daemon_state() != "ready":
            time.sleep(0.1)
        first_step(store, watch, values)  # reads the data for the first time
        waits = []
        for number in range(given.rounds):
            waits.append(first_step(store, watch, values))
            print(f"round {number + 1:>2}  {waits[-1]:.3f} s", file=sys.stderr, flush=True)
        said = standing(place(settings()))
        if said is not None:
            os.kill(said.process.pid, signal.SIGTERM)
        watch.close()
        store.close()
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    about = {"preset": given.preset, "rounds": given.rounds, "cores": os.cpu_count(), "load_per_core": round(load, 2)}
    print(json.dumps({**about, "median_seconds": round(statistics.median(waits), 3), "slowest": round(max(waits), 3)}))


if __name__ == "__main__":
    main()
