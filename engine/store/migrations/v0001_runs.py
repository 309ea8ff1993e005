"""Runs and what they write as they train."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import JSON, Column, Double, ForeignKey, Integer, String, Text

if TYPE_CHECKING:
    from alembic.operations import Operations


def upgrade(op: Operations) -> None:
    op.create_table(
        "runs",
        Column("number", Integer, primary_key=True, autoincrement=True),
        Column("id", String(12), nullable=False, unique=True),
        Column("name", String(64), nullable=False, unique=True),
        Column("state", String(16), nullable=False),
        Column("want", String(16), nullable=False),
        Column("config", JSON, nullable=False),
        Column("queue", String(16), nullable=False),
        Column("error", Text),
        Column("created", Double, nullable=False),
        *(Column(name, Double) for name in ("started", "finished", "heartbeat")),
        *(Column(name, Integer, nullable=False) for name in ("epoch", "epochs", "step", "attempts", "strikes", "mark")),
        Column("device", String(64)),
        Column("watch_user", String(255)),
        Column("facts", JSON),
        Column("summary", JSON),
        Column("host", String(255)),
        Column("pid", Integer),
        Column("process_started", String(64)),
        Column("note", Text, nullable=False),
    )
    op.create_index("runs_state", "runs", ["state", "number"])
    op.create_table(
        "metrics",
        _of_run(primary_key=True),
        Column("step", Integer, primary_key=True, autoincrement=False),
        Column("name", String(128), primary_key=True),
        Column("value", Double),
        Column("epoch", Double, nullable=False),
        Column("seconds", Double, nullable=False),
    )
    op.create_table(
        "lists",
        _of_run(primary_key=True),
        Column("epoch", Integer, primary_key=True, autoincrement=False),
        Column("model", String(64), primary_key=True),
        Column("user_id", String(255), primary_key=True),
        Column("items", JSON, nullable=False),
    )
    op.create_table(
        "logs",
        Column("number", Integer, primary_key=True, autoincrement=True),
        _of_run(index=True),
        Column("time", Double, nullable=False),
        Column("text", Text, nullable=False),
    )


def _of_run(*, primary_key: bool = False, index: bool = False) -> Column[str]:
    return Column("run_id", String(12), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=primary_key, index=index, nullable=False)
