"""Every page under axe-core: no serious or critical violation that is ours to mend; and nothing scrolls sideways on a phone."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from pages import PAGES
from tests.browser.test_main_job import state

OF_STREAMLIT: dict[str, str] = {}
"""Violations that Streamlit's own elements cause, by axe's rule, with the selector that they are found at."""
GRAVE = ("serious", "critical")


@pytest.fixture(scope="module", autouse=True)
def one_run(app: str, browser: Browser) -> None:
    """Pages are judged with something on them."""
    page = browser.new_page()
    page.goto(f"{app}/train?dataset.name=toy&training.epochs=3&split.test=0.2&split.validation=0.2")
    page.get_by_role("button", name="Start").click()
    expect(state(page, "finished")).to_be_visible()
    page.close()


def settled(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_role("heading", level=1).first).to_be_visible()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.title)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_grave_violation(app: str, browser: Browser, entry, scheme: str) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
    settled(page, f"{app}/{entry.url_path}")
    found = Axe().run(page).response["violations"]
    ours = [
        (one["id"], node["target"], node["failureSummary"][:200])
        for one in found
        if one["impact"] in GRAVE
        for node in one["nodes"]
        if OF_STREAMLIT.get(one["id"]) not in str(node["target"]) + node["html"] or one["id"] not in OF_STREAMLIT
    ]
    page.close()
    assert not ours, "\n".join(map(str, ours))


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.title)
def test_a_phone_scrolls_downwards_alone(app: str, browser: Browser, entry) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    settled(page, f"{app}/{entry.url_path}")
    wider = page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollWidth - window.innerWidth")
    page.close()
    assert wider <= 0
