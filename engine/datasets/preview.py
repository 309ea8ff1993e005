"""What is understood of a ratings file, to be seen before anything of it is stored."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from engine.datasets.faults import Account
from engine.datasets.mapping import guess
from engine.datasets.reading import GUESS_ALL, ROLES, Reading
from engine.datasets.table import collect, open_ratings
from engine.errors import InputError
from engine.interactions import Interactions

_YEAR = 31_536_000


@dataclass(frozen=True, eq=False)
class Preview:
    """What the reader understood of a file.

    Attributes:
        columns: the file's column names; a file without them gets the names of the roles, or numbers.
        mapping: role → column; None where no column was found.
        head: the first rows, as text.
        understood: what was found out about the file, for people: "Separator" → "commas".
        account: what would become of the rows; None while the columns are not known.
        users, items: distinct ids, None while not known.
        scale: lowest and highest possible rating, None while not known.
        span: first and last moment in seconds since 1970, None without times.
        problem: why the file cannot be loaded as it is to be read, in one sentence, or None.
        faulty: the problem is with rows, and the file can be read without them.
        remarks: what may surprise whoever trains on it, a sentence each.
    """

    columns: list[str]
    mapping: dict[str, str | None]
    head: pd.DataFrame
    understood: dict[str, str]
    account: Account | None = None
    users: int | None = None
    items: int | None = None
    scale: tuple[float, float] | None = None
    span: tuple[int, int] | None = None
    problem: str | None = None
    faulty: bool = False
    remarks: list[str] = field(default_factory=list)


def glance(source: Path | bytes, filename: str | None = None, reading: Reading = GUESS_ALL) -> Preview:
    """What a file's first lines tell: its layout and its columns. Raises InputError as `preview`."""
    file = open_ratings(source, filename, reading)
    mapping = {role: guess(file.columns, role, getattr(reading, role)) for role in ROLES}
    return Preview(file.columns, mapping, file.head(10), file.understood)


def preview(source: Path | bytes, filename: str | None = None, reading: Reading = GUESS_ALL) -> Preview:
    """What is in a file, also where it cannot be loaded yet for want of a mapping.

    Raises:
        InputError: the file is missing, empty or not readable as a table.
    """
    file = open_ratings(source, filename, reading)
    mapping = {role: guess(file.columns, role, getattr(reading, role)) for role in ROLES}
    seen = Preview(file.columns, mapping, file.head(10), file.understood)
    try:
        found = collect(file, reading)
    except InputError as error:
        return replace(seen, problem=str(error))
    fault = found.fault(reading)
    seen = replace(seen, understood=found.ratings.understood, account=found.ratings.account, problem=fault)
    if found.ratings.frame.empty:
        return seen
    data, account = found.ratings.interactions()
    return replace(
        seen,
        account=account,
        users=data.n_users,
        items=data.n_items,
        scale=data.scale,
        span=None if data.timestamps is None else (int(data.timestamps.min()), int(data.timestamps.max())),
        problem=fault or found.repeat(reading),
        faulty=fault is not None,
        remarks=_remarks(data, reading),
    )


def _remarks(data: Interactions, reading: Reading) -> list[str]:
    said = []
    for many, what in ((data.n_users, "user"), (data.n_items, "item")):
        if many == 1:
            said.append(f"There is one {what} only: a recommender learns from what several {what}s have in common.")
    if data.one_class and not reading.implicit:
        value = data.ratings.data[0]
        said.append(f"All ratings are {value:g}, so there is nothing to predict of them; as pairs without ratings, items can be ranked.")
    if data.timestamps is not None and data.timestamps.min() >= 0 and data.timestamps.max() < _YEAR:
        said.append("All times fall into 1970: the time column may count something else than seconds since then.")
    return said
