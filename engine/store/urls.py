"""The URLs of databases."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from engine.errors import InputError


def absolute(url: str) -> str:
    """The same database under a URL that does not depend on the working folder.

    Raises:
        InputError: the URL is none.
    """
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):  # the latter of a port; neither it nor the URL is shown: a password may stand anywhere in them
        raise InputError("ENCORE_STORE is no database URL; write for example sqlite:////home/me/encore.db.") from None
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "sqlite" and parsed.database and parsed.database != ":memory:":
        parsed = parsed.set(database=str(Path(parsed.database).expanduser().absolute()))
    return parsed.render_as_string(hide_password=False)


def database_file(url: str) -> Path | None:
    """The file of an SQLite database under an absolute URL; None where it is a server's."""
    parsed = sa.make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:") else None
