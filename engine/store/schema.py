"""The schema of the store's database: made where there is none, brought up where an older Encore made it.

Its version is a number in the table `encore_schema`, as it was before Alembic came: so an older Encore refuses what it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from engine.store.migrations import VERSION, step
from engine.store.tables import metadata, versions


def found_version(engine: sa.Engine) -> int | None:
    """The version of the database's schema; None where there is none."""
    with engine.begin() as connection:
        return _version(connection)


def bring_up(engine: sa.Engine) -> int:
    """Make the schema or bring it up to ours, and tell the version that it then has.

    Of several processes that do so at once, one does it and the others find it done; after a crash at any instant it is
    done wholly or not at all.
    """
    with engine.execution_options(writes=True).connect() as connection, _foreign_keys_asleep(connection), connection.begin():
        if connection.dialect.name == "postgresql":
            for patience in ("statement_timeout = 0", "lock_timeout = '5min'"):  # a large table takes its time
                connection.exec_driver_sql(f"SET LOCAL {patience}")
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('encore_schema'))")
        found = _version(connection)
        if found is None:
            metadata.create_all(connection)
        elif found < VERSION:
            climb(connection, found, VERSION)
        else:
            return found
        connection.execute(versions.insert().values(version=VERSION))
        return VERSION


def climb(connection: sa.Connection, start: int, end: int) -> None:
    """Take the steps from one version to another, in the connection's transaction."""
    # Not above: it takes half a second to import, and hardly any opening of a store needs it.
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext

    operations = Operations(MigrationContext.configure(connection))
    for version in range(start + 1, end + 1):
        step(version).upgrade(operations)


@contextmanager
def _foreign_keys_asleep(connection: sa.Connection) -> Iterator[None]:
    """Where a step rebuilds a table, SQLite would take its rows' going for their deletion, and delete all that belongs to them."""
    driver = connection.connection.dbapi_connection
    if driver is None or connection.dialect.name != "sqlite":
        yield
        return
    cursor = driver.cursor()
    cursor.execute("PRAGMA foreign_keys=OFF")  # heeded outside of transactions alone
    try:
        yield
    finally:
        cursor.execute("PRAGMA foreign_keys=ON")


def _version(connection: sa.Connection) -> int | None:
    if not sa.inspect(connection).has_table(versions.name):
        return None
    return connection.execute(sa.select(sa.func.max(versions.c.version))).scalar()
