"""Ratings files that a person handed in through the browser, kept as Parquet under a name of their own."""

from __future__ import annotations

import errno
import hashlib
import json
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from engine import disk, seals
from engine.datasets.faults import Account, shown
from engine.datasets.reading import GUESS_ALL, Reading
from engine.datasets.table import read_ratings
from engine.errors import InputError, unknown
from engine.files import replacing, sync
from engine.gathering import from_frame
from engine.interactions import Interactions
from engine.settings import Settings, settings

PREFIX = "upload:"
PARQUET, ABOUT = "ratings.parquet", "about.json"
_FORMER = {"name", "title", "n_users", "n_items", "n_ratings", "has_timestamps", "scale", "saved", "digest", "account", "implicit"}
"""What descriptions without a checksum hold, as former versions wrote them."""
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
        checksum: SHA-256 of the Parquet file; empty of one saved before that was kept.
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
    checksum: str = ""


def save_upload(filename: str, content: bytes, reading: Reading = GUESS_ALL) -> str:
    """Checks a ratings file and keeps it; the same content read in the same way again gives the same name.

    Args:
        filename: as the person's machine calls it; only its last part is used, for the name and in errors.

    Returns:
        A dataset name such as "upload:my-ratings".

    Raises:
        InputError: as `read_ratings`, or there is no room for it.
    """
    filename = shown(re.split(r"[/\\]", filename)[-1]) or "ratings"
    digest = hashlib.sha256(repr(reading).encode() + content).hexdigest()
    kept = next((upload for upload in uploads() if upload.digest == digest), None)
    if kept and _is_whole(_folder(kept.name), kept):
        return kept.name
    found = read_ratings(content, filename, reading)
    data, account = found.interactions()
    timed = data.timestamps is not None
    # Its folder tells its name, which is not known before it has one.
    about = Upload("", filename, data.n_users, data.n_items, data.n_ratings, timed, data.scale, time.time(), digest, account)
    try:
        _place().mkdir(parents=True, exist_ok=True)
        # Written beside and renamed, so that nobody ever lists half an upload.
        with tempfile.TemporaryDirectory(prefix=".draft-", dir=_place(), ignore_cleanup_errors=True) as place:
            draft = Path(place)
            _write(draft, about, found.frame)
            disk.require(disk.taken(draft), "This upload", written=disk.taken(draft))
            folder = _mend(_folder(kept.name), draft) if kept else _settle(draft, filename)
    except OSError as error:
        raise InputError(f"{filename} cannot be saved ({error.strerror or error}): make room on the disk, then save it again.") from error
    return PREFIX + folder.name


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
    upload, file = known[name], _folder(name) / PARQUET
    try:
        if upload.checksum and _checksum(file) != upload.checksum:
            raise ValueError("its checksum differs")
        frame = pd.read_parquet(file)
        data = from_frame(upload.title, frame, scale=upload.scale)
    except _DAMAGED as error:
        raise _damaged(name) from error
    return replace(data, left_out=upload.account.unusable if upload.account else 0)


def damaged_uploads(where: Settings) -> dict[str, InputError]:
    """Saved uploads that are not what was saved, by name."""
    found = {}
    for folder in _folders(where):
        about = _about(folder)
        if about is None or not _is_whole(folder, about):
            found[PREFIX + folder.name] = _damaged(PREFIX + folder.name)
    return found


def _place(where: Settings | None = None) -> Path:
    return (where or settings()).datasets / "uploads"


def _folders(where: Settings | None = None) -> Iterator[Path]:
    return (folder for folder in _place(where).glob("[!.]*") if not folder.is_symlink())


def _folder(name: str) -> Path:
    return _place() / name.removeprefix(PREFIX)


def _is_whole(folder: Path, about: Upload) -> bool:
    """Whether its ratings are those that were saved; where no checksum was kept, whether they can be read."""
    try:
        if not about.checksum:
            pd.read_parquet(folder / PARQUET)
        return not about.checksum or _checksum(folder / PARQUET) == about.checksum
    except _DAMAGED:
        return False


def _write(draft: Path, about: Upload, ratings: pd.DataFrame) -> None:
    """Both files, and waits until the disk has them."""
    with replacing(draft / PARQUET, durable=True) as file:
        ratings.to_parquet(file, index=False)
    about = replace(about, checksum=_checksum(draft / PARQUET))
    with replacing(draft / ABOUT, durable=True) as file:
        file.write_text(seals.sealed(json.dumps(asdict(about) | seals.EMPTY, indent=1)), encoding="utf-8")


def _mend(folder: Path, draft: Path) -> Path:
    """Puts what was saved anew in the place of what is damaged, under the name that runs know."""
    for name in (PARQUET, ABOUT):
        (draft / name).replace(folder / name)
    sync(folder)
    return folder


def _settle(draft: Path, filename: str) -> Path:
    """Gives a draft the first free name; where another upload takes that at this moment, the next one."""
    while True:
        folder = _free_folder(filename)
        try:
            draft.rename(folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            sync(folder.parent)
            return folder


def _checksum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _damaged(name: str) -> InputError:
    return InputError(f"What was kept of the upload '{name}' is damaged; upload its file again.")


def _about(folder: Path) -> Upload | None:
    """None where its description cannot be read."""
    try:
        text = (folder / ABOUT).read_text(encoding="utf-8")
        stored: dict[str, Any] = dict(json.loads(text))
        if not (seals.is_whole(text) or stored.keys() <= _FORMER):
            return None
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
    stem = filename.split(".")[0].lower()
    slug = re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:40] or "ratings"
    folder, number = _place() / slug, 2
    while folder.exists():
        folder, number = _place() / f"{slug}-{number}", number + 1
    return folder
