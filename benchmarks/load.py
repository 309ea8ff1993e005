"""Many people at once: sessions that speak Streamlit's own protocol, as browsers do, while runs train.

    .venv/bin/python benchmarks/load.py [--sessions 50] [--minutes 10] [--runs 200] [--epochs 1000] [--training 4] [--docs]

Fills a store with so many finished runs of so many epochs, starts the app and the training runs, and opens the sessions. Together,
where they are enough, they begin with every page there is. Then each walks from page to page by a seeded plan, stays for 15 to 45
seconds, and obeys the pages' own looking-again, as a browser does; a tick that comes while the former is still being answered is left
out. Before one walk in ten, by chance, a tab is closed and a new one opened.

Prints as JSON: the seconds from a request to the end of its script (median, 95th percentile, slowest) for pages and for looking again,
after the warm-up and, on a line of its own, within it, when all tabs are opened one after another; errors at any time (exceptions and
error boxes in a page, broken connections, tracebacks in the server's log); and the server's memory in MB after the warm-up and at the
end. `--docs` writes docs/LOAD.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from engine.babysitter import NICENESS
from engine.config import merge, parse
from engine.lessons import lessons
from engine.store import MetricRow, RunStore
from tests.browser.server import serving, trained

WARM_UP = 0.2
"""Share of the time that is the warm-up: in its first half the tabs are opened."""
STAYS = (15.0, 45.0)
"""Seconds on a page."""
CLOSES = 0.1
"""Share of pages before which a tab is closed."""
ANSWER_WITHIN = 60.0
AGAIN = ", looking again"
WHILE_WARMING = "everything, in the warm-up"
DEMO = {"dataset": {"name": "synthetic"}}


@dataclass
class Seen:
    """What all sessions have measured.

    Attributes:
        warm: the moment at which the warm-up ends, of `time.monotonic`.
        answers: seconds of each answer, by what was asked for.
        memory: moments and the server's memory in MB.
    """

    warm: float
    answers: dict[str, list[float]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[float, float]] = field(default_factory=list)


class Session:
    """One tab."""

    def __init__(self, address: str, seen: Seen) -> None:
        self.url = address.replace("http", "ws") + "/_stcore/stream"
        self.seen = seen
        self.socket: ClientConnection | None = None
        self.paces: dict[str, float] = {}
        self.due: dict[str, float] = {}
        self.part = False

    async def walk(self, plan: random.Random, addresses: list[str], first: str, until: float) -> None:
        """Goes from page to page until the end."""
        address = first
        try:
            while time.monotonic() < until:
                if self.socket is None or plan.random() < CLOSES:
                    await self.close()
                    self.socket = await connect(self.url, subprotocols=["streamlit"], max_size=None)  # type: ignore[list-item]
                page, _, query = address.partition("?")
                await self.ask(page, query)
                await self.stay(page, query, min(until, time.monotonic() + plan.uniform(*STAYS)))
                address = plan.choice(addresses)
        except (ConnectionClosed, OSError, TimeoutError) as error:
            self.seen.errors[f"connection: {type(error).__name__}"] += 1
        await self.close()

    async def close(self) -> None:
        """Closes the tab."""
        if self.socket is not None:
            await self.socket.close()
        self.socket, self.paces = None, {}

    async def stay(self, page: str, query: str, until: float) -> None:
        """Looks again as often as the page's parts ask for."""
        while (now := time.monotonic()) < until:
            due = {fragment: self.due.get(fragment, now + pace) for fragment, pace in self.paces.items()}
            if not due:
                await asyncio.sleep(min(1.0, until - now))
                continue
            first = min(due, key=lambda fragment: due[fragment])
            if due[first] > now:
                self.due = due
                await asyncio.sleep(min(due[first], until) - now)
                continue
            self.due = due | {first: now + self.paces[first]}
            await self.ask(page, query, first)

    async def ask(self, page: str, query: str, fragment: str = "") -> None:
        """Has a script run, of the whole page or of a part, and waits for its end."""
        assert self.socket is not None
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.page_name, state.fragment_id, state.is_auto_rerun = query, page, fragment, bool(fragment)
        self.part = bool(fragment)
        started = time.monotonic()
        await self.socket.send(message.SerializeToString())
        async with asyncio.timeout(ANSWER_WITHIN):
            while not self.read(await self.socket.recv(decode=False), page):
                pass
        kind = f"{page or 'start'}{AGAIN if fragment else ''}" if started >= self.seen.warm else WHILE_WARMING
        self.seen.answers.setdefault(kind, []).append(time.monotonic() - started)

    def read(self, content: bytes, page: str) -> bool:
        """Takes one message of the server. Whether it ends a script."""
        message = ForwardMsg.FromString(content)
        kind = message.WhichOneof("type")
        if kind == "new_session" and not self.part:
            self.paces, self.due = {}, {}
        elif kind == "auto_rerun":
            self.paces[message.auto_rerun.fragment_id] = message.auto_rerun.interval
        elif kind == "stop_auto_rerun":
            self.paces.pop(message.stop_auto_rerun.fragment_id, None)
        elif kind == "delta":
            self.judge(message, page)
        elif kind == "session_event" and message.session_event.script_compilation_exception.message:
            self.seen.errors[f"{page}: {message.session_event.script_compilation_exception.message}"] += 1
        elif kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            self.part = False  # a part has asked for the whole page
        ends = (ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY)
        return kind == "script_finished" and message.script_finished in ends

    def judge(self, message: ForwardMsg, page: str) -> None:
        """Counts what a page should not show."""
        element = message.delta.new_element
        shown = element.WhichOneof("type")
        if shown == "exception":
            self.seen.errors[f"{page}: {element.exception.type}: {element.exception.message[:120]}"] += 1
        elif shown == "alert" and element.alert.format == element.alert.ERROR:
            self.seen.errors[f"{page}: {element.alert.body[:120]}"] += 1


