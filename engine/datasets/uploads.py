"""Ratings files that a person handed in through the browser, kept as Parquet under a name of their own."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd

from engine.datasets.table import GUESS_ALL, Columns, read_table
from engine.errors import InputError, unknown
from engine.interactions import Interactions, from_frame
from engine.settings import settings

PREFIX = "upload:"


@dataclass(frozen=True)
class Upload:
    """What is known of a saved upload: `name` to load it by, its file name, its counts after duplicates were dropped.

    `saved` is in unix seconds; `digest` tells the same file with the same mapping again.
    """

    name: str
    title: str
    n_users: int
    n_items: int
    n_ratings: int
    has_timestamps: bool
    implicit: bool
    saved: float
    digest: str


def save_upload(filename: str, content: bytes, columns: Columns = GUESS_ALL) -> str:
    """Checks a ratings file and keeps it; the same content and mapping again gives the same name.

    Args:
        filename: as the person's machine calls it; only its last part is used, for the name and in errors.

    Returns:
        A dataset name such as "upload:my-ratings".

    Raises:
        InputError: as `read_table`.
    """
    filename = re.split(r"[/\\]", filename)[-1]
    digest = hashlib.sha256(repr(columns).encode() + content).hexdigest()
    for upload in uploads():
        if upload.digest == digest:
            return upload.name
    frame = read_table(content, filename, columns)
    data = from_frame(filename, frame)
    folder = _free_folder(filename)
    name, timed = PREFIX + folder.name, data.timestamps is not None
    about = Upload(name, filename, data.n_users, data.n_items, data.n_ratings, timed, columns.implicit, time.time(), digest)
    # Written beside and renamed, so that nobody ever lists half an upload.
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder.parent))
    try:
        frame.to_parquet(draft / "ratings.parquet", index=False)
        (draft / "about.json").write_text(json.dumps(asdict(about), indent=1), encoding="utf-8")
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return name


def uploads() -> list[Upload]:
    """All saved uploads, newest first."""
    found = [_about(folder) for folder in _place().glob("[!.]*") if (folder / "about.json").is_file()]
    return sorted(found, key=lambda upload: -upload.saved)


def load_upload(name: str) -> Interactions:
    """The ratings saved under a name. Raises InputError when there are none."""
    known = {upload.name: upload for upload in uploads()}
    if name not in known:
        raise unknown("upload", name, known) if known else InputError(f"There is no upload '{name}'; none has been saved yet.")
    upload = known[name]
    frame = pd.read_parquet(_place() / name.removeprefix(PREFIX) / "ratings.parquet")
    return from_frame(upload.title, frame, scale=(0, 1) if upload.implicit else None)


def _place() -> Path:
    return settings().datasets / "uploads"


def _about(folder: Path) -> Upload:
    stored = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    return Upload(**({one.name: stored[one.name] for one in fields(Upload)} | {"name": PREFIX + folder.name}))


def _free_folder(filename: str) -> Path:
    _place().mkdir(parents=True, exist_ok=True)
    stem = filename.split(".")[0].lower()
    slug = re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:40] or "ratings"
    folder, number = _place() / slug, 2
    while folder.exists():
        folder, number = _place() / f"{slug}-{number}", number + 1
    return folder
