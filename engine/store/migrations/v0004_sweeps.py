"""Sweeps, and which of their trials a run is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import JSON, Column, Double, Integer, String, Text

if TYPE_CHECKING:
    from alembic.operations import Operations


def upgrade(op: Operations) -> None:
    op.create_table(
        "sweeps",
        Column("number", Integer, primary_key=True, autoincrement=True),
        Column("id", String(12), nullable=False, unique=True),
        Column("name", String(64), nullable=False, unique=True),
        Column("state", String(16), nullable=False),
        Column("config", JSON, nullable=False),
        Column("metric", String(64)),
        Column("error", Text),
        Column("created", Double, nullable=False),
        Column("finished", Double),
        Column("asked", Integer, nullable=False),
        Column("seconds", Double, nullable=False),
        Column("owner", String(64), nullable=False),
        Column("most", Integer),
    )
    op.add_column("runs", Column("sweep", String(12)))
    op.add_column("runs", Column("trial", Integer))
    op.add_column("runs", Column("repeat", Integer))
    op.create_index("runs_sweep", "runs", ["sweep", "trial", "repeat"], unique=True)
