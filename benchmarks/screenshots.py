"""Pictures of every page: light and dark at 1440 pixels, and at 390; into the folder screenshots/, which git ignores.

    .venv/bin/python benchmarks/screenshots.py [--readme] [NAME …]

Trains a few small runs in a store of its own first. `--readme` also replaces the pictures in docs/ that the README shows. NAME: of a
page or lesson, as in its link; all when none is given. Needs Chromium.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from unittest import mock

from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
from engine.config import merge
from engine.lessons import lessons
from engine.presets import preset
from engine.runs import execute
from engine.store import RunStore
from engine.sweeps import parse_sweep
from engine.sweeps.conductor import Conductor
from pages import PAGES
from tests.browser.server import CHROMIUM, DRAWN, FLAGS, ROOT, serving, trained

FOLDER = ROOT / "screenshots"
LOOKS = ((1440, "light"), (1440, "dark"), (390, "light"), (390, "dark"))
LONGEST = 6000
"""Pixels of a picture's height at most."""
STANDS = """() => {
    const height = document.querySelector('[data-testid=stMain]').scrollHeight, busy = !(DRAWN)();
    window.stood = height === window.height && !busy ? window.stood + 1 : 0;
    window.height = height;
    return window.stood >= 6;
}""".replace("DRAWN", DRAWN)
"""Whether the page has not grown for one and a half seconds: charts draw themselves after their elements are there."""
README = {"train": "train", "recommend": "recommend", "learn-re-feeding": "learn"}
"""Pictures of the README, by the page that they show."""
RUNS = (
    {},
    {"model.dropout": 0.5},
    {"training.seed": 1},
    {"refeed.steps": 1},
    {"model.name": "ease"},
)


def swept(home: Path) -> str:
    """Tries some settings here and now; the sweep's id."""
    axes = {"model.dropout": "0, 0.3, 0.6", "training.lr": "0.0005, 0.002, 0.008"}
    base = merge(preset("demo").values, {"training.epochs": 8})
    store = RunStore(f"sqlite:///{home}/encore.db", home / "artifacts")
    sweep = store.create_sweep(parse_sweep({"base": base, "axes": axes, "sampler": "grid", "seeds": 2}).model_dump(mode="json"), "grid")
    conductor = Conductor(store, lambda: 2)
    with mock.patch.dict(os.environ, {"ENCORE_HOME": str(home)}):
        while conductor.turn():
            for run in store.waiting():
                execute(run.id, store)
    store.close()
    return sweep.id


def addresses(ids: list[str], sweep: str) -> dict[str, str]:
    """What is photographed: name → address without the server."""
    shown = {entry.title.lower(): entry.url_path for entry in PAGES}
    shown |= {name: f"{name}?run={ids[0]}" for name in ("train", "items", "pairwise")}
    shown |= {
        "recommend": f"recommend?run={ids[0]},{ids[-1]}",
        "compare": f"runs?runs={','.join(ids[:4])}",
        "run": f"runs?run={ids[0]}",
        "sweep-grid": f"sweep?sweep={sweep}",
        "sweep-plan": "sweep?vary.model.dropout=0,0.3,0.6&vary.training.lr=1e-4..1e-2 log&sampler=tpe&trials=12",
        "reproduce": "reproduce?reproduce_table=5-table-5-architecture",
    }
    return shown | {f"learn-{name}": f"learn?lesson={name}" for name in lessons()}


def photograph(page: Page, address: str, path: Path) -> None:
    """The whole page, however long it is."""
    page.goto(address)
    page.wait_for_function(STANDS, polling=250, timeout=60_000)
    width = page.viewport_size["width"] if page.viewport_size else LOOKS[0][0]
    height = page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": width, "height": min(max(height + 20, 900), LONGEST)})
    page.wait_for_timeout(800)
    page.screenshot(path=path)
    page.set_viewport_size({"width": width, "height": 900})


def everything(browser: Browser, server: str, shown: dict[str, str], readme: bool) -> None:
    """All pictures in all looks."""
    FOLDER.mkdir(exist_ok=True)
    for width, scheme in LOOKS:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page = context.new_page()
        for name, address in shown.items():
            path = FOLDER / f"{name}-{width}-{scheme}.png"
            photograph(page, f"{server}/{address}", path)
            print(path.relative_to(ROOT), file=sys.stderr, flush=True)
            if readme and name in README and (width, scheme) == LOOKS[0]:
                shutil.copy(path, ROOT / "docs" / f"{README[name]}.png")
        context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readme", action="store_true")
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        ids = trained(Path(folder), *(merge(preset("demo").values, {"training.epochs": 15, **one}) for one in RUNS))
        shown = addresses(ids, swept(Path(folder)))
        if unknown := set(asked.names) - set(shown):
            parser.error(f"no page or lesson is called {', '.join(sorted(unknown))}; there are {', '.join(shown)}")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with serving(Path(folder)) as server:
            everything(browser, server, {name: shown[name] for name in asked.names or shown}, asked.readme)
        browser.close()


if __name__ == "__main__":
    main()
