"""How much of the disk Encore has taken, and whether more may be begun."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from engine.errors import InputError
from engine.settings import Settings, settings

RESERVE = 500e6
"""Bytes of a disk that are left to everybody else."""


def taken(place: Path) -> int:
    """Bytes of all files below a folder; what links lead to does not count."""
    total = 0
    for folder, _, files in os.walk(place):
        for name in files:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 (a walk over thousands of files)
            except OSError:  # gone meanwhile
                continue
    return total


def free(place: Path) -> int:
    """Bytes that are free on the disk of a folder, which need not be there yet."""
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free


def require(needed: float, what: str, where: Settings | None = None, written: float = 0) -> None:
    """Refuses what does not fit.

    Args:
        needed: bytes.
        what: that needs them, as the sentence begins: "This upload".
        written: how many of these bytes are there already, in Encore's folder.

    Raises:
        InputError: the disk, or the quota of Encore's folder, has less left; with the figures.
    """
    where = where or settings()
    left = free(where.home) + written - RESERVE
    if needed > left:
        raise InputError(
            f"{what} needs about {size(needed)} on disk, and {size(max(0, left))} can be used there: make room (`python -m engine store "
            "clean --preview` lists what can go), or let ENCORE_HOME name another disk."
        )
    if where.quota is None:
        return
    there = taken(where.home) - written
    if there + needed > where.quota:
        raise InputError(
            f"{what} needs about {size(needed)}, and Encore's folder holds {size(there)} of at most {size(where.quota)} (ENCORE_QUOTA): "
            "delete runs, or clean up (`python -m engine store clean --preview` lists what can go)."
        )


def size(count: float) -> str:
    """Bytes for people: "1.5 GB", "20.0 MB", "3 kB"."""
    if count >= 1e9:
        return f"{count / 1e9:,.1f} GB"
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.0f} kB"
