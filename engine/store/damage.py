"""How it is told that a database is not what was written."""

from __future__ import annotations

import sqlite3

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError

from engine.errors import Damaged

UNREADABLE_SCHEMA = "its schema cannot be read"


def damage_in(error: DatabaseError, at_start: bool = False) -> str:
    """What is wrong with the database by an error that no further try can mend, in a few words; empty for any other error.

    Args:
        at_start: it is being opened, where a whole database makes no mistake of the language SQL.
    """
    if not isinstance(error.orig, sqlite3.Error):
        return ""
    code, reason = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF, " ".join(str(error.orig).split()).rstrip(".")
    found = code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, *([sqlite3.SQLITE_ERROR] if at_start else []))
    return reason if found or "no such table" in reason else ""


def damaged(url: str, reason: str) -> Damaged:
    """The error that names a damaged database, and the way on."""
    shown = sa.make_url(url).render_as_string(hide_password=True)
    return Damaged(
        f"The run store {shown} is damaged ({reason}): put a backup back by `python -m engine store restore BACKUP`, or move the database "
        "away to begin anew."
    )
