"""The Recommend page as a person uses it: ratings are changed, titles added, reasons asked for, and a link shows all of it again."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.server import trained

SMALL = {"preprocessing.sample_users": 120, "preprocessing.sample_items": 150, "training.epochs": 3}


@pytest.fixture(scope="module")
def runs(home: Path) -> list[str]:
    """Ids of an autoencoder and of an EASE on the same ratings."""
    return trained(home, {**SMALL, "model.layers": 12}, {**SMALL, "model.name": "ease"})


def opened(page: Page, address: str) -> Locator:
    """The tables of an opened page, the first list first."""
    page.goto(address)
    expect(page.get_by_text("Held out for")).to_be_visible()
    return page.get_by_test_id("stTable")


def rate(page: Page, stars: str) -> str:
    """Gives the first rated title as many stars. Returns what its box is called."""
    box = page.get_by_role("combobox", name=re.compile("Rating of")).first
    name = str(box.get_attribute("aria-label"))
    box.click()
    page.get_by_role("option", name=stars, exact=True).click()
    return name


def test_a_changed_rating_changes_lists_and_a_link_shows_it(app: str, window: BrowserContext, page: Page, runs: list[str]) -> None:
    tables = opened(page, f"{app}/recommend?run={runs[0]}")
    page.evaluate("window.untouched = true")
    before = tables.first.inner_text()
    name = rate(page, "★")
    expect(tables.first).not_to_have_text(before, use_inner_text=True)
    expect(page.get_by_text(re.compile("→ ★"))).to_be_visible()
    expect(page).to_have_url(re.compile("set=[^&]+%3A1"))
    assert page.evaluate("window.untouched")
    after, address = tables.first.inner_text(), page.url

    again = window.new_page()
    linked = opened(again, address)
    expect(linked.first).to_have_text(after, use_inner_text=True)
    expect(again.get_by_role("combobox", name=name)).to_be_visible()
    again.get_by_role("button", name="Reset").click()
    expect(linked.first).to_have_text(before, use_inner_text=True)
    expect(again).not_to_have_url(re.compile("set="))
    again.close()


def test_a_new_user_adds_titles_by_the_search_and_takes_one_away(app: str, page: Page, runs: list[str]) -> None:
    tables = opened(page, f"{app}/recommend?run={runs[0]}")
    page.get_by_role("button", name="New user").click()
    page.get_by_role("button", name="Begin with nothing rated").click()
    expect(page.get_by_text("Nothing is rated: search a title and add it.")).to_be_visible()
    empty = tables.first.inner_text()
    page.get_by_label("Find or add a title").press_sequentially("the")
    page.get_by_role("button", name=re.compile(r"\((19|20)\d\d\)$")).first.click()
    expect(page.get_by_role("combobox", name=re.compile("Rating of"))).to_have_count(1)
    expect(tables.first).not_to_have_text(empty, use_inner_text=True)
    page.get_by_role("button", name="✕").click()
    expect(tables.first).to_have_text(empty, use_inner_text=True)


def test_three_lists_and_reasons_that_add_up(app: str, page: Page, runs: list[str]) -> None:
    opened(page, f"{app}/recommend?run={runs[0]},{runs[1]},svd")
    expect(page.get_by_text("A and B ", exact=False).first).to_be_visible()
    said = page.get_by_text(re.compile("^Integrated gradients: base ")).inner_text()
    base, gained, score = (
        float(one.replace("−", "-")) for one in re.findall(r"(?<=base )[−\d.]+|[+−][\d.]+(?= from)|(?<== )[−\d.]+", said)
    )
    assert base + gained == pytest.approx(score, abs=0.0016)
    expect(page.get_by_test_id("stEChartsChart").filter(has=page.locator("canvas")).first).to_be_visible()
    page.get_by_role("radio", name="SVD").last.click()
    expect(page.get_by_text(re.compile("^Exact weights: base "))).to_be_visible()
    expect(page).to_have_url(re.compile("by=svd"))
    page.get_by_role("combobox", name="Why this title?").click()
    page.get_by_role("option").nth(2).click()
    expect(page).to_have_url(re.compile("why="))
    expect(page.get_by_text("Without one rating")).to_be_visible()


def test_a_rating_is_changed_by_keyboard_alone_and_on_a_phone(app: str, window: BrowserContext, runs: list[str]) -> None:
    page = window.new_page()
    page.set_viewport_size({"width": 390, "height": 844})
    tables = opened(page, f"{app}/recommend?run={runs[0]}")
    before = tables.first.inner_text()
    page.get_by_role("combobox", name=re.compile("Rating of")).first.focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("option").first).to_be_visible()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(tables.first).not_to_have_text(before, use_inner_text=True)
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth <= window.innerWidth")
    page.close()
