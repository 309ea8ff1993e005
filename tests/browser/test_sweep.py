"""A small sweep as a person does it: planned, started, watched to its end, looked at, and its best used."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

SMALL = "dataset.name=toy&split.test=0.2&split.validation=0.2&model.layers=5&training.epochs=3&evaluation.max_rank=2"
PLAN = f"{SMALL}&vary.training.lr=0.001,0.01&sampler=grid"


def test_a_sweep_is_planned_started_and_its_best_used(app: str, home: Path, page: Page) -> None:
    page.goto(f"{app}/sweep?{PLAN}")
    chooser = page.get_by_role("combobox", name="What varies")
    expect(chooser).to_be_visible()
    chooser.click()
    chooser.fill("tied")
    page.get_by_role("option", name="Tied weights (model.tied)").click()
    expect(page).to_have_url(re.compile("vary.model.tied=false"))
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stHeading").filter(has_text=re.compile("^4$")).first).to_be_visible()
    page.get_by_role("button", name="Start the sweep").click()
    expect(page).to_have_url(re.compile("sweep=[0-9a-f]{12}$"))
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.get_by_text("4 of 4 settings")).to_be_visible()
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)
    expect(page.get_by_text("Settings and validation RMSE")).to_be_visible()
    page.get_by_role("radio", name="two settings").click()
    expect(page).to_have_url(re.compile("sweep_look=two"))
    expect(page.get_by_text(re.compile("is better|not distinguishable")).first).to_be_visible()
    address = page.url

    box = page.get_by_test_id("stDataFrame").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 20, box["y"] + 31 + 16)
    expect(page).to_have_url(re.compile(r"/runs\?run=[0-9a-f]{12}"))
    expect(page.get_by_role("button", name="Sweep", exact=False).first).to_be_visible()

    page.goto(address)
    expect(page.get_by_role("radio", name="two settings")).to_be_checked()
    page.get_by_role("link", name="Use the best in Train").click()
    expect(page).to_have_url(re.compile(r"/train\?.*dataset.name=toy"))
    expect(page.get_by_role("button", name="Start")).to_be_enabled()
