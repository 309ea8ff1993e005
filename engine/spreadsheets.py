"""Tables as CSV in which a spreadsheet finds no formula.

Titles, tags and ids come from anybody. A text that a spreadsheet would take for a formula gets an apostrophe in front, which
`unguarded` takes away again (CWE-1236; OWASP, "CSV Injection").
"""

from __future__ import annotations

import csv
import re

import pandas as pd

_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_GUARDED = re.compile(r"'+[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def guard(text: str) -> str:
    """A text as no formula: those that begin like one, plain numbers apart, and what would read like a guarded one, with an apostrophe."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def unguard(text: str) -> str:
    """The text that `guard` was given."""
    return text[1:] if _GUARDED.match(text) else text


def to_csv(table: pd.DataFrame) -> str:
    """A table without its index as CSV: texts, names of columns too, as `guard` leaves them and between quotes, numbers bare."""
    safe = table.set_axis(range(table.shape[1]), axis=1)
    for place, kind in enumerate(table.dtypes):
        if not pd.api.types.is_numeric_dtype(kind):
            safe[place] = [guard(value) if isinstance(value, str) else value for value in safe[place].astype(object)]
    header = [guard(str(name)) for name in table.columns]
    # Where commas mean decimals, spreadsheets part cells by semicolons; between quotes they do not.
    return safe.to_csv(index=False, header=header, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")


def unguarded(table: pd.DataFrame) -> pd.DataFrame:
    """A table that was read from such a CSV file, with its texts as they were."""
    return table.rename(columns=lambda name: unguard(str(name))).map(lambda value: unguard(value) if isinstance(value, str) else value)
