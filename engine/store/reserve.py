"""A small file beside the database that is given up when the disk is full, so that it can still be said how a run ended."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from engine.files import replacing

SIZE = 2**19
"""Bytes: the last words of a run take some ten pages of 4,096."""
ROOM = 4
"""It is made where so many times its size is free, and not where the last of the disk is needed."""


class Reserve:
    """The reserve of one SQLite database."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(f"{database.name}.reserve")

    def keep(self) -> None:
        """See that there is one, if there is room."""
        with suppress(OSError):
            if not self.path.exists() and shutil.disk_usage(self.path.parent).free > ROOM * SIZE:
                with replacing(self.path) as draft:
                    draft.write_bytes(os.urandom(SIZE))  # zeros would take no room on a disk that compresses

    def give_up(self) -> None:
        """Make its room free."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
