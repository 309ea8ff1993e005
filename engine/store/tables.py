"""The tables of the run store."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Double, ForeignKey, Index, Integer, MetaData, String, Table, Text, false

VERSION = 2
metadata = MetaData()

versions = Table("encore_schema", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

runs = Table(
    "runs",
    metadata,
    # The order of creation is a number, not a time: clocks jump.
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(12), nullable=False, unique=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("want", String(16), nullable=False, default="run"),
    Column("config", JSON, nullable=False),
    Column("queue", String(16), nullable=False),
    Column("error", Text),
    Column("created", Double, nullable=False),
    Column("started", Double),
    Column("finished", Double),
    Column("heartbeat", Double),
    Column("epoch", Integer, nullable=False, default=0),
    Column("epochs", Integer, nullable=False, default=0),
    Column("step", Integer, nullable=False, default=0),
    Column("attempts", Integer, nullable=False, default=0),
    Column("strikes", Integer, nullable=False, default=0),
    # The epoch that was reached when the run's process was last lost: strikes count losses without progress since.
    Column("mark", Integer, nullable=False, default=0),
    Column("device", String(64)),
    Column("watch_user", String(255)),
    Column("facts", JSON(none_as_null=True)),
    Column("summary", JSON(none_as_null=True)),
    Column("host", String(255)),
    Column("pid", Integer),
    Column("process_started", String(64)),
    Column("note", Text, nullable=False, default=""),
    # What people write on a run. The database fills them in where an older Encore, still running, inserts a run.
    Column("starred", Boolean, nullable=False, server_default=false()),
    Column("tags", JSON, nullable=False, server_default="[]"),
    Column("remark", Text, nullable=False, server_default=""),
    Index("runs_state", "state", "number"),
)


def _of_run() -> Column[str]:
    return Column("run_id", String(12), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)


metrics = Table(
    "metrics",
    metadata,
    _of_run(),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("name", String(128), primary_key=True),
    # NULL is NaN: SQLite keeps no NaN, and PostgreSQL's sorts unlike everybody else's.
    Column("value", Double),
    Column("epoch", Double, nullable=False),
    Column("seconds", Double, nullable=False),
)

lists = Table(
    "lists",
    metadata,
    _of_run(),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("model", String(64), primary_key=True),
    Column("user_id", String(255), primary_key=True),
    Column("items", JSON, nullable=False),
)

logs = Table(
    "logs",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String(12), ForeignKey("runs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("time", Double, nullable=False),
    Column("text", Text, nullable=False),
)

ADDED = {2: (runs.c.starred, runs.c.tags, runs.c.remark)}
"""Columns that came with a version of the schema; a database of an older one gets them, with their server defaults."""
