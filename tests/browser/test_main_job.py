"""What Encore is for, done as a person does it."""

import re
import time

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

EPOCH = re.compile(r"epoch (\d+) / \d+")


def epochs_seen(page: Page, wanted: int, seconds: float = 60) -> list[int]:
    """Epoch counters that the status line shows one after another, until `wanted` different ones were seen."""
    seen: list[int] = []
    deadline = time.monotonic() + seconds
    while len(seen) < wanted and time.monotonic() < deadline:
        number = int(EPOCH.search(page.get_by_text(EPOCH).first.inner_text()).group(1))  # type: ignore[union-attr]
        if not seen or number != seen[-1]:
            seen.append(number)
        page.wait_for_timeout(100)
    return seen


def state(page: Page, name: str) -> Locator:
    """The badge with the run's state; its text begins with the name of its symbol."""
    return page.locator(".stMarkdownBadge").filter(has_text=re.compile(rf"\b{name}$")).first


def choose(page: Page, label: str, option: str) -> None:
    """Picks from a select box."""
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option).click()


def test_one_click_trains_the_demo(app: str, page: Page) -> None:
    page.goto(app)
    page.get_by_role("button", name="Run the demo").click()
    expect(page.get_by_text("Held-out RMSE", exact=True)).to_be_visible()
    assert len(epochs_seen(page, 5)) >= 5
    expect(page.get_by_text(re.compile("better than SVD|SVD is better|not distinguishable")).first).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(state(page, "stopped")).to_be_visible()


@pytest.mark.data
def test_main_job_on_movielens(app: str, window: BrowserContext) -> None:
    first = window.new_page()
    first.goto(f"{app}/train?training.epochs=1500&training.lr=0.0002")
    choose(first, "Dataset", "MovieLens latest small")
    first.get_by_role("radio", name="last 10 %").click()
    first.get_by_role("button", name="Start").click()
    expect(state(first, "running")).to_be_visible()
    first.evaluate("window.untouched = true")
    seen = epochs_seen(first, 5)
    assert len(seen) >= 5 and seen == sorted(seen)
    assert first.evaluate("window.untouched"), "points have to arrive without a reload"
    expect(first.get_by_text("610 users ×").first).to_be_visible()
    address = first.url
    assert "run=" in address
    first.close()

    again = window.new_page()
    again.goto(address)
    later = epochs_seen(again, 2)
    assert later[0] >= seen[-1], "the run went on while nobody looked"
    assert later[1] > later[0]
    again.get_by_role("button", name="Stop").click()
    expect(state(again, "stopped")).to_be_visible()

    again.goto(address.replace("/train", "/recommend"))
    expect(again.get_by_text("has rated").first).to_be_visible()
    titles = again.get_by_text(re.compile(r"\((19|20)\d\d\)"))
    expect(titles.nth(19)).to_be_visible()  # a history and two lists, all with titles
    again.close()


def test_a_link_reproduces_the_controls(app: str, page: Page) -> None:
    page.goto(f"{app}/train?dataset.name=toy&model.layers=7,3&model.activation=tanh&model.dropout=0.25")
    expect(page.get_by_role("textbox", name="Encoder layers")).to_have_value("7, 3")
    expect(page.get_by_role("radio", name="tanh")).to_be_checked()
    page.get_by_role("radio", name="relu", exact=True).click()
    expect(page).to_have_url(re.compile("model.activation=relu"))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("run=000000000000", "There is no run"),
        ("model.dropout=1.5", "model.dropout"),
        ("model.layrs=3", "model.layers"),
        ("split.kind=lats", "last"),
    ],
)
def test_a_wrong_link_is_answered_with_a_sentence(app: str, page: Page, query: str, words: str) -> None:
    page.goto(f"{app}/train?{query}")
    expect(page.get_by_role("alert").get_by_text(words)).to_be_visible()
    expect(page.get_by_text("Traceback")).to_have_count(0)
