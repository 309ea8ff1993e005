"""Lessons as a person goes through them: a control moves the picture, a training plays and is stepped through."""

import re
from collections.abc import Iterator
from typing import get_args

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from engine.lessons import NAMES, lesson

PICTURES = """() => [...document.querySelectorAll('[data-testid="stEChartsChart"] canvas')].map(one => one.toDataURL()).join()
    + [...document.querySelectorAll('[data-testid="stMain"] table')].map(one => one.innerText).join()"""
"""All that is drawn on the page."""
MAIN = """document.querySelector('[data-testid="stMain"]')"""


def settled(page: Page) -> str:
    """What is drawn, once it stands still."""
    expect(page.get_by_test_id("stEChartsChart").first).to_be_visible()
    expect(page.get_by_test_id("stSpinner")).to_have_count(0)
    page.evaluate("() => { window.still = 0 }")
    page.wait_for_function(
        f"""() => {{ const now = ({PICTURES})(); window.still = now === window.drawn ? window.still + 1 : 0; window.drawn = now;
        return window.still >= 3 }}""",
        polling=100,
    )
    return page.evaluate("() => window.drawn")


@pytest.fixture(scope="module")
def reader(app: str, window: BrowserContext) -> Iterator[Page]:
    """One window that stays open from lesson to lesson, as a person's does."""
    page = window.new_page()
    page.goto(f"{app}/learn")
    yield page
    page.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_lessons_picture_changes_when_its_control_moves(reader: Page, name: str) -> None:
    one = lesson(name)
    everything = reader.get_by_role("button", name="All lessons")
    if everything.is_visible():
        everything.click()
    reader.get_by_role("button", name="Open", exact=True).nth(one.number - 1).click()
    expect(reader.get_by_role("heading", name=one.title)).to_be_visible()
    before = settled(reader)
    field, info = next(iter(one.module.Options.model_fields.items()))
    if info.annotation is bool:
        reader.get_by_role("switch", name=info.title).press("Space")
    elif choices := get_args(info.annotation):
        other = next(str(choice) for choice in choices if choice != info.default)
        reader.get_by_role("radiogroup", name=info.title).get_by_role("radio", name=other, exact=True).click()
    else:
        reader.get_by_role("slider", name=info.title).press("ArrowRight")
    reader.wait_for_function(f"before => ({PICTURES})() !== before", arg=before)
    expect(reader).to_have_url(re.compile(f"[?&]{field}="))
    reader.set_viewport_size({"width": 390, "height": 844})
    reader.wait_for_function(f"() => {MAIN}.clientWidth === 390 && {MAIN}.scrollWidth <= 390")  # nothing scrolls sideways
    reader.set_viewport_size({"width": 1440, "height": 900})


@pytest.mark.parametrize(
    ("name", "chart", "title"), [("linear", "lesson-plane", "60 people, epoch"), ("inside", "lesson-network", "network, epoch")]
)
def test_play_moves_the_picture_and_its_element_stays(app: str, page: Page, name: str, chart: str, title: str) -> None:
    page.goto(f"{app}/learn?lesson={name}&epoch=0")
    settled(page)
    expect(page.get_by_text(re.compile(f"{title} 0$"))).to_be_visible()
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    moving = page.get_by_text(re.compile(rf"{title} [1-9]\d*$"))
    expect(moving).to_be_visible()
    page.evaluate(f"() => {{ document.querySelector('.st-key-{chart} canvas').untouched = true }}")
    epoch = int(moving.inner_text().split()[-1])
    expect(page.get_by_text(re.compile(f"{title} ({'|'.join(map(str, range(epoch + 2, epoch + 100)))})$"))).to_be_visible()
    assert page.evaluate(f"() => document.querySelector('.st-key-{chart} canvas').untouched"), "a chart that is mounted anew flickers"
    page.keyboard.press("p")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    expect(page).to_have_url(re.compile(r"epoch=[1-9]"))


def test_a_training_is_stepped_through_and_its_link_shows_the_same(app: str, page: Page) -> None:
    page.goto(f"{app}/learn?lesson=over-fitting&width=8")
    expect(page.get_by_role("button", name="Step")).to_be_disabled()
    page.get_by_role("button", name="Reset").click()
    for epoch in (1, 2):
        page.get_by_role("button", name="Step").click()
        expect(page.get_by_text(f"Rated and predicted, epoch {epoch}")).to_be_visible()
    expect(page).to_have_url(re.compile("epoch=2"))
    said = page.get_by_text(re.compile("^Now [0-9.]+, with 4 units")).inner_text()
    page.reload()
    expect(page.get_by_text("Rated and predicted, epoch 2")).to_be_visible()
    expect(page.get_by_text(said)).to_be_visible()
    expect(page.get_by_role("radio", name="8", exact=True)).to_be_checked()
