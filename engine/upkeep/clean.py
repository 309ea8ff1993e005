"""Making room: what can go without anybody missing it, and what people may choose to do without."""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from engine import disk
from engine.errors import InputError
from engine.files import drafts
from engine.settings import Settings
from engine.store import ENDED, RunStore, artifacts, faults

KINDS = {
    "drafts": "left by processes that were killed while they wrote",
    "damaged": "found damaged and set aside",
    "cache": "what was read of datasets, made again when it is next needed",
    "former": "databases that a restore has replaced",
    "orphans": "artifacts of no run in this store, if that is whole; where several stores share the folder, they may be another's",
    "weights": "weights and checkpoints of runs that ended long ago and have no star; their curves and figures stay",
}
"""What can go → why."""
USUAL = ("drafts", "damaged", "cache")
"""What goes unless somebody asks for more: nobody would miss it."""
DRAFT_SECONDS = 86_400
DAY = 86_400


class Scrap(NamedTuple):
    """One file or folder that can go."""

    kind: str
    path: Path
    bytes: int
    about: str


def scraps(store: RunStore, where: Settings, kinds: Collection[str] = USUAL, days: float | None = None) -> list[Scrap]:
    """What of these kinds there is, the largest first; nothing is removed.

    Args:
        days: since a run has ended, of the kind "weights"; not needed for the others.
    """
    found: list[Scrap] = []
    if "drafts" in kinds:
        found += [_scrap("drafts", path, path.name) for path in _left_drafts(where)]
    if "damaged" in kinds:
        found += [
            _scrap("damaged", path, f"{path.stem} of run {path.parent.name}") for path in where.artifacts.glob(f"*/*{artifacts.ASIDE}")
        ]
    if "cache" in kinds:
        found += [_scrap("cache", path, path.stem.rpartition("-")[0]) for path in (where.home / "cache").glob("*.npz")]
    if "former" in kinds and store.file is not None:
        found += [_scrap("former", path, path.name) for path in store.file.parent.glob(f"{store.file.name}.before-*")]
    if "orphans" in kinds:
        found += _orphans(store)
    if "weights" in kinds:
        found += _weights(store, days)
    return sorted(found, key=lambda one: (-one.bytes, str(one.path)))


def remove(some: Collection[Scrap]) -> int:
    """Removes them. Returns the bytes that became free; what is gone already or cannot be removed counts for none."""
    freed = 0
    for one in some:
        try:
            if one.path.is_symlink() or not one.path.is_dir():
                one.path.unlink()
            else:
                shutil.rmtree(one.path)
        except OSError:
            continue
        freed += one.bytes
    return freed


def _scrap(kind: str, path: Path, about: str) -> Scrap:
    is_folder = path.is_dir() and not path.is_symlink()
    try:
        return Scrap(kind, path, disk.taken(path) if is_folder else path.lstat().st_size, about)
    except OSError:  # gone meanwhile
        return Scrap(kind, path, 0, about)


def _left_drafts(where: Settings) -> Iterator[Path]:
    folders = [*where.artifacts.glob("*/"), where.home / "cache", where.home]
    some = [path for folder in folders for path in drafts(folder)] + [*(where.datasets / "uploads").glob(".draft-*")]
    for path in some:
        try:
            if time.time() - path.lstat().st_mtime > DRAFT_SECONDS:
                yield path
        except OSError:
            continue


def _orphans(store: RunStore) -> list[Scrap]:
    """None while the database is damaged: of a run whose id cannot be read, the artifacts are all that is left to go by."""
    # Folders first: one that is made after this belongs to a run that was made before it.
    folders = [path for path in store.artifacts.glob("*") if artifacts.is_id(path.name)]
    known = {run.id for run in store.list()}
    if faults(store):
        return []
    return [_scrap("orphans", path, f"run {path.name}") for path in folders if path.name not in known]


def _weights(store: RunStore, days: float | None) -> list[Scrap]:
    if days is None:
        raise InputError("Say of runs that ended how many days ago the weights can go, like --weights-older 30.")
    some = []
    for run in store.list(states=ENDED):
        place = artifacts.folder(store.artifacts, run.id)
        if not run.starred and place.exists() and time.time() - (run.finished or run.created) > days * DAY:
            some.append(_scrap("weights", place, f"{run.name}, {run.state}"))
    return some
