"""Where Encore keeps its things, read from the environment at each call (so that a test can change it)."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from engine.errors import InputError


@dataclass(frozen=True)
class Settings:
    """Places on disk and the database.

    Attributes:
        home: everything Encore writes (ENCORE_HOME; default the platform's user data folder).
        data: a folder of dataset folders, looked at before any download (ENCORE_DATA), or None.
        store_url: SQLAlchemy URL of the run store (ENCORE_STORE; default a SQLite file in `home`).
        executor: where runs are trained (ENCORE_EXECUTOR): "local", or the address of a Dask scheduler.
        quota: bytes that `home` may hold before nothing more is begun (ENCORE_QUOTA, in GB of 10⁹ bytes), or None.
    """

    home: Path
    data: Path | None
    store_url: str
    executor: str = "local"
    quota: float | None = None

    @property
    def artifacts(self) -> Path:
        """One folder per run: its weights and checkpoint."""
        return self.home / "artifacts"

    @property
    def datasets(self) -> Path:
        """Downloaded archives and uploaded ratings."""
        return self.home / "datasets"


def settings() -> Settings:
    """The settings now in force."""
    home = Path(os.environ.get("ENCORE_HOME") or platformdirs.user_data_path("encore", appauthor=False)).expanduser()
    data = os.environ.get("ENCORE_DATA")
    return Settings(
        home=home,
        data=Path(data).expanduser() if data else None,
        store_url=os.environ.get("ENCORE_STORE") or f"sqlite:///{home / 'encore.db'}",
        executor=os.environ.get("ENCORE_EXECUTOR") or "local",
        quota=_quota(os.environ.get("ENCORE_QUOTA")),
    )


def session_limit() -> int | None:
    """Runs that one session may have waiting or running (ENCORE_RUNS_PER_SESSION); None without a limit.

    Raises:
        InputError: it is no whole number from 1 up.
    """
    text = os.environ.get("ENCORE_RUNS_PER_SESSION", "").strip()
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"ENCORE_RUNS_PER_SESSION is '{text}': give a whole number from 1 up, or nothing for no limit.")
    return int(text)


def _quota(text: str | None) -> float | None:
    if not text:
        return None
    try:
        found = float(text) * 1e9
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise InputError(f"ENCORE_QUOTA is '{text}': give a number of GB above 0, like 20.")
    return found
