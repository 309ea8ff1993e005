"""The line of runs that wait: whose each is, what it runs on, and its turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Column, Double, Integer, String

if TYPE_CHECKING:
    from alembic.operations import Operations


def upgrade(op: Operations) -> None:
    op.add_column("runs", Column("owner", String(64), nullable=False, server_default=""))
    op.add_column("runs", Column("slot", String(32)))
    op.add_column("runs", Column("place", Double))
    op.add_column("runs", Column("served", Integer))
