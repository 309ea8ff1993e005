"""What a link asks for and no page knows, or cannot be, is said in one sentence, and the page goes on without it."""

from __future__ import annotations

import re

import pytest

from pages import PAGES, PageEntry
from tests.visits import ROOT, dashboard

BANANA = "This page does not know “banana=1” of the link; the page is shown without it."
ASKED = {
    "train": [
        ("dataset", "none", "does not know “dataset=none” of the link: did you mean “dataset.name”?"),
        ("x", "zzz", "x: of the curves it is epoch or step or time, not “zzz”."),
        ("smooth", "nan", "smooth: of the curves it is a number from 0 to 0.95, not “nan”."),
    ],
    "items": [
        ("item", "999999", "does not know “item=999999” of the link: did you mean “items_item”?"),
        ("items_item", "999999", "The item “999999” is not on this map"),
    ],
    "svd": [
        ("rank", "-5", "does not know “rank=-5” of the link: did you mean “svd_rank”?"),
        ("svd_rank", "-5", "Rank: the link asks for “-5”, which is not possible here; it is 3 instead."),
        ("svd_centring", "zzz", "Centring: the link asks for “zzz”, which is not possible here; it is “none” instead."),
    ],
    "reproduce": [
        ("table", "zzz", "does not know “table=zzz” of the link: did you mean “reproduce_table”?"),
        ("reproduce_seeds", "99", "Seeds: the link asks for “99”, which is not possible here; it is 1 instead."),
    ],
    "data": [
        ("dataset", "zzz", "does not know “dataset=zzz” of the link: did you mean “data_name”?"),
        ("data_tab", "zzz", "Tab: the link asks for “zzz”, which is not possible here; it is “What is in it” instead."),
    ],
    "speed": [("speed_of", "zzz", "Figures: the link asks for “zzz”, which is not possible here; it is “Published” instead.")],
}
"""Page → what a link asks for, and what is said."""
SMALL = {"items": {"items_of": "svd:toy"}, "data": {"data_name": "toy"}}


pytestmark = pytest.mark.usefixtures("no_daemon")


def told(file: str, query: dict[str, str], usable: dict[str, str]) -> list[str]:
    """What a page says that is opened by this link; `usable`: the rest of the link."""
    page = dashboard()
    page.session_state["framed"] = True
    page.switch_page(file)
    for name, value in {**query, **usable}.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception, [element.value for element in page.exception]
    assert not set(query) & set(page.query_params), "what cannot be is taken out of the address"
    return [element.value.replace("\\", "") for kind in (page.warning, page.info) for element in kind]


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.title)
def test_what_cannot_be_is_one_sentence_each(entry: PageEntry) -> None:
    asked = ASKED.get(entry.url_path, [])
    said = told(entry.file, {"banana": "1", **{name: value for name, value, _ in asked}}, SMALL.get(entry.url_path, {}))
    assert BANANA in said
    for _, _, sentence in asked:
        assert len([one for one in said if sentence in one]) == 1, sentence


def test_of_a_hundred_strangers_the_first_are_named() -> None:
    found = told("pages/start.py", {f"banana{number}": "1" for number in range(100)}, {})
    assert len(found) == 6 and found[-1] == "95 more parts of the link could not be used."


def test_pages_know_every_parameter_that_they_write() -> None:
    """Every key that stands in a page's source as a parameter is among those that the page does not refuse."""
    pages = {
        "data": "data",
        "items": "items",
        "pairs": "pairwise",
        "reproduce": "reproduce",
        "runs": "runs",
        "compare": "runs",
        "svd": "svd",
    }
    written: dict[str, set[str]] = {}
    for file in (ROOT / "pages").rglob("*.py"):
        for call in re.finditer(r"linked\.(?:select|segments|several|bound|tabs)\((.*?)\)\n", file.read_text(), re.DOTALL):
            for key in re.findall(rf'"((?:{"|".join(pages)})_[a-z_]+)"', call[1]):
                written.setdefault(pages[key.partition("_")[0]], set()).add(key)
    assert {"svd_rank", "svd_x"} <= written["svd"] and "compare_smooth" in written["runs"]
    for page, keys in written.items():
        known = (ROOT / "pages" / f"{page}.py").read_text() + (ROOT / "pages" / "components" / "run_filters.py").read_text()
        for key in keys:
            assert f'"{key}"' in known or (key.startswith("compare_") and f'"{key.removeprefix("compare_")}"' in known), key
