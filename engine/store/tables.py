"""The tables of the run store as they are now; `engine.store.migrations` leads older ones here and says how to change one."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Double, ForeignKey, Index, Integer, MetaData, Table, false

from engine.store.words import String, Text

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
    # Whose it is in the queue, what it runs on, and its turn: see `engine.store.line`.
    Column("owner", String(64), nullable=False, server_default=""),
    Column("slot", String(32)),
    Column("place", Double),
    Column("served", Integer),
    # Of a run that belongs to a sweep: which of its trials it is, and which repetition of that trial.
    Column("sweep", String(12)),
    Column("trial", Integer),
    Column("repeat", Integer),
    Index("runs_state", "state", "number"),
    # Nobody can ask for a trial twice, whatever died in between.
    Index("runs_sweep", "sweep", "trial", "repeat", unique=True),
)

sweeps = Table(
    "sweeps",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(12), nullable=False, unique=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("config", JSON, nullable=False),
    # NULL until the first run tells it.
    Column("metric", String(64)),
    Column("error", Text),
    Column("created", Double, nullable=False),
    Column("finished", Double),
    # Trials are numbered in the order of asking; this many were asked for.
    Column("asked", Integer, nullable=False, default=0),
    # How long it has been led, counted by a clock that does not jump.
    Column("seconds", Double, nullable=False, default=0.0),
    # Whose its runs are in the queue, and how many of his may wait or run.
    Column("owner", String(64), nullable=False, default=""),
    Column("most", Integer),
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
