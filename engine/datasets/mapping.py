"""Which column of a table holds users, items, ratings and times."""

from __future__ import annotations

import re

from engine.datasets.faults import shown
from engine.datasets.formats import Table
from engine.datasets.reading import ROLES, Reading
from engine.errors import InputError

# Compared with lower-cased column names without punctuation; the earlier name wins.
USUAL_NAMES = {
    "user": "userid user uid reviewerid reviewer customerid customer memberid member viewerid viewer personid person visitorid",
    "item": "movieid itemid item movie asin parentasin productid product bookid book isbn filmid film trackid songid artistid gameid iid",
    "rating": "rating ratings score stars star overall bookrating userrating ratingvalue value",
    "timestamp": "timestamp time datetime date unixreviewtime reviewtime ratedat createdat ts",
}
_LISTED = 12
_NUMBER = re.compile(r"[+-]?(\d[\d.,]*|[.,]\d+)([eE][+-]?\d+)?|nan|inf", re.IGNORECASE | re.ASCII)


def names(first: list[str], reading: Reading) -> list[str] | None:
    """The columns' names of a file without header, from its first row; None where this row is one."""
    mapped = {getattr(reading, role) for role in ROLES} & set(first)
    usual = any(_plain(value) in USUAL_NAMES[role].split() for value in first for role in ROLES)
    # Of two columns, either may have a number for a name.
    numeric = (all if len(first) == 2 else any)(_NUMBER.fullmatch(value) for value in first)
    if reading.header == "yes" or (reading.header == "auto" and (mapped or usual or not numeric)):
        return None
    return list(ROLES[: len(first)]) if len(first) <= len(ROLES) else [f"column {number}" for number in range(1, len(first) + 1)]


def guess(columns: list[str], role: str, chosen: str | None) -> str | None:
    """The column of a role: the chosen one if it exists, else the first with a usual name, else None."""
    if chosen is not None:
        return chosen if chosen in columns else None
    plain = {_plain(name): name for name in reversed(columns)}
    return next((plain[usual] for usual in USUAL_NAMES[role].split() if usual in plain), None)


def mapping(file: Table, reading: Reading) -> dict[str, str]:
    """Role → column, of the roles that are to be read.

    Raises:
        InputError: a column is missing, or stands for two roles.
    """
    found: dict[str, str] = {}
    listed = ", ".join(shown(name) for name in file.columns[:_LISTED]) + (" …" if len(file.columns) > _LISTED else "")
    for role in ROLES:
        chosen = getattr(reading, role)
        if chosen == "" or (role == "rating" and reading.implicit):
            continue
        column = guess(file.columns, role, chosen)
        if column is not None:
            if column in found.values():
                raise InputError(f"The column '{shown(column)}' of {file.name} stands for two things; name another one as dataset.{role}.")
            found[role] = column
        elif chosen is not None:
            raise InputError(f"{file.name} has no column '{shown(chosen)}' for the {role}; its columns are: {listed}.")
        elif role != "timestamp":
            remedy = f"name it as dataset.{role}"
            if role == "rating":
                remedy += ", or set dataset.implicit to take each row as a rating of 1"
            raise InputError(f"{file.name} has no {role} column that could be recognised (its columns are: {listed}); {remedy}.")
    return found


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
