"""Files and folders that nobody ever reads half written."""

from __future__ import annotations

import errno
import glob
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def drafting(path: Path) -> Iterator[Path]:
    """A draft to write beside `path`, gone once the block ends unless it was moved to a place of its own. The folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path, durable: bool = False) -> Iterator[Path]:
    """A draft to write beside `path`, which takes its place once the block ends; after an error there is neither. The folder is made.

    Args:
        durable: wait until the disk has it: then even after a power cut the file holds either the old content or all of the new.

    Raises:
        OSError: the disk is full or not writable; the old content is untouched.
    """
    with drafting(path) as draft:
        yield draft
        if durable:
            sync(draft)
        draft.replace(path)
        if durable:
            sync(path.parent)


@contextmanager
def making(folder: Path) -> Iterator[Path]:
    """A draft folder to fill beside `folder`, which takes its place once the block ends; after an error, or a kill, there is none.

    What earlier calls for the same folder left when they were killed is removed.

    Raises:
        OSError: the disk is full or not writable, or `folder` holds something.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in drafts(folder.parent, glob.escape(folder.name)):
        shutil.rmtree(left, ignore_errors=True)
    draft = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    draft.mkdir()
    try:
        yield draft
        for file in draft.iterdir():
            sync(file)
        if folder.exists():
            folder.rmdir()  # an empty one; Windows replaces none
        draft.replace(folder)
        sync(folder.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def drafts(folder: Path, name: str = "*") -> Iterator[Path]:
    """Drafts of files of this name (a glob pattern): being written at this moment, or left by a process that was killed."""
    return folder.glob(f".{name}.*.tmp")


def sync(path: Path) -> None:
    """Waits until the disk has a file, or the names in a folder. Raises OSError where it has no room for it."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def no_room(error: BaseException | None) -> bool:
    """Whether this error, or one that it came from, says that a disk is full or a quota used up."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        # What comes from SQLite, PostgreSQL and safetensors has no number of its own.
        if any(words in str(error) for words in ("No space left on device", "database or disk is full", "Disk quota exceeded")):
            return True
        error = error.__cause__
    return False
