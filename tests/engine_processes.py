"""The daemon outlives whoever started it, by design; a test must not leave one behind."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil


def end_engine(home: Path | str) -> None:
    """Kills every process that works for this ENCORE_HOME, but not the caller."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get("ENCORE_HOME") == str(home):
                process.kill()
