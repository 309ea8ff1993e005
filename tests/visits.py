"""Pages in a simulated browser, for the tests of pages."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parents[1]

# Every simulated server would read the metadata of all installed packages again, which takes it a third of a second.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)


def dashboard() -> AppTest:
    """The app as somebody opens it."""
    return AppTest.from_file(str(ROOT / "dashboard.py"), default_timeout=60)


def visited(path: str, **query: str) -> AppTest:
    """The page of a file such as "pages/runs.py", opened by a link with this query ("__" stands for a point); it must not have raised."""
    page = dashboard()
    page.session_state["framed"] = True  # as if the dashboard had run, which would draw the first page before this one
    page.switch_page(path)
    for name, value in query.items():
        page.query_params[name.replace("__", ".")] = value
    page.run()
    assert not page.exception, [element.value for element in page.exception]
    return page
