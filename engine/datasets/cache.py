"""Keeps what was read from files, so that the same files are parsed once: npz below `settings().home / "cache"`, never pickled.

An entry is found by the content of the files it was made from. Nothing depends on the cache: an entry that is damaged or cannot
be written is made again the next time.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import time
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import scipy.sparse as sp

from engine.files import drafts, replacing
from engine.interactions import PER_RATING, Interactions
from engine.settings import settings

FORMAT = 2
"""To be raised whenever a reader or the layout of an entry changes: older entries are then no longer found."""
WHOLE = 2**28
"""Files of this many bytes in all are told by their whole content, more by size, time of change, and their first and last bytes."""
SAMPLE = 2**12
ENTRIES_PER_NAME = 2
ENTRIES = 20
_DRAFT_SECONDS = 86_400
_DAMAGED = (OSError, EOFError, ValueError, KeyError, TypeError, NotImplementedError, zipfile.BadZipFile, zlib.error, pa.ArrowException)


def cached(name: str, files: Sequence[Path], read: Callable[[], Interactions], *details: object) -> Interactions:
    """What `read` returns, from the cache where it was read from the same content before.

    Args:
        name: of the dataset.
        files: all that `read` looks at.
        details: whatever else the result depends on; told apart by its repr.
    """
    key = _key(name, files, details)
    if key is None:
        return read()
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "ratings"
    entry = settings().home / "cache" / f"{slug}-{key}.npz"
    with suppress(*_DAMAGED):
        data = _read(entry)
        with suppress(OSError):
            os.utime(entry)
        return data
    data = read()
    # Files that change while they are read must not be kept under what they were before.
    if _key(name, files, details) == key:
        with suppress(OSError):
            _write(entry, data)
            _prune(entry.parent, slug)
    return data


def _key(name: str, files: Sequence[Path], details: tuple[object, ...]) -> str | None:
    """32 hexadecimal digits, or None where the files cannot be read."""
    digest = hashlib.sha256(repr((FORMAT, name, details)).encode())
    try:
        states = [(path, path.stat()) for path in files]
        whole = sum(state.st_size for _path, state in states) <= WHOLE
        for path, state in states:
            digest.update(repr((path.name, state.st_size, 0 if whole else state.st_mtime_ns)).encode())
            with path.open("rb") as stream:
                if whole:
                    digest.update(hashlib.file_digest(stream, "sha256").digest())
                else:
                    digest.update(stream.read(SAMPLE))
                    stream.seek(max(0, state.st_size - SAMPLE))
                    digest.update(stream.read(SAMPLE))
    except OSError:
        return None
    return digest.hexdigest()[:32] if states else None


def _write(entry: Path, data: Interactions) -> None:
    about = {"shape": data.ratings.shape, "name": data.name, "scale": data.scale, "duplicates": data.duplicates, "left_out": data.left_out}
    arrays = {
        "about": np.frombuffer(json.dumps(about).encode(), np.uint8),
        "users": _packed(data.users),
        "items": _packed(data.items),
        "values": data.ratings.data,
        "indices": data.ratings.indices,
        "indptr": data.ratings.indptr,
    }
    arrays |= {field: values for field in PER_RATING if (values := getattr(data, field)) is not None}
    with replacing(entry) as draft, draft.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def _read(entry: Path) -> Interactions:
    """Raises one of _DAMAGED where there is no usable entry."""
    with entry.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
        about = json.loads(stored["about"].tobytes())
        ratings = sp.csr_array((stored["values"], stored["indices"], stored["indptr"]), shape=tuple(about["shape"]))
        return Interactions(
            name=about["name"],
            ratings=ratings,
            users=_unpacked(stored["users"]),
            items=_unpacked(stored["items"]),
            scale=tuple(about["scale"]),
            duplicates=about["duplicates"],
            left_out=about["left_out"],
            **{field: stored[field] for field in PER_RATING if field in stored},
        )


def _packed(table: pd.DataFrame) -> np.ndarray:
    """A table as the bytes of a Parquet file."""
    target = io.BytesIO()
    table.to_parquet(target)
    return np.frombuffer(target.getbuffer(), np.uint8)


def _unpacked(content: np.ndarray) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(content.data))


def _prune(folder: Path, slug: str) -> None:
    """Deletes what was not used for longest, beyond ENTRIES_PER_NAME of one dataset and ENTRIES in all, and drafts nobody finished."""
    entries = sorted(folder.glob("*.npz"), key=lambda path: -path.stat().st_mtime)
    same = [path for path in entries if path.stem.rpartition("-")[0] == slug]
    left = [path for path in drafts(folder) if time.time() - path.stat().st_mtime > _DRAFT_SECONDS]
    for path in {*same[ENTRIES_PER_NAME:], *entries[ENTRIES:], *left}:
        path.unlink(missing_ok=True)