def fill(home: Path, runs: int, epochs: int) -> list[str]:
    """Finished runs as the store keeps them, with a training and a validation curve each."""
    store = RunStore(f"sqlite:///{home}/encore.db", home / "artifacts")
    steps = np.arange(1, epochs + 1)
    ids = []
    for seed in range(runs):
        config = parse(merge(DEMO, {"training": {"seed": seed, "epochs": epochs}, "model": {"dropout": seed % 10 / 20}}))
        run = store.create(config.model_dump(mode="json"))
        store.claim(run.id)
        curve = 0.9 + seed / 1e4 + 0.3 / np.sqrt(steps)
        rows = [
            MetricRow(int(step), name, float(value - drop), int(step), float(step))
            for name, drop in (("validation/rmse", 0), ("train/rmse", 0.1), ("train/loss", 0.2))
            for step, value in zip(steps, curve, strict=True)
        ]
        store.add_metrics(run.id, rows)
        test = {"rmse": 0.9 + seed / 1e4, "rmse_clipped": 0.89 + seed / 1e4}
        summary = {"metrics": {"test": test, "validation": test}, "baselines": {"svd": {"rmse": 0.91}}, "best_epoch": epochs}
        took = {"epochs": epochs, "seconds_per_epoch": 0.2, "peak_memory_mb": 300.0}
        store.finish(run.id, "finished", summary=summary | took)
        ids.append(run.id)
    store.close()
    return ids


