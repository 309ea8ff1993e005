"""How long a person waits for another list after changing a rating: from the click that chooses it to the new list in the page.

    .venv/bin/python benchmarks/what_if.py [--dataset ml-1m] [--changes 40] [--beside ease,svd]

Trains a user-based autoencoder (256 · 128) and the models beside it for a moment, opens them in the real app and changes one rating again
and again; then the same changes without a browser. Prints medians and 95th percentiles in milliseconds as JSON. Needs Chromium.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
from engine.config import parse
from engine.settings import settings
from engine.store import RunStore
from tests.browser.server import CHROMIUM, DATA, FLAGS, serving, trained

WATCH = """() => {
    const area = document.querySelector('[data-testid="stMain"]');
    // Where another rating changes no digit of the first list, what is told of it changes all the same, and is drawn after it.
    const said = () => [...document.querySelectorAll('[data-testid="stMarkdown"]')].map(one => one.innerText);
    const told = () => said().filter(one => one.includes('→ ★'));
    const text = () => document.querySelector('[data-testid="stTable"]').innerText + told();
    window.waited = null;
    document.addEventListener('click', event => {
        if (!window.armed) return;
        window.armed = false;
        const before = text(), started = performance.now();
        const observer = new MutationObserver(() => {
            if (text() === before) return;
            observer.disconnect();
            requestAnimationFrame(() => { window.waited = performance.now() - started; });
        });
        observer.observe(area, {subtree: true, childList: true, characterData: true});
    }, true);
}"""


def in_browser(address: str, ids: list[str], beside: list[str], user: str, changes: int) -> list[float]:
    """Milliseconds of each change."""
    query = f"run={ids[0]}&with={','.join([*ids[1:], *(['svd'] if 'svd' in beside else [])]) or 'none'}&user={user}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(180_000)
        page.goto(f"{address}/recommend?{query}")
        page.get_by_text("Held out for").first.wait_for()
        page.get_by_test_id("stTable").first.wait_for()
        page.get_by_test_id("stStatusWidget").wait_for(state="detached")
        page.evaluate(WATCH)
        waited = [_changed(page, "★" * (1 + turn % 2 * 3)) for turn in range(changes + 3)]
        browser.close()
    return waited[3:]


def _changed(page: Page, rating: str) -> float:
    """Gives the first title another rating, and waits for the list."""
    page.get_by_role("combobox", name=re.compile("Rating of")).first.click()
    option = page.get_by_role("option", name=rating, exact=True)
    option.wait_for()
    page.evaluate("window.waited = null; window.armed = true")
    option.click()
    page.wait_for_function("window.waited !== null")
    page.get_by_test_id("stStatusWidget").wait_for(state="detached")
    page.wait_for_timeout(400)
    return float(page.evaluate("window.waited"))


def in_engine(ids: list[str], beside: list[str], user: str, changes: int) -> dict[str, list[float]]:
    """Milliseconds from another rating to the top list: of the first run alone, and of all lists."""
    from engine import experiment, recommendations

    store = RunStore(settings().store_url, settings().artifacts)
    split = None
    found = []
    for run in ids:
        one = experiment.load_model(run, store, split)
        split = one.split
        found.append(recommendations.Advisor(run, one))
    every = [*found, *([recommendations.Advisor(recommendations.SVD, found[0].trained)] if "svd" in beside else [])]
    item = next(iter(recommendations.known(found[0].trained.split, user).ratings))
    times: dict[str, list[float]] = {}
    for turn in range(changes + 3):
        person = recommendations.known(found[0].trained.split, user, {item: 1.0 + turn % 2 * 3})
        entry = recommendations.compare([found[0]], person, 10).lists[ids[0]].entries[0]["item"]
        asked: dict[str, Callable[[], Any]] = {
            "engine, one list": partial(recommendations.compare, [found[0]], person, 10),
            "engine, all lists": partial(recommendations.compare, every, person, 10),
            "engine, why": partial(recommendations.reasons, found[0], found[0], person, entry, 8),
        }
        for name, work in asked.items():
            started = time.perf_counter()
            work()
            times.setdefault(name, []).append(1000 * (time.perf_counter() - started))
    return {name: values[3:] for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="ml-1m" if DATA.is_dir() else "synthetic")
    parser.add_argument("--changes", type=int, default=40)
    parser.add_argument("--beside", default="ease,svd", help="models beside the autoencoder, at most two; empty for none")
    parser.add_argument("--user", help="id; the user with the median number of ratings when left out")
    given = parser.parse_args()
    beside = [name for name in given.beside.split(",") if name]
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"ENCORE_HOME": home, "ENCORE_DATA": str(DATA)}
        models = [{"model.layers": (256, 128)}, *({"model.name": name} for name in beside if name != "svd")]
        ids = trained(Path(home), *({"dataset.name": given.dataset, "training.epochs": 3, **model} for model in models))
        user = given.user or usual_user(ids[0])
        times = in_engine(ids, beside, user, given.changes)
        with serving(Path(home)) as address:
            times["browser, new list"] = in_browser(address, ids, beside, user, given.changes)
    figures = {name: {"p50": _at(values, 50), "p95": _at(values, 95)} for name, values in times.items()}
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    about = {"dataset": given.dataset, "user": user, "beside": beside, "changes": given.changes, "cores": os.cpu_count()}
    print(json.dumps({**about, "load_per_core": round(load, 1), "ms": figures}))


def usual_user(run: str) -> str:
    """The user with the median number of visible ratings."""
    from engine import experiment

    split = experiment.open_split(parse(RunStore(settings().store_url, settings().artifacts).get(run).config))
    counts = np.diff(split.visible.indptr)
    return str(split.interactions.users.index[int(np.argsort(counts)[len(counts) // 2])])


def _at(values: list[float], percentile: int) -> float:
    return round(float(np.percentile(values, percentile)), 1)


if __name__ == "__main__":
    main()
