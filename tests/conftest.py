"""Shared by all tests: nothing touches the user's folders, real ratings are found or their tests skipped."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# Tests run side by side: libraries that take all cores for each of them only get into each other's way. Before any of them is imported.
os.environ.update(dict.fromkeys(("ENCORE_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

from tests import postgres
from tests.soak import SOAK

if TYPE_CHECKING:
    from engine.store import RunStore
    from tests.background_lab import Lab

DATA = Path(os.environ.get("ENCORE_DATA") or Path(__file__).resolve().parents[1].parent / "shared" / "data")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left = [] if SOAK else [item for item in items if (mark := item.get_closest_marker("soak")) and mark.kwargs.get("only")]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]
    absent = pytest.mark.skip(reason=f"no real ratings at {DATA}: set ENCORE_DATA to a folder with ml-latest-small, ml-100k, ml-1m")
    for item in items:
        if item.get_closest_marker("data") and not DATA.is_dir():
            item.add_marker(absent)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the process that starts pytest-xdist's others, and outlives them
        postgres.announce()
        config.add_cleanup(postgres.clear)


@pytest.fixture(scope="session")
def server() -> postgres.Server:
    """A real PostgreSQL, shared by all tests."""
    if postgres.binaries() is None:
        pytest.skip("no PostgreSQL here: apt-get install postgresql")
    return postgres.running()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a new and empty database of each kind that a run store may live in."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'deep' / 'runs.db'}"
    return str(request.getfixturevalue("server").fresh())


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real dataset folders."""
    if not DATA.is_dir():
        pytest.skip(f"no real ratings at {DATA}: set ENCORE_DATA")
    return DATA


@pytest.fixture(autouse=True)
def own_home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home of its own for every test; ENCORE_DATA is set for tests marked `data` alone."""
    for name in os.environ.keys() - {"ENCORE_THREADS", "ENCORE_SOAK"}:
        if name.startswith(("ENCORE_", "MLFLOW_")) and not name.startswith("ENCORE_TEST_"):
            monkeypatch.delenv(name)  # who runs the tests may have a lab, a cluster and a tracking server of his own
    monkeypatch.setenv("ENCORE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ENCORE_IDLE", "10")
    if request.node.get_closest_marker("data"):
        monkeypatch.setenv("ENCORE_DATA", str(DATA))


@pytest.fixture
def store() -> Iterator[RunStore]:
    """The run store of the test's home."""
    from engine.settings import settings
    from engine.store import RunStore

    found = RunStore(settings().store_url, settings().artifacts)
    yield found
    found.close()


@pytest.fixture
def no_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages ask for a daemon; here none is started, and none is missed."""
    from engine import background

    monkeypatch.setattr(background, "ensure_daemon", lambda *_, **__: "ready")
    monkeypatch.setattr(background, "daemon_state", lambda *_: "ready")
    monkeypatch.setattr(background, "daemon_alive", lambda *_: True)


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
