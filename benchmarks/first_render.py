"""How long a page takes to show, and a lesson to answer.

    .venv/bin/python benchmarks/first_render.py [--runs 200] [--rounds 5]

Fills a store with so many finished runs, opens every page in a tab of its own, one round after another, and moves the first control
of every lesson. Tabs share what the browser keeps of Streamlit's scripts, as a person's do; "cold" is the first page in a browser that
has kept nothing. Prints medians and slowest in seconds: from the address to the page's heading and the end of its script, from the move
of a lesson's control to its changed picture (Streamlit's sliders wait 0.2 s for the next move), and what of that the engine computes,
for every control of the lesson. Needs Chromium.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from playwright.sync_api import BrowserContext, Page, ViewportSize, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
from engine.config import parse
from engine.lessons import Lesson, lessons
from engine.store import MetricRow, RunStore
from pages import PAGES
from tests.browser.server import CHROMIUM, DRAWN, FLAGS, serving

VIEWPORT: ViewportSize = {"width": 1440, "height": 900}
ENDED = """() => {
    window.ended = null;
    const app = document.querySelector('[data-testid=stApp]'), from = performance.now();
    let last = null;
    const seen = new MutationObserver(() => { last = performance.now(); });
    seen.observe(app, {attributes: true, childList: true, subtree: true, characterData: true});
    const timer = setInterval(() => {
        if (last === null || performance.now() - last < 400 || app.dataset.testScriptState !== 'notRunning') return;
        window.ended = (last - from) / 1000;
        seen.disconnect();
        clearInterval(timer);
    }, 50);
}"""
"""Keeps the seconds until the page changed for the last time; its script may end too soon to be seen running."""


def fill(home: Path, runs: int) -> None:
    """Finished runs of 20 epochs, as the store keeps them."""
    store = RunStore(f"sqlite:///{home}/encore.db", home / "artifacts")
    for seed in range(runs):
        config = parse({"training": {"seed": seed, "epochs": 20}, "model": {"dropout": seed % 10 / 20}})
        run = store.create(config.model_dump(mode="json"))
        store.claim(run.id)
        store.add_metrics(run.id, [MetricRow(epoch, "validation/rmse", 0.9 + seed / 1e4, epoch, epoch) for epoch in range(1, 21)])
        test = {"rmse": 0.9 + seed / 1e4, "rmse_clipped": 0.89 + seed / 1e4}
        summary = {"metrics": {"test": test, "validation": test}, "baselines": {"svd": {"rmse": 0.91}}, "best_epoch": 20, "epochs": 20}
        store.finish(run.id, "finished", summary={**summary, "seconds_per_epoch": 0.2, "peak_memory_mb": 300.0})
    store.close()


def rendered(window: BrowserContext, address: str) -> float:
    """Seconds until a page stands in a new tab."""
    page = window.new_page()
    started = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_function(DRAWN, timeout=60_000)
    seconds = time.perf_counter() - started
    page.close()
    return seconds


def others(one: Lesson) -> Iterator[dict[str, Any]]:
    """Controls of a lesson with one of them moved: every choice of a few, the ends of a number."""
    for field, info in one.module.Options.model_fields.items():
        ends = [getattr(bound, side) for bound in info.metadata for side in ("ge", "le") if hasattr(bound, side)]
        for value in get_args(info.annotation) or ends or [not info.default]:
            if value != info.default:
                yield {field: value}


def computed(one: Lesson) -> list[float]:
    """Seconds that the engine takes for each of these."""
    one.compute(one.options({}))  # what a lesson keeps of its first picture
    seconds = []
    for values in others(one):
        started = time.perf_counter()
        one.compute(one.options(values))
        seconds.append(time.perf_counter() - started)
    return seconds


def answered(page: Page, one: Lesson, turn: int) -> float:
    """Seconds from moving the first control of a lesson, there and back, to the last change of the page that follows."""
    info = next(iter(one.module.Options.model_fields.values()))
    page.evaluate(ENDED)
    if info.annotation is bool:
        page.get_by_role("switch", name=info.title).press("Space")
    elif choices := get_args(info.annotation):
        other = next(choice for choice in choices if choice != info.default) if turn % 2 == 0 else info.default
        page.get_by_role("radiogroup", name=info.title).get_by_role("radio", name=str(other), exact=True).press("Space")
    else:
        page.get_by_role("slider", name=info.title).press("ArrowLeft" if turn % 2 else "ArrowRight")
    page.wait_for_function("() => window.ended")
    return float(page.evaluate("() => window.ended"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        fill(Path(folder), asked.runs)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with serving(Path(folder)) as address:
            window = browser.new_context(viewport=VIEWPORT)
            rendered(window, address)  # the server's own first visit
            for _ in range(asked.rounds):
                for entry in PAGES:
                    seconds.setdefault(f"page {entry.title}", []).append(rendered(window, f"{address}/{entry.url_path}"))
                fresh = browser.new_context(viewport=VIEWPORT)
                seconds.setdefault("cold", []).append(rendered(fresh, address))
                fresh.close()
            for name, one in lessons().items():
                page = window.new_page()
                page.goto(f"{address}/learn?lesson={name}")
                page.wait_for_function(DRAWN, timeout=60_000)
                seconds[f"lesson {name}, browser"] = [answered(page, one, turn) for turn in range(asked.rounds)]
                page.close()
        browser.close()
    seconds |= {f"lesson {name}, engine": computed(one) for name, one in lessons().items()}
    for name, values in seconds.items():
        print(f"{name:<30} median {statistics.median(values):5.2f} s   slowest {max(values):5.2f} s", file=sys.stderr)
    print(json.dumps({name: [round(statistics.median(values), 3), round(max(values), 3)] for name, values in seconds.items()}))


if __name__ == "__main__":
    main()
