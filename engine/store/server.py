"""What is special about a store on a PostgreSQL server: connections that notice a lost network, and one daemon for all machines."""

from __future__ import annotations

import logging
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

_CONNECTION = {
    "application_name": "encore",
    "connect_timeout": "5",
    # A server whose machine is gone answers nothing at all: seconds until that is noticed, where TCP alone takes a quarter of an hour.
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
"""Parameters of libpq that hold where the URL does not give them."""

_SESSION = "SET lock_timeout = '15s'; SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '60s'"
"""No transaction waits for ever, and one whose client has gone silent keeps nobody else waiting."""

_NOTICE_THE_DEAD = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"
"""Lets the server free in seconds what a machine had that is gone."""

_LOCK = "hashtext('encore_daemon'), hashtext(current_schema())"
_log = logging.getLogger("encore.store")


def server_engine(url: sa.URL, **options: Any) -> sa.Engine:
    """An engine for a database on a server; no connection is made yet."""
    given = {name: value for name, value in _CONNECTION.items() if name not in url.query}
    engine = sa.create_engine(url, connect_args=given, pool_pre_ping=True, **options)
    sa.event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: Any, _record: Any) -> None:
    connection.autocommit = True  # or the settings would go with the first transaction that is rolled back
    connection.execute(_SESSION)
    connection.autocommit = False


class Office:
    """The right to serve a database, of which there is one, however many machines have daemons for it.

    The server keeps it for as long as the connection lasts that took it, so it is free as soon as its holder dies. A SQLite
    database has none: its daemons have a file lock.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._connection: sa.Connection | None = None
        self._taken = False

    def held(self) -> bool:
        """Take the office or make sure that it is still ours; False while another has it or the server does not answer."""
        if self._engine.dialect.name != "postgresql":
            return True
        try:
            if self._connection is None:
                self._taken = False
                self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                self._connection.exec_driver_sql(_NOTICE_THE_DEAD)
            asked = "SELECT true" if self._taken else f"SELECT pg_try_advisory_lock({_LOCK})"
            self._taken = bool(self._connection.exec_driver_sql(asked).scalar())
            return self._taken
        except DBAPIError as error:
            _log.warning("the database does not say who serves it: %s", error.orig)
            self.leave()
            return False

    def leave(self) -> None:
        """Give the office up."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()  # closed, not kept for others: with the connection the lock goes
            connection.close()
