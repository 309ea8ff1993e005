"""Shared by all tests: nothing touches the user's folders, real ratings are found or their tests skipped."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.background_lab import Lab

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


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A home with a daemon whose runs are stand-ins."""
    from tests.background_lab import Lab

    monkeypatch.setenv("ENCORE_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    for name in ("ENCORE_STORE", "ENCORE_DATA", "ENCORE_SLOTS", "ENCORE_IDLE"):
        monkeypatch.delenv(name, raising=False)
    # A socket's path may have 108 characters, which pytest's own folders use up.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as short:
        monkeypatch.setenv("TMPDIR", short)
        lab = Lab(tmp_path)
        yield lab
        lab.clear()
