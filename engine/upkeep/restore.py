"""Puts a backup back. Nothing in place is touched before every file of the backup has been compared with its checksum."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import time
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import psutil

from engine import disk, processes
from engine.errors import Damaged, InputError
from engine.files import drafting, replacing, sync
from engine.settings import Settings
from engine.store import RunStore
from engine.store.migrations import VERSION
from engine.store.urls import absolute, database_file
from engine.upkeep.backup import DATABASE, FORMAT, MANIFEST, MEMBER

_BLOCK = 2**20
_LARGEST_MANIFEST = 2**28
_LOGS = ("-wal", "-journal")
"""Endings of what SQLite keeps beside a database and needs to read it."""
_DAMAGED = (OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)


def put_back(backup: Path, where: Settings, run_id: str | None = None) -> dict[str, Any]:
    """Puts back the database, artifacts and uploads of a backup, or the artifacts of one run alone.

    The database that was there is kept beside it under another name. Artifacts and uploads that the backup does not know stay.

    Args:
        run_id: of the one run.

    Returns:
        files: how many were put back; former: where the database that was there is now, None where there was none.

    Raises:
        InputError: the file is no backup, or a damaged one; the store is no SQLite file; somebody has it open; or the disk is full: the
            database that was there is then in its place still.
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
            if database.exists():
                _require_at_rest(run_id, where)
        else:
            _require_unused(database)
        disk.require(sum(files.values()), "What the backup holds", replace(where, quota=None))
        try:
            former = _put(packed, files, where, database)
        except OSError as error:
            raise InputError(
                f"{backup} cannot be put back ({error.strerror or error}): make room on the disk, or let its folders be written, then "
                "restore again; the database that was there is not lost."
            ) from error
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
    first, _, rest = name.partition("/")
    return {"artifacts": where.artifacts, "uploads": where.datasets / "uploads", "presets": where.home / "presets"}[first] / rest


def _extract(packed: zipfile.ZipFile, name: str, target: Path) -> None:
    folder = target.parent
    if folder.is_symlink():
        raise InputError(f"{folder} is a link, which Encore does not follow: take it away, then restore again.")
    with packed.open(name) as stream, target.open("wb") as draft:
        while block := stream.read(_BLOCK):
            draft.write(block)


def _put(packed: zipfile.ZipFile, files: Collection[str], where: Settings, database: Path) -> Path | None:
    """Puts these files in place, the database last of all. Returns where the one that was there is now."""
    others = [name for name in sorted(files) if name != DATABASE]
    if DATABASE not in files:
        _put_files(packed, others, where)
        return None
    with drafting(database) as draft:
        # What may be wrong with the database, or its room, is found before anything in place is touched.
        _extract(packed, DATABASE, draft)
        _require_whole(draft)
        sync(draft)
        _put_files(packed, others, where)
        _require_unused(database)  # that took minutes, perhaps
        return _swap(draft, database)


def _put_files(packed: zipfile.ZipFile, names: Iterable[str], where: Settings) -> None:
    for name in names:
        with replacing(_place(name, where), durable=True) as draft:
            _extract(packed, name, draft)


def _swap(draft: Path, database: Path) -> Path | None:
    """Lets the draft take the database's place by one rename, after which the former has a name of its own; tells that."""
    former = _free_name(database)
    there = database.exists()
    given: list[tuple[Path, Path]] = []
    try:
        # SQLite would take a log that lies beside the new database for its own; the former one needs its.
        for ending in ("", *_LOGS):
            file, name = (one.with_name(one.name + ending) for one in (database, former))
            if file.exists():
                _name_too(file, name)
                given.append((file, name))
        for file, _ in given:
            if file != database:
                file.unlink()
        database.with_name(f"{database.name}-shm").unlink(missing_ok=True)  # SQLite makes it again from the log
        draft.replace(database)
    except BaseException:
        for file, name in given:
            if name.exists() and not file.exists():
                name.replace(file)
            name.unlink(missing_ok=True)
        raise
    sync(database.parent)
    return former if there else None


def _free_name(database: Path) -> Path:
    stem = f"{database.name}.before-{time.strftime('%Y%m%d-%H%M%S')}"
    names = (database.with_name(stem if number == 1 else f"{stem}-{number}") for number in count(1))
    return next(name for name in names if not any(name.with_name(name.name + ending).exists() for ending in ("", *_LOGS)))


def _name_too(file: Path, name: Path) -> None:
    """Gives a file a second name; where the disk knows no links, that is a copy."""
    try:
        os.link(file, name)
    except FileExistsError:
        raise
    except OSError:
        with replacing(name, durable=True) as draft:
            shutil.copyfile(file, draft)


def _require_unused(database: Path) -> None:
    if busy := users_of(database):
        raise InputError(f"The run store is open in {', '.join(busy)}: end it first, or what it writes would be lost.")


def _require_at_rest(run_id: str, where: Settings) -> None:
    """Raises InputError where the run is being trained: it goes on from what it has in memory, and would write over what is put back."""
    try:
        with contextlib.closing(RunStore(where.store_url, where.artifacts)) as store:
            run = store.find(run_id)
    except Damaged:  # nobody trains by a database that cannot be read
        return
    if run is not None and run.state == "running" and (run.process is None or processes.alive(run.process) is not False):
        raise InputError(f"Run '{run.name}' is running: pause or stop it, then put its artifacts back.")


def _require_whole(database: Path) -> None:
    # Immutable: the draft is nobody else's, and SQLite is to leave no files of its own beside it.
    with contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        try:
            whole = connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",)
            (version,) = connection.execute("SELECT max(version) FROM encore_schema").fetchone()
        except (sqlite3.Error, UnicodeDecodeError):
            whole, version = False, None
    if not whole or not isinstance(version, int) or version < 1:
        raise InputError("The database in the backup is none of Encore's, so nothing was put back: take another backup.")
    if version > VERSION:
        raise InputError(
            f"The database in the backup was written by a newer Encore (its schema is {version}, this one knows {VERSION}), so nothing was "
            "put back: update Encore, or take another backup."
        )
