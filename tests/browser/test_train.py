"""Training as a person follows it: by keyboard, epoch by epoch, in curves that grow, by link, in either theme, told when it has ended."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from engine.config import parse, read_toml
from tests.browser.server import DRAWN, trained
from tests.browser.test_main_job import EPOCH, choose, epochs_seen, state

SMALL = "dataset.name=toy&split.test=0.2&split.validation=0.2&model.layers=6"
LONG = f"{SMALL}&training.epochs=1000000"
HELD_OUT = ".st-key-held-out canvas"


def press(page: Page, key: str) -> None:
    """A key that belongs to the page and to none of its fields."""
    page.get_by_role("heading", level=1).click()
    page.keyboard.press(key)


def started(page: Page, app: str, query: str) -> str:
    """Starts a run and gives its id."""
    page.goto(f"{app}/train?{query}")
    page.get_by_role("button", name="Start").click()
    expect(page).to_have_url(re.compile("run=[0-9a-f]{12}"))
    return re.search("run=([0-9a-f]{12})", page.url).group(1)  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def run(home: Path) -> str:
    """Id of a finished run."""
    settings = {"split.test": 0.2, "split.validation": 0.2, "training.epochs": 5, "training.seed": 77}
    return trained(home, {"dataset.name": "toy", **settings})[0]


def test_a_run_is_led_by_the_keyboard_alone(app: str, page: Page) -> None:
    page.goto(f"{app}/train?{LONG}")
    expect(page.get_by_role("button", name="Start")).to_be_enabled()
    press(page, "Control+Enter")
    expect(state(page, "running")).to_be_visible()
    press(page, "p")
    expect(state(page, "paused")).to_be_visible()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    paused = epochs_seen(page, 1)[0]
    press(page, "e")
    expect(page.get_by_text(f"epoch {paused + 1} / ").first).to_be_visible()
    expect(state(page, "paused")).to_be_visible()
    press(page, "s")
    expect(state(page, "stopped")).to_be_visible()


def test_curves_grow_and_their_element_stays(app: str, page: Page) -> None:
    started(page, app, LONG)
    expect(page.get_by_text(EPOCH).first).to_be_visible()
    expect(page.locator(HELD_OUT).first).to_be_visible()
    epochs_seen(page, 2)
    before = page.evaluate(f"() => {{ const one = document.querySelector('{HELD_OUT}'); one.untouched = true; return one.toDataURL() }}")
    page.wait_for_function(f"before => document.querySelector('{HELD_OUT}').toDataURL() !== before", arg=before)
    epochs_seen(page, 3)
    assert page.evaluate(f"() => document.querySelector('{HELD_OUT}').untouched"), "a chart that is mounted anew flickers"
    press(page, "s")
    expect(state(page, "stopped")).to_be_visible()


def test_curves_are_looked_at_otherwise_and_a_link_shows_the_same(app: str, window: BrowserContext, page: Page, run: str) -> None:
    page.goto(f"{app}/train?run={run}")
    page.get_by_role("radiogroup", name="x axis").get_by_role("radio", name="time").click()
    expect(page).to_have_url(re.compile("[?&]x=time"))
    page.get_by_role("button", name="smooth 0").click()
    page.get_by_role("slider", name="Smoothing").press("ArrowRight")
    expect(page).to_have_url(re.compile("smooth=0.05"))
    page.get_by_role("switch", name="Logarithmic y axis").press("Space")
    expect(page).to_have_url(re.compile("log=true"))
    again = window.new_page()
    again.goto(page.url)
    expect(again.get_by_role("radiogroup", name="x axis").get_by_role("radio", name="time")).to_be_checked()
    expect(again.get_by_role("button", name="smooth 0.05 · log")).to_be_visible()
    again.close()


def test_a_teacher_hides_controls_for_a_class(app: str, window: BrowserContext, page: Page) -> None:
    page.goto(f"{app}/train?{SMALL}")
    expect(page.get_by_role("slider", name="Dropout on the code")).to_be_visible()
    page.wait_for_function(DRAWN)  # of a server's first page, the menu may be drawn twice
    page.get_by_role("button", name="For a class").click()
    choose(page, "Hide controls, for a class", "dropout")
    expect(page.get_by_role("slider", name="Dropout on the code")).to_have_count(0)
    expect(page).to_have_url(re.compile("hide=dropout"))
    pupil = window.new_page()
    pupil.goto(page.url)
    expect(pupil.get_by_role("textbox", name="Encoder layers")).to_have_value("6")
    expect(pupil.get_by_role("slider", name="Dropout on the code")).to_have_count(0)
    pupil.close()


def test_a_run_is_copied_downloaded_and_cloned(app: str, page: Page, run: str) -> None:
    page.goto(f"{app}/runs?run={run}")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text(f"/runs?run={run}").first).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Copy command").click()
    expect(page.get_by_text("--set training.seed=77").first).to_be_visible()
    page.keyboard.press("Escape")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download config").click()
    config = parse(read_toml(download.value.path()))
    assert (config.training.seed, config.training.epochs, config.dataset.name) == (77, 5, "toy")
    page.get_by_role("button", name="Clone").click()
    expect(page.get_by_text("No run is open")).to_be_visible()
    expect(page).to_have_url(re.compile("training.seed=77"))


def test_the_end_of_a_run_is_told_on_another_page(app: str, page: Page) -> None:
    started(page, app, f"{SMALL}&training.epochs=400")
    expect(state(page, "running")).to_be_visible()
    page.get_by_role("link", name="SVD").click()
    expect(page.get_by_test_id("stToast").filter(has_text="finished: test RMSE")).to_be_visible()


@pytest.mark.parametrize(
    ("scheme", "background", "line"), [("light", "rgb(255, 255, 255)", "#0072B2"), ("dark", "rgb(18, 22, 28)", "#56B4E9")]
)
def test_page_and_charts_follow_the_theme(app: str, window: BrowserContext, run: str, scheme: str, background: str, line: str) -> None:
    page = window.new_page()
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"{app}/runs?runs={run}&pictures=SVG")
    expect(page.get_by_test_id("stApp")).to_have_css("background-color", background)
    expect(page.locator(f'[data-testid="stEChartsChart"] svg [stroke="{line}" i]').first).to_be_attached()
    page.close()
