"""Files that nobody ever reads half written."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path, durable: bool = False) -> Iterator[Path]:
    """A draft to write beside `path`, which takes its place once the block ends; after an error there is neither. The folder is made.

    Args:
        durable: wait until the disk has it: then even after a power cut the file holds either the old content or all of the new.

    Raises:
        OSError: the disk is full or not writable; the old content is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield draft
        if durable:
            _sync(draft)
        draft.replace(path)
        if durable:
            _sync(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def drafts(folder: Path, name: str = "*") -> Iterator[Path]:
    """Drafts of files of this name (a glob pattern): being written at this moment, or left by a process that was killed."""
    return folder.glob(f".{name}.*.tmp")


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
