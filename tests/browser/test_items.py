"""The map of items: a point is clicked, and its neighbours appear; a link shows the same."""

import re

from playwright.sync_api import BrowserContext, Page, expect


def test_a_clicked_point_has_neighbours_and_a_link(app: str, window: BrowserContext) -> None:
    page = window.new_page()
    # Drawn as SVG, each point is an element of its own.
    page.goto(f"{app}/items?items_of=svd:toy&items_fewest=1&pictures=SVG")
    expect(page.get_by_text("Click a point")).to_be_visible()
    points = page.get_by_test_id("stEChartsChart").locator('svg path[transform^="matrix(6,"]')
    expect(points).to_have_count(10)
    box = points.nth(3).bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page).to_have_url(re.compile("items_item="))
    expect(page.get_by_text(re.compile("^Nearest to "))).to_be_visible()
    said = page.get_by_text(re.compile("^Nearest to ")).inner_text()
    address = page.url
    page.close()

    again = window.new_page()
    again.goto(address)
    expect(again.get_by_text(said, exact=True)).to_be_visible()
    expect(again.get_by_role("radio", name="SVG")).to_be_checked()
    assert "items_item=" in again.url
    again.close()


def test_an_item_is_found_by_its_title(app: str, page: Page) -> None:
    page.goto(f"{app}/items?items_of=svd:toy&items_fewest=1")
    search = page.get_by_role("combobox", name="Find an item")
    search.click()
    search.fill("item 7")
    page.get_by_role("option", name=re.compile("item 7", re.IGNORECASE)).first.click()
    expect(page.get_by_text(re.compile("^Nearest to item 7", re.IGNORECASE))).to_be_visible()
    expect(page).to_have_url(re.compile("items_item="))
    page.get_by_role("radio", name="two factors").click()
    expect(page.get_by_role("combobox", name="Across")).to_be_visible()
    expect(page).to_have_url(re.compile(r"items_axes=two(\+|%20)factors"))
