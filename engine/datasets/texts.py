"""A ratings table in separated text."""

from __future__ import annotations

import csv
import io
import re
from array import array
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from engine.datasets import layout, quotes
from engine.datasets.layout import DOUBLE_COLON, SEPARATORS, Layout
from engine.errors import InputError

CODED = pa.dictionary(pa.int32(), pa.string())
"""How a column of text is read of which each distinct text is wanted once."""
TOLD = 1000
"""So many records that do not fit are kept one by one, the others are counted."""


@dataclass(frozen=True)
class Misfits:
    """Records with more or fewer fields than the first one, and lines of blanks.

    Attributes:
        numbers: of these records, the first below the header being 0, in ascending order.
        fields: how many fields each has, of the first TOLD of them that are not blank.
        blank: how many hold nothing.
    """

    numbers: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    fields: dict[int, int] = field(default_factory=dict)
    blank: int = 0

    def record(self, row: int) -> int:
        """Number of the record that is the row-th of those that fit."""
        return row + int(np.searchsorted(self.numbers - np.arange(len(self.numbers)), row, side="right"))


@dataclass(frozen=True)
class TextFile:
    """A table of texts."""

    name: str
    layout: Layout
    encoding: str
    what: str
    place: ClassVar[str] = "Line"

    @property
    def understood(self) -> dict[str, str]:
        """What was found out about the file, for people."""
        first = "column names" if self.layout.header else f"a {self.what}: there are no column names"
        return {"Encoding": self.encoding, "Separator": SEPARATORS[self.separator], "First line": first}

    @property
    def separator(self) -> str:
        return self.layout.separator

    @property
    def columns(self) -> list[str]:
        return self.layout.columns

    @cached_property
    def table(self) -> pa.Table:
        """All columns. Raises InputError for the first record that does not fit."""
        table, misfits = self.select(self.columns)
        for number, found in misfits.fields.items():
            line = self.lines([number])[number]
            raise InputError(f"Line {line} of {self.name} has {fields_instead(found, len(self.columns))}; correct it.")
        return table

    @property
    def rows(self) -> int:
        return self.table.num_rows

    def column(self, name: str) -> pa.ChunkedArray:
        return self.table.column(name)

    def line(self, row: int) -> int:
        """The line of a row of `table`."""
        number = self.select(self.columns[:1])[1].record(row)
        return self.lines([number])[number]

    def lines(self, records: Collection[int]) -> dict[int, int]:
        """The line at which each record ends, of these numbers below the header; blank lines and quoted line breaks count too."""
        first = int(self.layout.header)
        left, found = {number + first for number in records}, {number: number + first + 1 for number in records}
        with suppress(csv.Error):  # Beyond a field that is longer than the reader's bounds, lines are taken for records.
            for number, line in enumerate(self._ends()):
                if number in left:
                    left.remove(number)
                    found[number - first] = line
                if not left:
                    break
        return found

    def head(self, count: int) -> pd.DataFrame:
        """The first rows, as text."""
        return pd.DataFrame(layout.head(self.layout, count), columns=self.columns, dtype=str)

    def select(self, columns: Sequence[str], coded: Collection[str] = ()) -> tuple[pa.Table, Misfits]:
        """These columns as text, one row per record that fits, and the records that do not.

        Args:
            coded: columns of which each distinct text is kept once.

        Raises:
            InputError: the text is no table.
        """
        if not re.compile(rb"\S").search(self.layout.content, self.layout.start):
            return pa.table({name: pa.array([], pa.string()) for name in columns}), Misfits()
        types = {name: CODED if name in coded else pa.string() for name in columns}
        converting = pa.csv.ConvertOptions(column_types=types, include_columns=list(types), strings_can_be_null=False, check_utf8=False)
        try:
            table, misfits = self._parsed(converting, None), Misfits()
        except pa.ArrowInvalid:
            table, misfits = self._without_misfits(converting)
        # As many lines as records: then no quotation mark reaches into another line.
        if self._quoted and table.num_rows + len(misfits.numbers) + self.layout.header != quotes.lines(self.layout.content):
            quotes.refuse_open(self.name, self.layout, self.what)
        return table, misfits

    def _without_misfits(self, converting: pa.csv.ConvertOptions) -> tuple[pa.Table, Misfits]:
        numbers, fields, blank = array("q"), dict[int, int](), 0

        def pass_over(row: pa.csv.InvalidRow) -> str:
            nonlocal blank
            number = row.number - 1
            numbers.append(number)
            if not row.text.strip():
                blank += 1
            elif len(fields) < TOLD:
                fields[number] = row.actual_columns
            return "skip"

        try:
            return self._parsed(converting, pass_over), Misfits(np.array(numbers, np.int64), fields, blank)
        except pa.ArrowInvalid as error:
            raise InputError(f"{self.name} cannot be read as a table; save it as plain CSV with one {self.what} a line.") from error

    def _parsed(self, converting: pa.csv.ConvertOptions, pass_over: Callable[[pa.csv.InvalidRow], str] | None) -> pa.Table:
        below = pa.py_buffer(self.layout.content).slice(self.layout.start)
        # Only one thread can number rows.
        reading = pa.csv.ReadOptions(column_names=self.columns, use_threads=pass_over is None)
        parsing = pa.csv.ParseOptions(
            delimiter=self.separator,
            quote_char='"' if self._quoted else False,
            newlines_in_values=self._quoted,
            invalid_row_handler=pass_over,
        )
        return pa.csv.read_csv(pa.BufferReader(below), reading, parsing, converting)

    @cached_property
    def _quoted(self) -> bool:
        return self.separator != DOUBLE_COLON and b'"' in self.layout.content

    def _ends(self) -> Iterable[int]:
        """The last line of each record."""
        if self._quoted:
            return (end for _start, end, _row in layout.records(self.layout.content, self.separator))
        return (number for number, line in enumerate(io.BytesIO(self.layout.content), 1) if line != b"\n")


def fields_instead(found: int, due: int) -> str:
    """(2, 4) → "2 fields where the first line has 4"."""
    return f"{found} field{'' if found == 1 else 's'} where the first line has {due}"
