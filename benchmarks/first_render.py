"""How long a page takes to show, and a lesson to answer.

    .venv/bin/python benchmarks/first_render.py [--runs 200] [--rounds 5]

Fills a store with so many finished runs, opens every page in a tab of its own, one round after another, and moves the first slider
of every lesson. Prints medians and slowest in seconds: from the address to the page's heading and the end of its script, and from a
key press to the changed picture. Needs Chromium.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
from engine.config import parse
from engine.lessons import lessons
from engine.store import MetricRow, RunStore
from pages import PAGES
from tests.browser.server import CHROMIUM, DRAWN, FLAGS, serving


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


def rendered(browser: Browser, address: str) -> float:
    """Seconds until a page stands in a new tab."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    started = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_function(DRAWN, timeout=60_000)
    seconds = time.perf_counter() - started
    page.close()
    return seconds


def answered(page: Page) -> float:
    """Seconds from a key press on the first slider of a lesson to its picture drawn anew."""
    slider = page.get_by_role("slider").first
    slider.focus()
    page.evaluate(
        """() => { window.changed = null; const from = performance.now();
        const seen = new MutationObserver(() => { window.changed = (performance.now() - from) / 1000; });
        const everything = {subtree: true, childList: true, characterData: true, attributes: true};
        seen.observe(document.querySelector('[data-testid=stMain]'), everything); }"""
    )
    slider.press("ArrowRight")
    page.wait_for_timeout(300)
    page.wait_for_function(DRAWN)
    page.wait_for_timeout(300)
    return float(page.evaluate("() => window.changed"))


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
            rendered(browser, address)  # the server's own first visit
            for _ in range(asked.rounds):
                for entry in PAGES:
                    seconds.setdefault(f"page {entry.title}", []).append(rendered(browser, f"{address}/{entry.url_path}"))
            for name in lessons():
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                page.goto(f"{address}/learn?lesson={name}")
                page.wait_for_function(DRAWN, timeout=60_000)
                seconds[f"lesson {name}"] = [answered(page) for _ in range(asked.rounds)]
                page.close()
        browser.close()
    for name, values in seconds.items():
        print(f"{name:<24} median {statistics.median(values):5.2f} s   slowest {max(values):5.2f} s", file=sys.stderr)
    print(json.dumps({name: [round(statistics.median(values), 3), round(max(values), 3)] for name, values in seconds.items()}))


if __name__ == "__main__":
    main()
