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
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError
from sqlalchemy.schema import CreateColumn

from engine.errors import InputError
from engine.store.tables import ADDED, VERSION, metadata, versions

BUSY_SECONDS = 15.0
"""How long a statement waits for another process to end its write."""

RETRIES = (0.1, 0.5, 2.0)
"""Pauses in seconds between tries of a transaction that failed for a reason that may pass."""

_log = logging.getLogger("encore.store")
_T = TypeVar("_T")


class Database:
    """Transactions on one database, from any thread, and from any process, forked ones included.

    Args:
        url: an SQLAlchemy URL.

    Raises:
        InputError: the URL is no store's, cannot be opened, or a newer Encore wrote it.
    """

    def __init__(self, url: str) -> None:
        self.url = absolute(url)
        # One engine per process: a connection must not be used after a fork, nor even be closed in the child.
        self._engines: dict[int, sa.Engine] = {}
        migrate(self._engine)

    def close(self) -> None:
        """Close this process's connections; new ones are opened when they are needed again."""
        engine = self._engines.pop(os.getpid(), None)
        if engine is not None:
            engine.dispose()

    def _read(self, work: Callable[[sa.Connection], _T]) -> _T:
        """Do `work` in a transaction that only reads."""
        return self._try(work, self._engine.begin)

    def _write(self, work: Callable[[sa.Connection], _T]) -> _T:
        """Do `work` in a transaction that may write; what it reads stays true until its end."""
        return self._try(work, self._engine.execution_options(writes=True).begin)

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

    def _try(self, work: Callable[[sa.Connection], _T], begin: Callable[[], AbstractContextManager[sa.Connection]]) -> _T:
        for pause in RETRIES:
            try:
                with begin() as connection:
                    return work(connection)
            except OperationalError as error:  # locked, connection lost, disk full: may pass
                _log.info("the database answered %s; again in %.1f s", error.orig, pause)
                time.sleep(pause)
        with begin() as connection:
            return work(connection)


def absolute(url: str) -> str:
    """The same database under a URL that does not depend on the working folder.

    Raises:
        InputError: the URL is none.
    """
    try:
        parsed = sa.make_url(url)
    except ArgumentError as error:
        raise InputError(f"'{url}' is no database URL; write for example sqlite:////home/me/encore.db.") from error
    if parsed.get_backend_name() == "sqlite" and parsed.database and parsed.database != ":memory:":
        parsed = parsed.set(database=str(Path(parsed.database).expanduser().absolute()))
    return parsed.render_as_string(hide_password=False)


def connect(url: str) -> sa.Engine:
    """An engine for an absolute URL; no connection is made yet.

    Transactions under the execution option `writes` take SQLite's write lock at once, so that what they read
    cannot be outdated when they write; all others only read.
    """
    parsed = sa.make_url(url)
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise InputError(f"A run store lives in SQLite or PostgreSQL, not in '{backend}'.")
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise InputError("A run store needs a database file, for pages, daemon and runs are different processes.")
    options: dict[str, Any] = {"json_serializer": to_json, "json_deserializer": json.loads}
    try:
        if backend == "postgresql":
            return sa.create_engine(parsed, pool_pre_ping=True, **options)
        place = Path(parsed.database or "").parent
        place.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(parsed, connect_args={"timeout": BUSY_SECONDS}, **options)
    except ModuleNotFoundError as error:
        raise InputError(f"The store's URL needs the Python package '{error.name}', which is not installed.") from error
    except OSError as error:
        raise InputError(f"The folder {place} of the run store cannot be made: {error.strerror}.") from error
    sa.event.listen(engine, "connect", _prepare)
    sa.event.listen(engine, "begin", _begin)
    return engine


def migrate(engine: sa.Engine) -> None:
    """Create the tables if they are missing, and give those of an older Encore the columns that came since.

    Of several processes that open a database at once, one does so and the others find it done.

    Raises:
        InputError: a newer Encore wrote the database, or it cannot be opened.
    """
    try:
        with engine.begin() as connection:
            found = _version(connection)
        if found is None or found < VERSION:
            with engine.execution_options(writes=True).begin() as connection:
                found = _brought_up(connection)
    except DatabaseError as error:
        reason = " ".join(str(error.orig).split()).rstrip(".?")
        raise InputError(f"The run store {engine.url!r} cannot be opened: {reason}.") from error
    if found > VERSION:
        raise InputError(
            f"The run store {engine.url!r} was written by a newer Encore (its schema is {found}, this one knows {VERSION}): "
            "update Encore, or let ENCORE_STORE name another store."
        )


def _brought_up(connection: sa.Connection) -> int:
    """The schema's version after it was made or brought up to ours, in a transaction that holds the write lock."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('encore_schema'))")
    found = _version(connection)
    if found is not None and found >= VERSION:
        return found
    if found is None:
        metadata.create_all(connection)
    else:
        for column in (column for version, columns in ADDED.items() if version > found for column in columns):
            described = CreateColumn(column).compile(dialect=connection.dialect)
            connection.exec_driver_sql(f"ALTER TABLE {column.table.name} ADD COLUMN {described}")
    connection.execute(versions.insert().values(version=VERSION))
    return VERSION


def to_json(value: Any) -> str:
    """JSON that any database takes: NaN and infinities become null, numpy numbers become numbers."""
    return json.dumps(_plain(value), allow_nan=False, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if not isinstance(value, (str, int, float, bool, type(None))):
        value = value.item() if hasattr(value, "item") else str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _version(connection: sa.Connection) -> int | None:
    if not sa.inspect(connection).has_table(versions.name):
        return None
    return connection.execute(sa.select(sa.func.max(versions.c.version))).scalar()


def _prepare(connection: Any, _record: Any) -> None:
    # Transactions are begun by `_begin`; Python's driver would begin them too late, and never for a read.
    connection.isolation_level = None
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
