"""Ratings files that a person handed in through the browser, kept as Parquet under a name of their own."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from engine.datasets.faults import Account, shown
from engine.datasets.reading import GUESS_ALL, Reading
from engine.datasets.table import read_ratings
from engine.errors import InputError, unknown
from engine.interactions import Interactions, from_frame
from engine.settings import settings

PREFIX = "upload:"
_DAMAGED = (OSError, ValueError, KeyError, TypeError, pa.ArrowException)


@dataclass(frozen=True)
class Upload:
    """What is known of a saved upload.

    Attributes:
        name: to load it by.
        title: its file name.
        n_users, n_items, n_ratings: after pairs rated again were made one.
        scale: lowest and highest possible rating.
        saved: unix seconds.
        digest: tells the same file, read in the same way, again.
        account: what became of the file's rows; None of one saved before that was kept.
    """

    name: str
    title: str
    n_users: int
    n_items: int
    n_ratings: int
    has_timestamps: bool
    scale: tuple[float, float] | None
    saved: float
    digest: str
    account: Account | None = None


def save_upload(filename: str, content: bytes, reading: Reading = GUESS_ALL) -> str:
    """Checks a ratings file and keeps it; the same content read in the same way again gives the same name.

    Args:
        filename: as the person's machine calls it; only its last part is used, for the name and in errors.

    Returns:
        A dataset name such as "upload:my-ratings".

    Raises:
        InputError: as `read_ratings`.
    """
    filename = shown(re.split(r"[/\\]", filename)[-1]) or "ratings"
    digest = hashlib.sha256(repr(reading).encode() + content).hexdigest()
    for upload in uploads():
        if upload.digest == digest:
            return upload.name
    found = read_ratings(content, filename, reading)
    data, account = found.interactions()
    folder = _free_folder(filename)
    name, timed = PREFIX + folder.name, data.timestamps is not None
    about = Upload(name, filename, data.n_users, data.n_items, data.n_ratings, timed, data.scale, time.time(), digest, account)
    # Written beside and renamed, so that nobody ever lists half an upload.
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder.parent))
    try:
        found.frame.to_parquet(draft / "ratings.parquet", index=False)
        (draft / "about.json").write_text(json.dumps(asdict(about), indent=1), encoding="utf-8")
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return name


def uploads() -> list[Upload]:
    """All saved uploads that can be read, newest first."""
    found = [about for folder in _folders() if (about := _about(folder))]
    return sorted(found, key=lambda upload: -upload.saved)


def load_upload(name: str) -> Interactions:
    """The ratings saved under a name. Raises InputError when there are none, or when they are damaged."""
    known = {upload.name: upload for upload in uploads()}
    if name not in known:
        if name in {PREFIX + folder.name for folder in _folders()}:
            raise _damaged(name)
        raise unknown("upload", name, known) if known else InputError(f"There is no upload '{name}'; none has been saved yet.")
    upload = known[name]
    try:
        frame = pd.read_parquet(_place() / name.removeprefix(PREFIX) / "ratings.parquet")
        data = from_frame(upload.title, frame, scale=upload.scale)
    except _DAMAGED as error:
        raise _damaged(name) from error
    return replace(data, left_out=upload.account.unusable if upload.account else 0)


def _place() -> Path:
    return settings().datasets / "uploads"


def _folders() -> Iterator[Path]:
    return _place().glob("[!.]*")


def _damaged(name: str) -> InputError:
    return InputError(f"What was kept of the upload '{name}' is damaged; upload its file again.")


def _about(folder: Path) -> Upload | None:
    """None where its description cannot be read."""
    try:
        stored: dict[str, Any] = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        stored |= {"name": PREFIX + folder.name}
        # Uploads of former versions: 0 to 1 was the scale of pairs, and any other came from the ratings.
        stored.setdefault("scale", (0, 1) if stored.get("implicit") else None)
        account = stored.pop("account", None)
        known = {one.name: stored[one.name] for one in fields(Upload) if one.name in stored}
        scale = stored["scale"] and (float(stored["scale"][0]), float(stored["scale"][1]))
        return Upload(**(known | {"scale": scale}), account=Account(**account) if account else None)
    except _DAMAGED:
        return None


def _free_folder(filename: str) -> Path:
    _place().mkdir(parents=True, exist_ok=True)
    stem = filename.split(".")[0].lower()
    slug = re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:40] or "ratings"
    folder, number = _place() / slug, 2
    while folder.exists():
        folder, number = _place() / f"{slug}-{number}", number + 1
    return folder
