"""Steps from each version of the schema to the next, by Alembic's operations: one file each, in the order of their numbers.

To change the schema, describe it in `engine/store/tables.py`, which new databases are made from, and write one file here,
`v0004_what_changes.py`, with the next free number. The number stands nowhere else: whoever merges second renames his file.

    def upgrade(op: Operations) -> None:
        op.add_column("runs", Column("colour", String(16)))

A step repeats what it needs of tables.py as it was when the step was written, and never imports it. An older Encore that still
runs goes on inserting rows, so a new column is nullable or has a server default. What SQLite cannot alter in place goes through
`op.batch_alter_table`; foreign keys sleep meanwhile. tests/test_store_schema.py holds that the steps lead to tables.py.
"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

_STEP = re.compile(r"v(\d{4})_\w+\.py")


def numbered(folder: Path) -> dict[int, str]:
    """Names of the steps in a folder by the version that each leads to. Raises RuntimeError where one is missing or there twice."""
    found = sorted((int(fits[1]), file.stem) for file in folder.iterdir() if (fits := _STEP.fullmatch(file.name)))
    if [number for number, _ in found] != [*range(1, len(found) + 1)]:
        names = ", ".join(name for _, name in found)
        raise RuntimeError(f"migrations are numbered 1, 2, 3 … without gaps: rename one of {names}")
    return dict(found)


STEPS = numbered(Path(__file__).parent)
VERSION = len(STEPS)
"""The version of the schema that tables.py describes."""


def step(version: int) -> ModuleType:
    """The module whose `upgrade` leads to a version."""
    return import_module(f"{__name__}.{STEPS[version]}")
