"""Fifty trials of a small autoencoder in one sweep, beside fresh `python` processes that train the same settings.

    .venv/bin/python benchmarks/sweep.py [--trials 50] [--fresh 10] [--rounds 3] [--at-once 1]

Each round runs a whole sweep on a warm daemon, from its insertion to its end, and then some of its settings once more, each by a
`python -m engine train` of its own, as many side by side as the daemon has slots and with as many threads; what these take is
scaled to all trials. How long the daemon needs to become warm is told besides. Prints one line a round, and the medians as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
SHARED = {
    "preprocessing.sample_users": 300,
    "preprocessing.sample_items": 300,
    "model.layers": 32,
    "training.epochs": 10,
    "evaluation.max_rank": 8,
}
VARIED = {"model.dropout": "0..0.6", "training.lr": "0.0005..0.02 log"}


def one_sweep(trials: int) -> tuple[float, list[dict[str, object]]]:
    """Seconds from the insertion of a sweep to its end, and its settings."""
    from engine.config import merge, parse
    from engine.settings import settings
    from engine.store import RunStore
    from engine.sweeps import parse_sweep, trials_of

    store = RunStore(settings().store_url, settings().artifacts)
    base = parse(merge({}, SHARED))
    config = parse_sweep({"base": base, "axes": VARIED, "sampler": "random", "trials": trials})
    began = time.perf_counter()
    sweep = store.create_sweep(config.model_dump(mode="json"), "random", "rmse")
    while store.get_sweep(sweep.id).state == "running":
        time.sleep(0.05)
    seconds = time.perf_counter() - began
    ended = store.get_sweep(sweep.id)
    found = trials_of(ended, config, store)
    assert ended.state == "finished" and all(trial.state == "finished" for trial in found), ended.error
    store.close()
    return seconds, [dict(trial.settings) for trial in found]


def fresh_processes(settings: list[dict[str, object]], at_once: int, threads: int) -> float:
    """Seconds that as many fresh processes take, so many side by side."""

    def train(one: dict[str, object]) -> None:
        fields = [f"--set={path}={value}" for path, value in (SHARED | one).items()]
        environment = {**os.environ, "ENCORE_THREADS": str(threads)}
        subprocess.run([sys.executable, "-m", "engine", "train", *fields], cwd=ROOT, env=environment, check=True, capture_output=True)

    began = time.perf_counter()
    with ThreadPoolExecutor(at_once) as crowd:
        list(crowd.map(train, settings))
    return time.perf_counter() - began


def warm_daemon() -> float:
    """Seconds until a daemon stands ready."""
    from engine import background

    began = time.perf_counter()
    background.ensure_daemon()
    while background.daemon_state() != "ready":
        time.sleep(0.05)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--fresh", type=int, default=10, help="fresh processes per round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=1)
    told = parser.parse_args()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = max(1, cores // told.at_once)
    print(
        f"load {os.getloadavg()[0]:.1f} on {cores} cores, {told.at_once} at once with {threads} threads each", file=sys.stderr, flush=True
    )
    times: dict[str, list[float]] = {"sweep": [], "fresh": []}
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"ENCORE_HOME": home, "ENCORE_SLOTS": str(told.at_once), "ENCORE_IDLE": "1800"}
        os.environ.pop("ENCORE_STORE", None)
        warm = warm_daemon()
        try:
            for number in range(told.rounds):
                seconds, settings = one_sweep(told.trials)
                times["sweep"].append(seconds)
                measured = fresh_processes(settings[: told.fresh], told.at_once, threads)
                times["fresh"].append(measured * told.trials / told.fresh)
                scaled = f"{told.fresh} fresh processes in {measured:.1f} s, scaled {times['fresh'][-1]:.1f} s"
                print(
                    f"round {number + 1}: {told.trials} trials in {seconds:.1f} s; {scaled}; load {os.getloadavg()[0]:.1f}",
                    file=sys.stderr,
                    flush=True,
                )
        finally:
            from tests.engine_processes import end_engine

            end_engine(home)
    medians = {name: round(statistics.median(values), 1) for name, values in times.items()}
    ratio = statistics.median(fresh / sweep for fresh, sweep in zip(times["fresh"], times["sweep"], strict=True))
    result = {"trials": told.trials, "rounds": told.rounds, "median_seconds": medians, "times_the_throughput": round(ratio, 1)}
    print(json.dumps({**result, "seconds_until_the_daemon_is_warm": round(warm, 1), "fresh_measured": told.fresh, "cores": cores}))


if __name__ == "__main__":
    main()
