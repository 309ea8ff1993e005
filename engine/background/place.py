"""The daemon's files for one store, and what it says of itself in one of them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import sqlalchemy as sa

from engine import processes
from engine.errors import InputError
from engine.files import drafts
from engine.settings import Settings
from engine.store.urls import absolute, database_file

LOG_BYTES = 2_000_000
CODE = Path(__file__).resolve().parents[1]
"""The folder of the engine's code."""


@dataclass(frozen=True)
class Place:
    """Where the daemon's files lie: beside the database, for whoever opens that is to find the same daemon, whatever his home.

    Attributes:
        home: of the settings; the log lies there.
        folder: of all other files; the home, where the database is a server's.
        key: digest of the store's URL, which the files bear.
    """

    home: Path
    folder: Path
    key: str

    @property
    def lock(self) -> Path:
        """Held by the daemon that serves the store."""
        return self.folder / f"daemon-{self.key}.lock"

    @property
    def launch(self) -> Path:
        """Held for a moment by who starts a daemon."""
        return self.folder / f"daemon-{self.key}.launch"

    @property
    def status(self) -> Path:
        """Who serves the store, see `Standing`."""
        return self.folder / f"daemon-{self.key}.json"

    @property
    def log(self) -> Path:
        """What the daemon and its runs print."""
        return self.home / "daemon.log"


@dataclass(frozen=True)
class Standing:
    """What a daemon says of itself.

    Attributes:
        process: its own.
        ready: whether torch is loaded, so that a run starts at once.
        wakes: whether it looks at the queue at once when it gets SIGUSR1.
        busy: whether a run waits or runs.
        code: the version of its code, as `code_version` counts.
        slots: what runs can run on, such as "cpu/1".
        artifacts: the folder that its runs write to.
        executor: where runs are trained, as `Settings.executor`.
        trouble: one sentence that says why it can start no runs, or "".
    """

    process: processes.Identity
    ready: bool = False
    wakes: bool = False
    busy: bool = True
    code: int | None = None
    slots: tuple[str, ...] = ()
    artifacts: str = ""
    executor: str = "local"
    trouble: str = ""


def place(where: Settings) -> Place:
    """The files of the daemon that serves these settings' store; the home folder is made."""
    home = where.home.absolute()
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {home} cannot be made: {error.strerror}. Let ENCORE_HOME name another.") from error
    url, folder = absolute(where.store_url), home
    file = database_file(url)
    if file is not None:
        file = file.resolve()  # two names of one file are one store
        folder, url = file.parent, sa.make_url(url).set(database=str(file)).render_as_string(hide_password=False)
    return Place(home, folder, hashlib.sha256(url.encode()).hexdigest()[:8])


def standing(files: Place) -> Standing | None:
    """What a living daemon said of itself last, or None."""
    try:
        told = json.loads(files.status.read_text())
        told["process"] = processes.Identity(*told["process"])
        told["slots"] = tuple(told.get("slots", ()))
        known = {field.name for field in fields(Standing)}
        found = Standing(**{name: value for name, value in told.items() if name in known})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if processes.alive(found.process) else None


def announce(files: Place, said: Standing) -> None:
    """Say who serves the store. Raises OSError where the disk is full."""
    temporary = files.status.with_suffix(f".{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_text(json.dumps(asdict(said)))
        temporary.replace(files.status)
    finally:
        temporary.unlink(missing_ok=True)


def retract(files: Place) -> None:
    """Say no longer that this process serves; another's word stays."""
    said = standing(files)
    if said is not None and said.process == processes.current():
        files.status.unlink(missing_ok=True)


def tidy(files: Place) -> None:
    """Remove what announcements left that were killed while they were written."""
    for left in [*files.folder.glob(f"{files.status.stem}.*.tmp"), *drafts(files.folder, "*.reserve")]:
        left.unlink(missing_ok=True)


def bound(log: Path) -> None:
    """Keep a log from growing for ever: the old half goes to a second file. Writers append, so they go on at the new end."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LOG_BYTES:
            log.with_suffix(".old.log").write_bytes(log.read_bytes())
            os.truncate(log, 0)


def code_version() -> int:
    """A number that grows when the engine's code changes; 0 where there is none any more."""
    times = [0]
    for file in CODE.rglob("*.py"):
        with contextlib.suppress(OSError):
            times.append(file.stat().st_mtime_ns)
    return max(times)
