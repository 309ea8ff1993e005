"""Runs are compared as a person does it: ticked, read, shared as a link, saved as pictures."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.server import trained

ROW, HEAD = 31, 31
"""Heights in pixels of a row of the table and of its head."""


@pytest.fixture(scope="module")
def runs(home: Path) -> list[str]:
    """Ids of three runs that differ in the dropout and, one of them, in the activation."""
    base = {"dataset.name": "toy", "split.test": 0.2, "split.validation": 0.2, "training.epochs": 4, "model.layers": 6}
    changes = ({"model.dropout": 0}, {"model.dropout": 0.25}, {"model.dropout": 0.5, "model.activation": "tanh"})
    return trained(home, *({**base, **one} for one in changes))


def tick(page: Page, row: int, x: float = 17) -> None:
    """Clicks into a row of the table of runs, by default on its box."""
    box = page.get_by_test_id("stDataFrame").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + x, box["y"] + HEAD + ROW * row + ROW / 2)


def chosen(count: int) -> re.Pattern[str]:
    return re.compile(r"[?&]runs=[0-9a-f]{12}" + r"(%2C|,)[0-9a-f]{12}" * (count - 1) + "(&|$)")


def test_three_runs_are_ticked_and_their_differences_read(app: str, page: Page, runs: list[str]) -> None:
    page.goto(f"{app}/runs?runs_dataset=toy&runs_find=layers+6")
    expect(page.get_by_text("Tick one run or more")).to_be_visible()
    for row in range(3):
        tick(page, row)
        expect(page).to_have_url(chosen(row + 1))
    expect(page.get_by_text("3 chosen")).to_be_visible()
    expect(page.get_by_text("Held-out RMSE", exact=True)).to_be_visible()
    page.get_by_role("radio", name="settings").click()
    expect(page).to_have_url(re.compile("compare=settings"))
    expect(page.get_by_text("Settings that differ: 2")).to_be_visible()
    cells = page.get_by_role("gridcell", include_hidden=True)
    for text in ("model.dropout", "model.activation", "0.25", "tanh"):
        expect(cells.get_by_text(text, exact=True).or_(cells.filter(has_text=re.compile(f"^{re.escape(text)}$"))).first).to_be_attached()
    expect(cells.filter(has_text=re.compile("^model.tied$"))).to_have_count(0)


def test_a_link_opens_with_the_same_comparison(app: str, window: BrowserContext, runs: list[str]) -> None:
    address = f"{app}/runs?runs={runs[2]},{runs[0]}&compare=users&compare_a={runs[0]}"
    for _ in range(2):  # the link as it was given, then as the page wrote it
        page = window.new_page()
        page.goto(address)
        expect(page.get_by_text("2 chosen")).to_be_visible()
        expect(page.get_by_role("radio", name="users")).to_be_checked()
        expect(page.get_by_text("Each user under both")).to_be_visible()
        assert f"compare_a={runs[0]}" in page.url
        address = page.url
        page.close()


def test_a_star_stays_and_finds_the_run(app: str, page: Page, runs: list[str]) -> None:
    page.goto(f"{app}/runs?runs_dataset=toy&runs_find=tanh+layers+6")
    expect(page.get_by_text(re.compile(r"^1 of \d+ runs"))).to_be_visible()
    tick(page, 0, x=57)
    page.get_by_text("starred only").click()
    expect(page).to_have_url(re.compile("runs_starred=true"))
    expect(page.get_by_text(re.compile(r"^1 of \d+ runs"))).to_be_visible()
    page.goto(f"{app}/runs?run={runs[2]}")
    expect(page.get_by_role("button", name="★ Starred")).to_be_visible()


def test_a_chart_is_saved_as_csv_png_and_svg(app: str, page: Page, runs: list[str]) -> None:
    page.goto(f"{app}/runs?runs={runs[0]},{runs[1]}")
    chart = page.get_by_test_id("stEChartsChart").first
    for kind in ("PNG", "SVG"):
        page.get_by_role("radio", name=kind).click()
        expect(chart.locator("canvas" if kind == "PNG" else "svg").first).to_be_visible()
        chart.hover()
        with page.expect_download() as download:
            page.get_by_role("button", name=re.compile(f"Download as {kind}")).first.click()
        assert download.value.suggested_filename.endswith(f".{kind.lower()}")
    expect(page).to_have_url(re.compile("pictures=SVG"))
    with page.expect_download() as download:
        page.get_by_test_id("stDownloadButton").first.get_by_role("button").click()
    text = download.value.path().read_text()
    assert text.startswith('"run","part","epoch","x","value"') and text.count("\n") == 1 + 2 * 2 * 4
