"""A backup: one zip file with a copy of the database, the artifacts of all runs, the uploads and the presets of one's own, each with its
checksum.

Runs may go on meanwhile. Artifacts are copied before the database, so that no checkpoint is ahead of its rows: a run that is put back goes
on from its checkpoint and writes the later rows again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import sqlite3
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from engine import disk, presets
from engine.datasets.uploads import PREFIX, damaged_uploads
from engine.errors import Damaged, InputError
from engine.files import replacing
from engine.settings import Settings
from engine.store import RunStore, artifacts, faults

FORMAT = 1
MANIFEST, DATABASE = "manifest.json", "encore.db"
_ARTIFACTS = rf"artifacts/{artifacts.ID}/{artifacts.NAME}\.safetensors"
_UPLOADS = r"uploads/[a-z0-9-]{1,60}/(about\.json|ratings\.parquet)"
_PRESETS = rf"presets/{presets.NAME}\.toml"
MEMBER = re.compile(rf"{re.escape(DATABASE)}|{_ARTIFACTS}|{_UPLOADS}|{_PRESETS}")
"""The names that a backup may hold."""
_BLOCK = 2**20


def back_up(store: RunStore, where: Settings, target: Path) -> dict[str, Any]:
    """Writes a backup; a file of this name is replaced once all of it is there.

    Returns:
        file, bytes, runs, artifacts, uploads, presets, and `left_out`: damaged artifacts and uploads, which would only be kept damaged.

    Raises:
        Damaged: the database is damaged itself.
        InputError: the store is no SQLite file, the file is part of it, or the backup cannot be written.
    """
    database = require_file(store)
    _require_apart(target, database, where)
    if found := faults(store):
        raise Damaged(f"The run store is damaged ({found[0]}), so nothing was backed up: put an older backup back, if there is one.")
    # The database twice: copied beside the backup, then packed into it.
    needed = disk.taken(where.artifacts) + disk.taken(_uploads(where)) + 2 * database.stat().st_size
    disk.require(needed, "This backup", _on_disk_of(target, where))
    left_out: list[str] = []
    try:
        with replacing(target, durable=True) as draft, zipfile.ZipFile(draft, "w") as packed:
            kept: dict[str, dict[str, Any]] = {}
            for name, path in _files(store, where, left_out):
                with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                    kept[name] = _add(packed, name, path)
            with tempfile.TemporaryDirectory(dir=target.absolute().parent, prefix=".backup-") as folder:
                copy_database(database, Path(folder) / DATABASE)
                kept[DATABASE] = _add(packed, DATABASE, Path(folder) / DATABASE, zipfile.ZIP_DEFLATED)
            packed.writestr(MANIFEST, json.dumps({"format": FORMAT, "made": time.time(), "files": kept}, indent=1))
    except OSError as error:
        raise InputError(f"{target} cannot be written ({error.strerror or error}): name another file.") from error
    counts = {part: sum(name.startswith(f"{part}/") for name in kept) for part in ("artifacts", "uploads", "presets")}
    return {"file": str(target), "bytes": target.stat().st_size, "runs": len(store.list()), **counts, "left_out": left_out}


def require_file(store: RunStore) -> Path:
    """The store's SQLite file. Raises InputError where it is another database."""
    if store.file is None:
        raise InputError(
            "This run store lives in PostgreSQL: back it up by pg_dump, put it back by pg_restore, and copy the artifacts folder with it."
        )
    return store.file


def copy_database(source: Path, target: Path) -> None:
    """A whole copy at one instant, by SQLite's own backup, while others read and write."""
    with (
        contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)
        new.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it


def _files(store: RunStore, where: Settings, left_out: list[str]) -> Iterator[tuple[str, Path]]:
    for run in store.list():
        for name in artifacts.names(store.artifacts, run.id):
            path = artifacts.file(store.artifacts, run.id, name)
            try:
                artifacts.check(path)
            except FileNotFoundError:
                continue
            except (OSError, Damaged):
                left_out.append(f"{name} of {run.name}")
                continue
            yield f"artifacts/{run.id}/{path.name}", path
    damaged = damaged_uploads(where)
    for folder in sorted(_uploads(where).glob("[!.]*/")):
        files = {f"uploads/{folder.name}/{path.name}": path for path in sorted(folder.glob("*"))}
        files = {name: path for name, path in files.items() if MEMBER.fullmatch(name)}
        if PREFIX + folder.name in damaged or folder.is_symlink() or not all(_readable(path) for path in files.values()):
            left_out.append(PREFIX + folder.name)
        else:
            yield from files.items()
    kept = {f"presets/{path.name}": path for path in sorted((where.home / "presets").glob("*.toml"))}
    yield from ((name, path) for name, path in kept.items() if MEMBER.fullmatch(name) and _readable(path))


def _uploads(where: Settings) -> Path:
    return where.datasets / "uploads"


def _readable(path: Path) -> bool:
    """Whether this is a file that can be read; what a link leads to is not Encore's."""
    try:
        with path.open("rb"):
            return path.is_file() and not path.is_symlink()
    except OSError:
        return False


def _add(packed: zipfile.ZipFile, name: str, path: Path, how: int = zipfile.ZIP_STORED) -> dict[str, Any]:
    found, count = hashlib.sha256(), 0
    info = zipfile.ZipInfo(name, time.localtime()[:6])
    info.compress_type = how
    with path.open("rb") as stream, packed.open(info, "w", force_zip64=True) as target:
        while block := _block(stream, path):
            target.write(block)
            found.update(block)
            count += len(block)
    return {"bytes": count, "sha256": found.hexdigest()}


def _block(stream: IO[bytes], path: Path) -> bytes:
    """What comes next. Raises InputError where it cannot be read, which is not to be taken for a backup that cannot be written."""
    try:
        return stream.read(_BLOCK)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}), so nothing was backed up: see to its disk.") from error


def _require_apart(target: Path, database: Path, where: Settings) -> None:
    """Raises InputError where the backup would replace something that it is a backup of."""
    places = {target.resolve(), target.absolute().parent.resolve() / target.name}
    parts = {database.resolve().with_name(database.resolve().name + ending) for ending in ("", "-wal", "-shm", "-journal")}
    folders = [where.artifacts.resolve(), where.datasets.resolve()]
    if places & parts or any(place.is_relative_to(folder) for place in places for folder in folders):
        raise InputError(f"{target} is part of the store itself or lies among its files: name another file for the backup.")


def _on_disk_of(target: Path, where: Settings) -> Settings:
    """Where the backup's own disk is looked at; a quota is for Encore's folder."""
    return replace(where, home=target.absolute().parent, quota=None)
