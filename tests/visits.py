"""Pages in a simulated browser, for the tests of pages."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parents[1]


def visited(path: str, **query: str) -> AppTest:
    """The page of a file such as "pages/runs.py", opened by a link with this query; it must not have raised."""
    page = AppTest.from_file(str(ROOT / "dashboard.py"), default_timeout=60)
    page.run()
    page.switch_page(path)
    for name, value in query.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception, [element.value for element in page.exception]
    return page
