"""How the store talks to its database: SQLite in WAL or PostgreSQL, one short transaction at a time, with retries."""

from __future__ import annotations

import json
import logging
import math
import os
import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DatabaseError, OperationalError

from engine.errors import InputError
from engine.files import no_room
from engine.store.damage import UNREADABLE_SCHEMA, damage_in, damaged
from engine.store.migrations import VERSION
from engine.store.reserve import Reserve
from engine.store.schema import bring_up, found_version
from engine.store.server import Office, server_engine
from engine.store.urls import absolute, database_file
from engine.store.words import storable

BUSY_SECONDS = 15.0
"""How long a statement waits for another process to end its write."""

RETRIES = (0.1, 0.5, 2.0)
"""Pauses in seconds between tries of a transaction that failed for a reason that may pass; the last one goes on for the patient."""

RETRIES_OF_FULL = 2
"""So many of them where the disk is full: that passes seldom by itself."""

LAST_MOMENT = 253_402_300_800.0
"""The end of the year 9999, in seconds since 1970: calendars know no later moment."""

_log = logging.getLogger("encore.store")
_T = TypeVar("_T")
_Begin = Callable[[], AbstractContextManager[sa.Connection]]


class Database:
    """Transactions on one database, from any thread, and from any process, forked ones included.

    Args:
        url: an SQLAlchemy URL.
        patience: seconds for which a database that does not answer is asked again; in any case as long as `RETRIES` are.
        create: make a database that is not there, and bring an older one up. Without, it is known to be there: one that has vanished
            is waited for, and must not be replaced by an empty one.

    Raises:
        InputError: the URL is no store's, cannot be opened, or a newer Encore wrote it.
    """

    def __init__(self, url: str, *, patience: float = 0.0, create: bool = True) -> None:
        self.url, self.patience = absolute(url), patience
        # One engine per process: a connection must not be used after a fork, nor even be closed in the child.
        self._engines: dict[int, sa.Engine] = {}
        self.reserve = Reserve(self.file) if self.file else None
        if not create:
            return
        if self.file:
            _made(self.file)
        try:
            migrate(self._engine)
        except BaseException:
            self.close()  # who puts a backup back must not find the file in use
            raise
        self.keep_reserve()

    def keep_reserve(self) -> None:
        """See that there is room to write how a run ended, even when the disk is full."""
        if self.reserve:
            self.reserve.keep()

    def close(self) -> None:
        """Close this process's connections; new ones are opened when they are needed again."""
        engine = self._engines.pop(os.getpid(), None)
        if engine is not None:
            engine.dispose()

    def office(self) -> Office:
        """The right to serve the database, which the caller then has to take."""
        return Office(self._engine)

    @property
    def file(self) -> Path | None:
        """The database's file; None where it is a server's."""
        return database_file(self.url)

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """A connection for one transaction that only reads, tried once."""
        return self._engine.begin()

    def _read(self, work: Callable[[sa.Connection], _T]) -> _T:
        """Do `work` in a transaction that only reads."""
        return self._try(work, self._engine.begin)

    def _write(self, work: Callable[[sa.Connection], _T], *, last: bool = False) -> _T:
        """Do `work` in a transaction that may write; what it reads stays true until its end.

        Args:
            last: it ends a run: where the disk is full, the reserve is given up for it.
        """
        return self._try(work, self._engine.execution_options(writes=True).begin, last)

    def _upsert(self, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
        """Insert rows; one whose primary key is there replaces it. No key may come twice in `rows`."""
        insert: Any = (postgresql if self._engine.dialect.name == "postgresql" else sqlite).insert(table)
        keys = [column.name for column in table.primary_key]
        new = {column.name: insert.excluded[column.name] for column in table.columns if column.name not in keys}
        statement = insert.on_conflict_do_update(index_elements=keys, set_=new)
        self._write(lambda connection: connection.execute(statement, rows))

    @property
    def _engine(self) -> sa.Engine:
        engine = self._engines.get(os.getpid())
        if engine is None:
            engine = self._engines.setdefault(os.getpid(), connect(self.url))
        return engine

    def _try(
        self, work: Callable[[sa.Connection], _T], begin: Callable[[], AbstractContextManager[sa.Connection]], last: bool = False
    ) -> _T:
        since = time.monotonic()
        for tries in count():
            try:
                with begin() as connection:
                    return work(connection)
            except UnicodeDecodeError as error:  # what SQLite would say quotes a damaged schema
                raise damaged(self.url, UNREADABLE_SCHEMA) from error
            except DatabaseError as error:
                if reason := damage_in(error):
                    raise damaged(self.url, reason) from error
                if not isinstance(error, OperationalError):
                    raise
                self._wait(error, tries, since, last)
        raise AssertionError("tries are endless")

    def _wait(self, error: OperationalError, tries: int, since: float, last: bool) -> None:
        """Pause before the next try: locked, connection lost, disk full may pass. Raises the error when it was tried enough."""
        full = no_room(error)
        if full and last and self.reserve:
            self.reserve.give_up()
        pause = RETRIES[min(tries, len(RETRIES) - 1)] if RETRIES else 0.0
        most = RETRIES_OF_FULL if full else len(RETRIES)
        if tries >= most and (full or time.monotonic() - since + pause > self.patience):
            raise error
        _log.info("the database answered %s; again in %.1f s", error.orig, pause)
        time.sleep(pause)


def why_away(error: OperationalError) -> str:
    """A sentence for people who want something of a database that does not answer."""
    if no_room(error):
        return "The disk is full, so that the run store takes nothing: make room, then try again."
    reason = " ".join(str(error.orig).split()).rstrip(".?")
    return f"The run store does not answer ({reason}): runs wait for it and go on by themselves; try again in a moment."


def connect(url: str) -> sa.Engine:
    """An engine for an absolute URL; no connection is made yet, and no database that is not there.

    Transactions under the execution option `writes` take SQLite's write lock at once, so that what they read
    cannot be outdated when they write; all others only read.
    """
    parsed = sa.make_url(url)
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise InputError(f"A run store lives in SQLite or PostgreSQL, not in '{backend}'.")
    if backend == "postgresql" and parsed.get_driver_name() != "psycopg":
        raise InputError(f"A run store on PostgreSQL is reached by psycopg: write postgresql+psycopg://…, not '{parsed.drivername}'.")
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise InputError("A run store needs a database file, for pages, daemon and runs are different processes.")
    options: dict[str, Any] = {"json_serializer": to_json, "json_deserializer": from_json}
    try:
        if backend == "postgresql":
            return server_engine(parsed, **options)
        file = Path(parsed.database or "")

        def opened() -> sqlite3.Connection:
            # A database that vanishes while it is used comes back, or is missed: an empty one in its place would be taken for it.
            return sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, check_same_thread=False)

        engine = sa.create_engine(parsed, creator=opened, **options)
    except ModuleNotFoundError as error:
        raise InputError(f"The store's URL needs the Python package '{error.name}', which is not installed.") from error
    sa.event.listen(engine, "connect", _prepare)
    sa.event.listen(engine, "begin", _begin)
    return engine


