"""A person's own ratings file: CSV, TSV, MovieLens `.dat`, each also gzipped, or Parquet, in any usual encoding and spelling.

None of its rows goes missing unsaid: each becomes a rating, or repeats the pair of another, or is told with what is wrong with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from engine.datasets import columns
from engine.datasets.decimals import SIGNS, Numbers
from engine.datasets.faults import EXAMPLES, Account, Faults, shown
from engine.datasets.formats import Form, Table, open_table
from engine.datasets.layout import NAMED
from engine.datasets.mapping import mapping, names
from engine.datasets.reading import GUESS_ALL, Reading
from engine.datasets.texts import Misfits, fields_instead
from engine.datasets.times import times
from engine.errors import InputError
from engine.gathering import from_frame
from engine.interactions import Interactions


@dataclass(frozen=True, eq=False)
class Ratings:
    """The ratings of a file.

    Attributes:
        name: of the file.
        frame: one row per usable row, in the file's order: `user` and `item` (int64 where every id is a plain whole number, else str),
            `rating` (float64) and, where known, `timestamp` (int64 seconds since 1970).
        scale: lowest and highest rating as far as they are declared.
        account: of all rows, as if no pair came more than once.
        understood: what was found out about the file, for people: "Separator" → "commas".
    """

    name: str
    frame: pd.DataFrame
    scale: tuple[float | None, float | None]
    account: Account
    understood: dict[str, str]

    def interactions(self) -> tuple[Interactions, Account]:
        """As every other room takes them, and what became of each row. Raises InputError where there are none."""
        data = from_frame(self.name, self.frame)
        low, high = (own if declared is None else declared for own, declared in zip(data.scale, self.scale, strict=True))
        account = replace(self.account, kept=data.n_ratings, merged=data.duplicates)
        return replace(data, scale=(low, high), left_out=account.unusable), account


@dataclass(frozen=True, eq=False)
class Collected:
    """What a file holds, before anything is refused; `rows` are the places of the frame's rows in the file's table."""

    file: Table
    ratings: Ratings
    rows: np.ndarray
    misfits: Misfits

    def fault(self, reading: Reading) -> str | None:
        """Why the file is refused for rows that cannot be used, in one sentence; None where it is not."""
        account, file = self.ratings.account, self.file
        if not account.unusable or (reading.faulty == "leave-out" and account.kept):
            return None
        (line, why), *_ = account.examples.items()
        remedies = ["correct or remove it"]
        if why.startswith(("has no time", "has the time")):
            remedies.append("read the file without times (dataset.timestamp='')")
        if account.kept:
            remedies.append(f"leave out {_such(account.unusable)} (dataset.faulty=leave-out)")
        elif account.rows > 1:
            why += f", and none of the {account.rows:,} rows can be used"
        return f"{file.place} {line} of {file.name} {why}; {', or '.join(remedies)}."

    def repeat(self, reading: Reading) -> str | None:
        """Why the file is refused for a pair that comes more than once; None where it is not."""
        if reading.duplicates != "error":
            return None
        frame = self.ratings.frame
        again = frame.duplicated(["user", "item"]).to_numpy()
        if not again.any():
            return None
        later = int(again.argmax())
        user, item = frame["user"].iloc[later], frame["item"].iloc[later]
        earlier = int(((frame["user"] == user) & (frame["item"] == item)).to_numpy().argmax())
        records = {row: self.misfits.record(int(self.rows[row])) for row in (earlier, later)}
        lines = self.file.lines(list(records.values()))
        place = self.file.place
        why = f"has a rating of item '{shown(item)}' by user '{shown(user)}' again, after {place.lower()} {lines[records[earlier]]}"
        many = f" ({int(again.sum()):,} rows repeat a pair)" if again.sum() > 1 else ""
        remedy = "remove one of them, or let the last or the mean of them count (dataset.duplicates)"
        return f"{place} {lines[records[later]]} of {self.file.name} {why}{many}; {remedy}."


def open_ratings(source: Path | bytes, filename: str | None, reading: Reading) -> Table:
    """A ratings file as a table. Raises InputError where it is none."""
    form = Form(None if reading.encoding == "auto" else reading.encoding, NAMED.get(reading.separator))
    return open_table(source, filename, lambda first: names(first, reading), form=form)


def read_ratings(source: Path | bytes, filename: str | None = None, reading: Reading = GUESS_ALL) -> Ratings:
    """The ratings in a file.

    Args:
        source: a path, or the file's content.
        filename: what errors call it; the path's last part when None.

    Raises:
        InputError: the file is missing, empty or not readable, a column is missing, or a row cannot be used.
    """
    found = collect(open_ratings(source, filename, reading), reading)
    for problem in (found.fault(reading), found.repeat(reading)):
        if problem:
            raise InputError(problem)
    return found.ratings


def collect(file: Table, reading: Reading) -> Collected:
    """All usable rows of a file, and what is wrong with the others.

    Raises:
        InputError: a column is missing or holds another type, there are no rows, or a number or a date may be read in two ways.
    """
    roles = mapping(file, reading)
    table, misfits = file.select(list(roles.values()), [column for role, column in roles.items() if role != "timestamp"])
    faults, understood = Faults(table.num_rows), dict(file.understood)
    if not table.num_rows + len(misfits.numbers) - misfits.blank:
        raise InputError(f"{file.name} has column names but no ratings below them.")
    held: dict[str, np.ndarray | pd.Series] = {
        role: columns.ids(table.column(roles[role]), role, faults, _mistyped(file, table, roles, role)) for role in ("user", "item")
    }
    held["rating"] = _values(file, table, roles, reading, faults, understood)
    if "timestamp" in roles:
        held["timestamp"] = _moments(file, table, roles, faults, understood)
    usable = faults.reason == 0
    rows = np.flatnonzero(usable)
    frame = pd.DataFrame(held)
    if not usable.all():
        frame = frame[usable].reset_index(drop=True)
    if reading.duplicates == "mean":
        frame = _averaged(frame)
    account = _account(file, faults, misfits, reading)
    scale = (0.0, 1.0) if reading.implicit else (reading.lowest, reading.highest)
    return Collected(file, Ratings(file.name, frame, scale, account, understood), rows, misfits)


def _such(rows: int) -> str:
    return "this row" if rows == 1 else f"all {rows:,} rows that cannot be used"


def _mistyped(file: Table, table: pa.Table, roles: dict[str, str], role: str) -> InputError:
    column = shown(roles[role])
    needed = {"user": "text or numbers", "item": "text or numbers", "rating": "numbers", "timestamp": "seconds since 1970 or dates"}[role]
    return InputError(f"The {role} column '{column}' of {file.name} holds {table.column(roles[role]).type}; it needs {needed}.")


def _values(
    file: Table, table: pa.Table, roles: dict[str, str], reading: Reading, faults: Faults, understood: dict[str, str]
) -> np.ndarray:
    """Ratings, on the declared scale or faulty."""
    if reading.implicit:
        return np.ones(table.num_rows)
    # Where semicolons separate, commas are likely decimal.
    usual = None if file.separator == ";" else "."
    values, read = columns.ratings(
        table.column(roles["rating"]), faults, _mistyped(file, table, roles, "rating"), SIGNS.get(reading.decimal), usual
    )
    if read.unclear:
        raise InputError(_either(file, read))
    if file.separator:
        understood["Decimal sign"] = {".": "point", ",": "comma"}.get(read.sign or "", "none: all ratings are whole numbers")
    low, high = -np.inf if reading.lowest is None else reading.lowest, np.inf if reading.highest is None else reading.highest
    declared = f"{low:g} to {high:g}" if np.isfinite([low, high]).all() else f"{low:g} up" if np.isfinite(low) else f"up to {high:g}"
    faults.add(
        (values < low) | (values > high),
        "with a rating off the scale",
        lambda row: f"has the rating {values[row]:g}, which is off the scale of {declared}",
    )
    return values


def _either(file: Table, read: Numbers) -> str:
    text = str(read.unclear)
    whole, part = text.replace(",", "").replace(".", ""), text.replace(",", ".")
    return f"The rating '{text}' in {file.name} is either {whole} or {part}; say which sign is decimal (dataset.decimal = point or comma)."


def _moments(file: Table, table: pa.Table, roles: dict[str, str], faults: Faults, understood: dict[str, str]) -> np.ndarray:
    """Seconds since 1970."""
    values = table.column(roles["timestamp"])
    found = times(values)
    if found is None:
        raise _mistyped(file, table, roles, "timestamp")
    if found.unclear:
        either = f"The date '{found.unclear}' in {file.name} does not tell whether its day or its month comes first"
        raise InputError(f"{either}; write dates as 2020-12-31, or read the file without times (dataset.timestamp='').")
    understood["Times"] = found.kind
    if not found.known.all():
        blank = values.is_null()
        if not pa.types.is_primitive(values.type):
            blank = pc.or_(blank, pc.equal(pc.utf8_trim_whitespace(values.cast(pa.string())), "").fill_null(True))
        faults.add(blank.to_numpy(), "without a time", lambda _row: "has no time")
        why = "which is neither seconds since 1970 nor a date"
        faults.add(~found.known, "with a time that cannot be read", lambda row: f"has the time '{shown(values[row])}', {why}")
    return found.seconds


def _averaged(frame: pd.DataFrame) -> pd.DataFrame:
    """Each rating of a pair that comes more than once becomes the mean of them."""
    several = frame.duplicated(["user", "item"], keep=False).to_numpy()
    if several.any():
        means = frame[several].groupby(["user", "item"], sort=False)["rating"].transform("mean")
        frame.loc[several, "rating"] = means
    return frame


def _account(file: Table, faults: Faults, misfits: Misfits, reading: Reading) -> Account:
    counts = faults.counts()
    if others := len(misfits.numbers) - misfits.blank:
        counts["with another number of fields"] = others
    width = len(file.columns)
    wrong = {misfits.record(row): why for row, why in faults.first(EXAMPLES).items()}
    wrong |= {number: f"has {fields_instead(found, width)}" for number, found in list(misfits.fields.items())[:EXAMPLES]}
    first = sorted(wrong)[:EXAMPLES]
    lines = file.lines(first)
    kept = int((faults.reason == 0).sum())
    return Account(
        rows=kept + sum(counts.values()),
        kept=kept,
        rule=reading.duplicates,
        left_out=counts,
        examples={str(lines[number]): wrong[number] for number in first},
    )
