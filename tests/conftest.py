"""Shared by all tests: nothing touches the user's folders, real ratings are found or their tests skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("ENCORE_DATA") or Path(__file__).resolve().parents[1].parent / "shared" / "data")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    absent = pytest.mark.skip(reason=f"no real ratings at {DATA}: set ENCORE_DATA to a folder with ml-latest-small, ml-100k, ml-1m")
    for item in items:
        if item.get_closest_marker("data") and not DATA.is_dir():
            item.add_marker(absent)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real dataset folders."""
    if not DATA.is_dir():
        pytest.skip(f"no real ratings at {DATA}: set ENCORE_DATA")
    return DATA


@pytest.fixture(autouse=True)
def own_home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home of its own for every test; ENCORE_DATA is set for tests marked `data` alone."""
    monkeypatch.setenv("ENCORE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ENCORE_IDLE", "10")
    monkeypatch.delenv("ENCORE_STORE", raising=False)
    if request.node.get_closest_marker("data"):
        monkeypatch.setenv("ENCORE_DATA", str(DATA))
    else:
        monkeypatch.delenv("ENCORE_DATA", raising=False)