def _made(file: Path) -> None:
    """See that an SQLite database is there; an empty file is an empty one."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.touch()
    except OSError as error:
        raise InputError(f"The run store {file} cannot be made: {error.strerror}.") from error


def migrate(engine: sa.Engine) -> None:
    """Make the schema if there is none, and bring that of an older Encore up.

    Raises:
        InputError: a newer Encore wrote the database, or it cannot be opened.
    """
    try:
        found = found_version(engine)
        if found is None or found < VERSION:
            found = bring_up(engine)
    except UnicodeDecodeError as error:  # what SQLite would say quotes a damaged schema
        raise damaged(engine.url.render_as_string(hide_password=False), UNREADABLE_SCHEMA) from error
    except DatabaseError as error:
        if wrong := damage_in(error, at_start=True):
            raise damaged(engine.url.render_as_string(hide_password=False), wrong) from error
        reason = " ".join(str(error.orig).split()).rstrip(".?")
        raise InputError(f"The run store {engine.url!r} cannot be opened: {reason}.") from error
    if found > VERSION:
        raise InputError(
            f"The run store {engine.url!r} was written by a newer Encore (its schema is {found}, this one knows {VERSION}): "
            "update Encore, let ENCORE_STORE name another store, or put a backup back by `python -m engine store restore BACKUP`."
        )


def to_json(value: Any) -> str:
    """JSON that any database takes: NaN and infinities become null, numpy numbers become numbers."""
    return json.dumps(_plain(value), allow_nan=False, ensure_ascii=False)


class _Unreadable:
    """Stands for a JSON value that cannot be read; nobody takes it for one."""


UNREADABLE = _Unreadable()


def from_json(text: Any) -> Any:
    """What a database keeps as JSON. A damaged value is UNREADABLE: it must not keep anybody from the rows beside it."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return UNREADABLE


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {storable(str(key)): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if not isinstance(value, (str, int, float, bool, type(None))):
        value = value.item() if hasattr(value, "item") else str(value)
    if isinstance(value, str):
        return storable(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _prepare(connection: Any, _record: Any) -> None:
    # Transactions are begun by `_begin`; Python's driver would begin them too late, and never for a read.
    connection.isolation_level = None
    # A damaged letter must not keep anybody from the rows beside it.
    connection.text_factory = lambda content: content.decode("utf-8", "replace")
    for attempt in range(20):
        try:
            # Going over to WAL is the one statement that does not wait for the busy timeout.
            connection.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError:
            if attempt == 19:
                raise
            time.sleep(random.SystemRandom().uniform(0.02, 0.1))
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")
