"""What people mark and write on a run: a star, tags, a note."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import JSON, Boolean, Column, Text, false

if TYPE_CHECKING:
    from alembic.operations import Operations


def upgrade(op: Operations) -> None:
    op.add_column("runs", Column("starred", Boolean, nullable=False, server_default=false()))
    op.add_column("runs", Column("tags", JSON, nullable=False, server_default="[]"))
    op.add_column("runs", Column("remark", Text, nullable=False, server_default=""))
