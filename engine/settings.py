"""Where Encore keeps its things, read from the environment at each call (so that a test can change it)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs


@dataclass(frozen=True)
class Settings:
    """Places on disk and the database.

    Attributes:
        home: everything Encore writes (ENCORE_HOME; default the platform's user data folder).
        data: a folder of dataset folders, looked at before any download (ENCORE_DATA), or None.
        store_url: SQLAlchemy URL of the run store (ENCORE_STORE; default a SQLite file in `home`).
    """

    home: Path
    data: Path | None
    store_url: str

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
    )