@contextmanager
def training(home: Path, number: int) -> Iterator[list[str]]:
    """Runs that train for longer than anybody looks, each in a process and with a thread of its own; their ids.

    The daemon would not begin more of them at a time than there are cores.
    """
    environment = {**os.environ, "ENCORE_HOME": str(home), "ENCORE_THREADS": "1"}
    endless = ["--set=training.epochs=100000", "--set=training.patience=0"]
    command = ["nice", "-n", str(NICENESS), sys.executable, "-m", "engine", "train", "--preset", "demo", *endless]
    alone: dict[str, Any] = {"cwd": ROOT, "env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    processes = [subprocess.Popen([*command, "--set", f"training.seed={seed}"], **alone) for seed in range(number)]
    store = RunStore(f"sqlite:///{home}/encore.db", home / "artifacts")
    try:
        while len(found := [run.id for run in store.list(("running",)) if run.epoch]) < number:
            assert all(process.poll() is None for process in processes), "a run ended at once"
            time.sleep(0.2)
        yield found
    finally:
        store.close()
        for process in processes:
            process.kill()
            process.wait()


def places(live_runs: list[str], model: str, finished: list[str]) -> list[str]:
    """What people look at; the live page about as often as everything else together."""
    live = [f"train?run={run}" for run in live_runs]
    looks = ["", "data", "data?dataset=synthetic", "train", "sweep", "svd", "reproduce", "speed", "learn"]
    looks += ["runs", f"runs?runs={','.join(finished[:5])}", f"runs?runs={','.join(finished[:2])}&compare=settings"]
    looks += [f"recommend?run={model}", f"items?items_of={model}", f"pairwise?run={model}"]
    looks += [f"learn?lesson={name}" for name in lessons()]
    return looks + live * (len(looks) // max(1, len(live)))


async def watched(server: psutil.Process, seen: Seen, until: float) -> None:
    """The server's memory every five seconds."""
    while time.monotonic() < until:
        seen.memory.append((time.monotonic(), server.memory_info().rss / 1e6))
        await asyncio.sleep(5)


async def crowd(address: str, addresses: list[str], sessions: int, seconds: float, server: psutil.Process) -> Seen:
    """All sessions; they come one after another within the first tenth of the time."""
    started = time.monotonic()
    seen, until = Seen(started + WARM_UP * seconds), started + seconds

    async def one(number: int) -> None:
        await asyncio.sleep(number * seconds / 10 / sessions)
        await Session(address, seen).walk(random.Random(number), addresses, addresses[number % len(addresses)], until)

    await asyncio.gather(watched(server, seen, until), *(one(number) for number in range(sessions)))
    return seen


def told(seen: Seen, seconds: float, log: str) -> dict[str, Any]:
    """The figures."""
    if traces := log.count("Traceback"):
        seen.errors["tracebacks in the server's log"] += traces
    after = [memory for at, memory in seen.memory if seen.warm <= at < seen.warm + 0.1 * seconds]
    end = [memory for at, memory in seen.memory if at >= seen.memory[-1][0] - 0.1 * seconds]
    first, last = statistics.median(after), statistics.median(end)
    warm = {kind: values for kind, values in seen.answers.items() if kind != WHILE_WARMING}
    looks = list(chain.from_iterable(values for kind, values in warm.items() if kind.endswith(AGAIN)))
    pages = list(chain.from_iterable(values for kind, values in warm.items() if not kind.endswith(AGAIN)))
    together = {"everything": pages + looks, "looking again": looks, "pages": pages, WHILE_WARMING: seen.answers[WHILE_WARMING]}
    return {
        "seconds": {name: _spread(values) for name, values in (together | dict(sorted(warm.items()))).items()},
        "errors": dict(seen.errors),
        "memory": {"after warm-up": round(first), "end": round(last), "growth": round(last / first - 1, 4)},
    }


def _spread(values: list[float]) -> dict[str, float]:
    median, high = np.percentile(values, [50, 95])
    return {"number": len(values), "median": round(float(median), 3), "p95": round(float(high), 3), "slowest": round(max(values), 3)}


def page_of_docs(figures: dict[str, Any], asked: argparse.Namespace) -> str:
    """docs/LOAD.md."""
    processor = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    rows = figures["seconds"].items()
    table = "\n".join(f"| {name} | {v['number']:,} | {v['median']:.2f} | {v['p95']:.2f} | {v['slowest']:.2f} |" for name, v in rows)
    memory, errors = figures["memory"], sum(figures["errors"].values())
    command = f".venv/bin/python benchmarks/load.py --sessions {asked.sessions} --minutes {asked.minutes:g} --docs"
    where = f"{os.cpu_count()} cores ({processor}, Python {platform.python_version()}, {date.today()})"
    memory_told = f"{memory['after warm-up']:,} MB after the warm-up, {memory['end']:,} MB at the end"
    return f"""# Many people at once

{asked.sessions} sessions for {asked.minutes:g} minutes, while {asked.training} runs train, over a store of {asked.runs} runs with
{asked.epochs:,} epochs each; sessions, runs and server on the same {where}.
What a session does, and what is counted: `benchmarks/load.py`. The warm-up, the first {WARM_UP:.0%} of the time, when all tabs are opened,
has a line of its own.

```
{command}
```

**{errors} errors.** Memory of the server: {memory_told} ({memory["growth"]:+.1%}).

| seconds from a request to its end | number | median | p95 | slowest |
|---|---|---|---|---|
{table}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=1_000)
    parser.add_argument("--training", type=int, default=4)
    parser.add_argument("--docs", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        finished = fill(home, asked.runs, asked.epochs)
        (model,) = trained(home, merge(DEMO, {"training": {"epochs": 5}}))
        with training(home, asked.training) as live, serving(home) as address:
            server = next(process for process in psutil.Process().children() if "streamlit" in process.cmdline())
            seen = asyncio.run(crowd(address, places(live, model, finished), asked.sessions, 60 * asked.minutes, server))
        figures = told(seen, 60 * asked.minutes, (home / "server.log").read_text(errors="replace"))
        if figures["errors"]:
            print((home / "server.log").read_text(errors="replace")[-6_000:], file=sys.stderr)
    if asked.docs:
        (ROOT / "docs" / "LOAD.md").write_text(page_of_docs(figures, asked))
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
