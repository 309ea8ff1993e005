"""Rows of the database as runs. SQLite does not hold values to their columns' types, and bits flip: what is no value is told, not met.

A run whose row is damaged is shown as such, and takes no other run with it.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import sqlalchemy as sa

from engine.store import artifacts
from engine.store.database import LAST_MOMENT
from engine.store.states import STATES, Run

NO_CONFIG: dict[str, Any] = {"damaged": {}}
"""Stands for a configuration that cannot be read; nobody takes it for one, as an empty one would be for the defaults."""
_TEXTS = ("name", "queue", "note", "remark", "want", "state")
_KINDS: dict[str, tuple[tuple[type, ...], Any]] = {
    **dict.fromkeys(_TEXTS, ((str,), "")),
    **dict.fromkeys(("error", "device", "watch_user", "host", "process_started"), ((str, type(None)), None)),
    **dict.fromkeys(("epoch", "epochs", "step", "attempts", "strikes"), ((int,), 0)),
    **dict.fromkeys(("started", "finished", "heartbeat"), ((float, int, type(None)), None)),
    **dict.fromkeys(("facts", "summary"), ((dict, type(None)), None)),
    "pid": ((int, type(None)), None),
    "created": ((float, int), 0.0),
    "config": ((dict,), NO_CONFIG),
    "tags": ((list,), []),
}
"""Column → the types of its values, and what stands for a damaged one."""
_TIMES = ("created", "started", "finished", "heartbeat")
_SIZES = {"users", "items", "train", "validation", "test"}
_FIELDS = [field.name for field in fields(Run)]


def run_of(row: Any) -> Run:
    """The run of a row; of a damaged one with harmless values, and with a sentence as its error."""
    run = Run(*row[: len(_FIELDS)])
    wrong = {name: harmless for name, (kinds, harmless) in _KINDS.items() if not isinstance(getattr(run, name), kinds)}
    if "tags" not in wrong and not all(isinstance(tag, str) for tag in run.tags):
        wrong["tags"] = []
    wrong |= {name: _KINDS[name][1] for name in _TIMES if name not in wrong and not is_time(getattr(run, name) or 0)}
    if "facts" not in wrong and not _has_sizes(run.facts or {}):
        wrong["facts"] = None
    if run.state not in STATES:
        wrong["state"] = "failed"
    if not wrong:
        return run
    if "name" in wrong:
        wrong["name"] = run.id
    told = f"The database's row of this run is damaged ({', '.join(sorted(wrong))})"
    remedy = "put a backup back by `python -m engine store restore BACKUP`, or delete the run"
    return replace(run, **{**wrong, "error": f"{told}: {remedy}."})


def sound(connection: sa.Connection, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """A column of JSON for a query that looks into it, with nothing in place of a damaged value, at which SQLite refuses the query."""
    return sa.case((sa.func.json_valid(column), column)) if connection.dialect.name == "sqlite" else column


def is_time(moment: float) -> bool:
    """Whether clocks and calendars know such a moment, in seconds since 1970."""
    return 0 <= moment < LAST_MOMENT


def _has_sizes(facts: dict[str, Any]) -> bool:
    sizes = facts.get("sizes")
    return sizes is None or (isinstance(sizes, dict) and sizes.keys() >= _SIZES and all(isinstance(size, int) for size in sizes.values()))


def usable(run: Run) -> bool:
    """Whether a run can be named at all; the row of one whose id is damaged is left out of every list."""
    return isinstance(run.id, str) and artifacts.is_id(run.id)
