"""Every page in both themes under axe-core: no serious or critical violation that is ours to mend; and a phone scrolls downwards alone."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from engine.store import RunStore
from engine.sweeps import parse_sweep
from engine.sweeps.conductor import Conductor
from pages import PAGES
from tests.browser.server import DRAWN, trained

sys.path.insert(0, str(Path(__file__).parents[1]))
import sweepfake

WITHIN = "([target, place]) => Boolean(document.querySelector(target).closest(place))"
GRAVE = ("serious", "critical")
OF_STREAMLIT = {
    "list": "[data-testid=stSidebarNavItems]",
    "listitem": "[data-testid=stSidebarNavItems]",
    "color-contrast": "kbd, button[kind^=primary], .stMultiSelect",
}
"""Violations that Streamlit's own elements cause and no setting mends: axe's rule → where. The navigation's groups stand between a list
and its entries; the key on a button is paler than its label; and one colour serves as text and behind white text, which no colour does
well on a dark page: as text it has its 4.5:1, white labels of buttons and tags on it are left at 3.5:1."""


def swept(home: Path) -> str:
    """A finished sweep of runs that only pretend; its id."""
    store = RunStore(f"sqlite:///{home}/encore.db", home / "artifacts")
    axes = {"model.dropout": "0, 0.3", "training.lr": "0.001, 0.01, 10"}
    config = parse_sweep({"base": {"training": {"epochs": 3}}, "axes": axes, "sampler": "grid", "seeds": 2})
    sweep = store.create_sweep(config.model_dump(mode="json"), "grid")
    conductor, steps = Conductor(store, lambda: 4), sweepfake.Steps(store)
    while conductor.turn():
        steps.turn(4)
    store.close()
    return sweep.id


@pytest.fixture(scope="module")
def addresses(home: Path) -> dict[str, str]:
    """Every page with something on it: its title → its path."""
    small = {"preprocessing.sample_users": 120, "preprocessing.sample_items": 150, "training.epochs": 3, "model.layers": 12}
    run, other = trained(home, small, {**small, "model.dropout": 0.5})
    paths = {entry.title: entry.url_path for entry in PAGES}
    with_run = {title: f"{paths[title]}?run={run}" for title in ("Train", "Recommend", "Items", "Pairwise")}
    paths["A sweep"] = f"sweep?sweep={swept(home)}"
    return {**paths, **with_run, "Run": f"runs?run={run}", "Compare": f"runs?runs={run},{other}", "Lesson": "learn?lesson=re-feeding"}


@pytest.fixture(scope="module")
def reader(window: BrowserContext) -> Iterator[Page]:
    """One window that stays open from page to page."""
    page = window.new_page()
    yield page
    page.close()


def violations(page: Page, *rules: str) -> list[str]:
    """What axe finds that is grave and ours, by some rules or by all."""
    options = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
    found = Axe().run(page, options=options).response["violations"]
    grave = [(one["id"], node) for one in found if one["impact"] in GRAVE for node in one["nodes"]]
    return [
        f"{rule} at {node['target']}: {node['html'][:160]}: {node['failureSummary']}"
        for rule, node in grave
        if rule not in OF_STREAMLIT or not page.evaluate(WITHIN, [node["target"][0], OF_STREAMLIT[rule]])
    ]


@pytest.mark.parametrize("title", [*(entry.title for entry in PAGES), "Run", "Compare", "Lesson", "A sweep"])
def test_everybody_can_use_the_page(app: str, reader: Page, addresses: dict[str, str], title: str) -> None:
    reader.set_viewport_size({"width": 1440, "height": 900})
    reader.emulate_media(color_scheme="light")
    reader.goto(f"{app}/{addresses[title]}")
    reader.wait_for_function(DRAWN)
    assert not (found := violations(reader)), "\n".join(found)
    reader.emulate_media(color_scheme="dark")
    expect(reader.get_by_test_id("stApp")).to_have_css("color-scheme", "dark")
    reader.wait_for_function(DRAWN)
    assert not (found := violations(reader, "color-contrast")), "\n".join(found)
    reader.set_viewport_size({"width": 390, "height": 844})
    reader.wait_for_function("() => document.querySelector('[data-testid=stMain]').scrollWidth <= 390")
