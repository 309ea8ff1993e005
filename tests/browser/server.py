"""The real app as a server of its own: for the browser tests and for measurements."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from engine.config import merge, parse
from engine.runs import execute
from engine.store import RunStore
from tests.engine_processes import end_engine

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
DRAWN = """() => document.querySelector('h1') && !document.querySelector('[data-testid=stSkeleton], [data-testid=stSpinner]')
    && document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"""
"""Whether a page's script has run to its end and the page shows all of it, as JavaScript."""
DATA = Path(os.environ.get("ENCORE_DATA") or ROOT.parent / "shared" / "data")


@contextmanager
def serving(home: Path) -> Iterator[str]:
    """Runs the app with this home; gives its address, and ends it with its engine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "ENCORE_HOME": str(home), "ENCORE_DATA": str(DATA), "ENCORE_IDLE": "120", "MALLOC_ARENA_MAX": "2"}
    environment.pop("ENCORE_STORE", None)
    command = [sys.executable, "-m", "streamlit", "run", "dashboard.py", "--server.headless", "true", "--server.port", str(port)]
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_healthy(address, server)
        yield address
    finally:
        server.terminate()
        server.wait(20)
        end_engine(home)


def trained(home: Path, *configs: dict[str, Any]) -> list[str]:
    """Trains runs of these configurations here and now, for an app with this home. Returns their ids."""
    store = RunStore(f"sqlite:///{home}/encore.db", home / "artifacts")
    with mock.patch.dict(os.environ, {"ENCORE_HOME": str(home), "ENCORE_DATA": str(DATA)}):
        runs = [store.create(parse(merge({}, values)).model_dump(mode="json"), queue="foreground") for values in configs]
        for run in runs:
            execute(run.id, store)
    store.close()
    return [run.id for run in runs]


def _wait_until_healthy(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise TimeoutError("the app did not come up")
