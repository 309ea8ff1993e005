"""How long a person waits: from the click on "Run the demo" to the first curve point, and to the end of the run.

    .venv/bin/python benchmarks/first_point.py [--rounds 5]

Each round starts a fresh app twice: `warm` clicks once the engine says that it is ready, `cold` as soon as the button is there.
Prints one line a click and the medians as JSON. Needs Chromium.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.browser.server import CHROMIUM, FLAGS, serving


def wait_times(page: Page, address: str, warm: bool) -> dict[str, float]:
    """Seconds from the click to the first point and to the end."""
    page.goto(address)
    button = page.get_by_role("button", name="Run the demo")
    button.wait_for()
    if warm:
        while not page.get_by_text("Engine ready").count():
            page.wait_for_timeout(500)
            page.reload()
            button.wait_for()
    clicked = time.perf_counter()
    button.click()
    page.get_by_text("last batch").wait_for()
    point = time.perf_counter() - clicked
    page.get_by_text("Test, read once").wait_for()
    return {"first point": point, "finished": time.perf_counter() - clicked}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    seconds: dict[str, list[float]] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for _ in range(rounds):
            for engine in ("warm", "cold"):
                with tempfile.TemporaryDirectory() as home, serving(Path(home)) as address:
                    page = browser.new_page(viewport={"width": 1440, "height": 900})
                    page.set_default_timeout(180_000)
                    for what, value in wait_times(page, address, engine == "warm").items():
                        seconds.setdefault(f"{engine}, {what}", []).append(value)
                        print(f"{engine:<5} {what:<12} {value:6.2f} s", file=sys.stderr, flush=True)
                    page.close()
    medians = {name: round(statistics.median(values), 2) for name, values in seconds.items()}
    print(json.dumps({"cores": os.cpu_count(), "rounds": rounds, "median_seconds": medians}))


if __name__ == "__main__":
    main()
