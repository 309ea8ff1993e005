"""Whether a database is what it was: its own check of itself, its schema, and that its rows can be read."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from dataclasses import fields
from pathlib import Path

import sqlalchemy as sa

from engine.store import tables
from engine.store.damage import UNREADABLE_SCHEMA, damage_in, damaged
from engine.store.rows import run_of, usable
from engine.store.states import Run
from engine.store.store import RunStore

AT_START = 1.0
"""Seconds that the check at the start of the app may take; a database that needs more is checked in part."""
THOROUGH_BELOW = 32 * 2**20
"""Bytes of a database whose indexes, too, are compared with its tables at the start."""
_STORED_AS = {int: ("integer", "null"), bool: ("integer", "null"), float: ("real", "integer", "null")}
"""Kind of a column's values → what SQLite calls them; all others are texts."""
_NOTHING_SAID = (sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
"""Ends of the check that say nothing of the database: its time is over, or somebody else holds it."""
_TURNS = 10_000
"""SQLite's own steps between two looks at the clock."""


def opened(url: str, artifacts: Path, seconds: float = AT_START) -> RunStore:
    """A run store that was looked at: for whoever starts the app, the daemon or a command.

    Args:
        seconds: that the look may take.

    Raises:
        Damaged: the database is not whole; the sentence names the command that puts a backup back.
        InputError: as `RunStore`.
    """
    store = RunStore(url, artifacts)
    if found := faults(store, seconds):
        store.close()
        raise damaged(store.url, found[0])
    return store


def faults(store: RunStore, seconds: float | None = None) -> list[str]:
    """What is wrong with a store's database, each in a few words; nothing where it is whole.

    Args:
        seconds: that it may take; without a limit everything is looked at, and every row is read.
    """
    try:
        found = [*_of_file(store, seconds), *_of_schema(store)]
        return found if found or seconds is not None else _of_rows(store)
    except sa.exc.DatabaseError as error:
        if told := damage_in(error, at_start=True):
            return [told]
        raise  # it is busy or cannot be reached, which says nothing of what it holds


def _of_file(store: RunStore, seconds: float | None) -> list[str]:
    file = store.file
    if file is None:
        return []  # PostgreSQL looks after its own
    whole = seconds is None or file.stat().st_size < THOROUGH_BELOW
    until = None if seconds is None else time.monotonic() + seconds
    with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        if until is not None:
            connection.set_progress_handler(lambda: time.monotonic() > until, _TURNS)
        try:
            rows = connection.execute(f"PRAGMA {'integrity_check' if whole else 'quick_check'}(10)").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode in _NOTHING_SAID:
                return []
            return [str(error)]
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            return [str(error) if isinstance(error, sqlite3.DatabaseError) else UNREADABLE_SCHEMA]
    return [_brief(str(text)) for (text,) in rows if text != "ok"]


def _of_schema(store: RunStore) -> list[str]:
    with store.reading() as connection:
        seen = sa.inspect(connection)
        there = {name: {column["name"] for column in seen.get_columns(name)} for name in seen.get_table_names()}
    missing = [f"its table {table.name} is missing" for table in tables.metadata.sorted_tables if table.name not in there]
    for table in tables.metadata.sorted_tables:
        lacking = [column.name for column in table.columns if column.name not in there.get(table.name, {column.name})]
        missing += [f"its table {table.name} has no column {name}" for name in lacking]
    return missing


def _of_rows(store: RunStore) -> list[str]:
    columns = [tables.runs.c[field.name] for field in fields(Run)]
    with store.reading() as connection:
        runs = [run_of(row) for row in connection.execute(sa.select(*columns))]
        strays = sum(
            connection.execute(sa.select(sa.func.count()).where(table.c.run_id.not_in(sa.select(tables.runs.c.id)))).scalar_one()
            for table in (tables.metrics, tables.lists, tables.logs)
        )
        kinds = _of_kinds(connection)
    found = [f"run {run.name}: {run.error}" for run in runs if (run.error or "").startswith("The database's row")]
    nameless = sum(not usable(run) for run in runs)
    found += [f"{nameless} of {len(runs)} runs have an id that is none"] if nameless else []
    return found + ([f"{strays} rows belong to no run"] if strays else []) + kinds


def _of_kinds(connection: sa.Connection) -> list[str]:
    """Values that are not of their column's kind, which SQLite holds all the same; those of which a run is made are told with it."""
    if connection.dialect.name != "sqlite":
        return []
    of_runs, found = {field.name for field in fields(Run)}, []
    for table in tables.metadata.sorted_tables:
        for column in table.columns:
            if table is tables.runs and column.name in of_runs:
                continue
            kind = sa.func.typeof(column)
            wrong: sa.ColumnElement[bool] = kind.not_in(_STORED_AS.get(column.type.python_type, ("text", "null")))
            if isinstance(column.type, sa.JSON):
                wrong |= (kind == "text") & (sa.func.json_valid(column) == 0)
            if number := connection.execute(sa.select(sa.func.count()).select_from(table).where(wrong)).scalar_one():
                found.append(f"{column.name} of {number} of its {table.name} is of another kind")
    return found


def _brief(text: str) -> str:
    """The first of SQLite's findings, without the line that only introduces them."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("***")]
    return (lines or [text.strip()])[0].rstrip(".")
