"""Puts a backup back. Nothing in place is touched before every file of the backup has been compared with its checksum."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from engine import disk
from engine.errors import InputError
from engine.files import replacing
from engine.settings import Settings
from engine.store.urls import absolute, database_file
from engine.upkeep.backup import DATABASE, FORMAT, MANIFEST, MEMBER

_BLOCK = 2**20
_LARGEST_MANIFEST = 2**28
_DAMAGED = (OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)


def put_back(backup: Path, where: Settings, run_id: str | None = None) -> dict[str, Any]:
    """Puts back the database, artifacts and uploads of a backup, or the artifacts of one run alone.

    The database that was there is kept beside it under another name. Artifacts and uploads that the backup does not know stay.

    Args:
        run_id: of the one run.

    Returns:
        files: how many were put back; former: where the database that was there is now, None where there was none.

    Raises:
        InputError: the file is no backup, or a damaged one; the store is no SQLite file; or somebody has it open.
    """
    database = database_file(absolute(where.store_url))
    if database is None:
        raise InputError("This run store lives in PostgreSQL: put it back by pg_restore, and copy the artifacts folder beside it.")
    with _opened(backup) as packed:
        files = _checked(packed, backup)
        if run_id is not None:
            files = {name: size for name, size in files.items() if name.startswith(f"artifacts/{run_id}/")}
            if not files:
                raise InputError(f"{backup} holds nothing of a run '{run_id}': an id is 12 hexadecimal digits, as `runs` lists them.")
        elif busy := users_of(database):
            raise InputError(f"The run store is open in {', '.join(busy)}: end it first, or what it writes would be lost.")
        disk.require(sum(files.values()), "What the backup holds", Settings(where.home, where.data, where.store_url))
        former = None
        for name in sorted(files, key=lambda one: one == DATABASE):  # last of all
            if name == DATABASE:
                former = _replace_database(packed, database)
            else:
                with replacing(_place(name, where), durable=True) as draft:
                    _extract(packed, name, draft)
    return {"files": len(files), "former": former and str(former)}


def users_of(file: Path) -> list[str]:
    """Processes of this user that have a file open, by name and id; this one is left out."""
    found, wanted = [], os.path.realpath(file)
    for process in psutil.process_iter(["pid", "name"]):
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and any(os.path.realpath(one.path) == wanted for one in process.open_files()):
                found.append(f"process {process.pid} ({process.name()})")
    return found


@contextlib.contextmanager
def _opened(backup: Path) -> Iterator[zipfile.ZipFile]:
    try:
        packed = zipfile.ZipFile(backup)
    except FileNotFoundError:
        raise InputError(f"There is no file {backup}.") from None
    except _DAMAGED as error:
        raise InputError(f"{backup} is no backup of Encore, or a damaged one: {error}.") from error
    with packed:
        yield packed


def _checked(packed: zipfile.ZipFile, backup: Path) -> dict[str, int]:
    """Name and bytes of every file, each compared with its checksum. Raises InputError with the first that differs."""
    try:
        if packed.getinfo(MANIFEST).file_size > _LARGEST_MANIFEST:
            raise ValueError("its list of files is too long")
        manifest = json.loads(packed.read(MANIFEST))
        files = {str(name): (int(one["bytes"]), str(one["sha256"])) for name, one in manifest["files"].items()}
        version = manifest["format"]
    except (*_DAMAGED, AttributeError, RecursionError) as error:
        raise InputError(f"{backup} is no backup of Encore, or a damaged one: its list of files cannot be read.") from error
    if version != FORMAT:
        raise InputError(f"{backup} was made by another version of Encore (format {version}, this one knows {FORMAT}): use that one.")
    there = {info.filename: info.file_size for info in packed.infolist() if info.filename != MANIFEST}
    for name in sorted({*files, *there}):
        if not MEMBER.fullmatch(name):
            raise InputError(f"{backup} holds '{name}', which no backup of Encore does; nothing was put back.")
        if name not in files or there.get(name) != files[name][0] or _digest(packed, name) != files[name][1]:
            raise InputError(f"'{name}' in {backup} is damaged or missing, so nothing was put back: take another backup.")
    if DATABASE not in files:
        raise InputError(f"{backup} holds no database; nothing was put back.")
    return {name: size for name, (size, _) in files.items()}


def _digest(packed: zipfile.ZipFile, name: str) -> str:
    """SHA-256 of a member; empty where it cannot be read."""
    found = hashlib.sha256()
    try:
        with packed.open(name) as stream:
            while block := stream.read(_BLOCK):
                found.update(block)
    except _DAMAGED:
        return ""
    return found.hexdigest()


def _place(name: str, where: Settings) -> Path:
    first, folder, file = name.split("/")
    return (where.artifacts if first == "artifacts" else where.datasets / "uploads") / folder / file


def _extract(packed: zipfile.ZipFile, name: str, target: Path) -> None:
    folder = target.parent
    if folder.is_symlink():
        raise InputError(f"{folder} is a link, which Encore does not follow: take it away, then restore again.")
    with packed.open(name) as stream, target.open("wb") as draft:
        while block := stream.read(_BLOCK):
            draft.write(block)


def _replace_database(packed: zipfile.ZipFile, database: Path) -> Path | None:
    """Where the database that was there is now; None where there was none."""
    database.parent.mkdir(parents=True, exist_ok=True)
    with replacing(database, durable=True) as draft:
        _extract(packed, DATABASE, draft)
        _require_whole(draft)
        former = database.with_name(f"{database.name}.before-{time.strftime('%Y%m%d-%H%M%S')}")
        there = database.exists()
        # SQLite would take a log that lies beside the new database for its own.
        for ending in ("-wal", "-shm"):
            beside = database.with_name(database.name + ending)
            if beside.exists():
                beside.replace(former.with_name(former.name + ending))
        if there:
            database.replace(former)
    return former if there else None


def _require_whole(database: Path) -> None:
    with contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            whole = connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",)
            known = connection.execute("SELECT max(version) FROM encore_schema").fetchone()
        except sqlite3.DatabaseError:
            whole, known = False, None
    if not whole or not known:
        raise InputError("The database in the backup is none of Encore's, so nothing of it was put back: take another backup.")
