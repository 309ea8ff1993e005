"""File formats of a ratings table: separated text (plain or gzipped) and Parquet, from a path or from bytes."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from engine.errors import InputError

# "::" is read as one character that no text holds.
DOUBLE_COLON = "\x1f"
SEPARATORS = {DOUBLE_COLON: "::", "\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars", " ": "blanks"}
LARGEST_TEXT = 2**31
SAMPLE = 2**16

Names = Callable[[list[str]], list[str] | None]


@dataclass(frozen=True)
class ParquetFile:
    name: str
    table: pa.Table
    layout: ClassVar[str] = "Parquet"
    place: ClassVar[str] = "Row"

    @property
    def columns(self) -> list[str]:
        return self.table.column_names

    @property
    def rows(self) -> int:
        return self.table.num_rows

    def column(self, name: str) -> pa.ChunkedArray:
        values = self.table.column(name)
        return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values

    def line(self, row: int) -> int:
        return row + 1

    def head(self, count: int) -> pd.DataFrame:
        return self.table.slice(0, count).to_pandas().astype(str)


@dataclass(frozen=True)
class TextFile:
    name: str
    content: bytes
    separator: str
    header: bool
    columns: list[str]
    what: str
    place: ClassVar[str] = "Line"

    @property
    def layout(self) -> str:
        return f"text separated by {SEPARATORS[self.separator]}, {'with' if self.header else 'without'} a header"

    @property
    def rows(self) -> int:
        return self.table.num_rows

    @cached_property
    def table(self) -> pa.Table:
        quote = False if self.separator == DOUBLE_COLON else '"'
        reading = pa.csv.ReadOptions(column_names=self.columns)
        parsing = pa.csv.ParseOptions(delimiter=self.separator, quote_char=quote, newlines_in_values=bool(quote))
        converting = pa.csv.ConvertOptions(column_types=dict.fromkeys(self.columns, pa.string()), strings_can_be_null=False)
        try:
            # The header is read as a row: arrow's own skipping would count blank lines before it.
            return pa.csv.read_csv(io.BytesIO(self.content), reading, parsing, converting).slice(int(self.header))
        except pa.ArrowInvalid as error:
            width = len(self.columns)
            for line, row in self._records():
                if len(row) != width:
                    why = f"has {len(row)} fields where the first line has {width}"
                    raise InputError(f"Line {line} of {self.name} {why}; correct it.") from error
            raise InputError(f"{self.name} cannot be read as a table; save it as plain CSV with one {self.what} a line.") from error

    def column(self, name: str) -> pa.ChunkedArray:
        return self.table.column(name)

    def line(self, row: int) -> int:
        """The line that holds a row; blank lines and quoted line breaks count, as an editor counts them."""
        for number, (line, _row) in enumerate(self._records(), start=-int(self.header)):
            if number == row:
                return line
        return row + 1

    def head(self, count: int) -> pd.DataFrame:
        return self.table.slice(0, count).to_pandas()

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        return _records(self.content, self.separator)


def _records(content: bytes, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The line number at the end of each record that is not blank, and its fields."""
    text = io.StringIO(content.decode(errors="ignore"), newline="")
    quotes: Literal[0, 3] = csv.QUOTE_NONE if separator == DOUBLE_COLON else csv.QUOTE_MINIMAL
    reader = csv.reader(text, delimiter=separator, quoting=quotes)
    return ((reader.line_num, row) for row in reader if row)


def open_table(
    source: Path | bytes, filename: str | None, names: Names, *, what: str = "rating", needs: str = "user, item and rating"
) -> TextFile | ParquetFile:
    """A file as a table of named columns.

    Args:
        names: from the first row of a text file, the columns' names where the file has no header, None where this row is it.
        what: errors call a line so.
        needs: the columns that there have to be, for errors.

    Raises:
        InputError: the file is missing, empty or not readable as a table.
    """
    name = filename or (source.name if isinstance(source, Path) else "The file")
    content = _content(source, name, what)
    if content.startswith(b"PAR1"):
        try:
            return ParquetFile(name, pa.parquet.read_table(io.BytesIO(content)))
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{name} is a damaged Parquet file; write it again.") from error
    content = content.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in content[:SAMPLE]:
        raise InputError(f"{name} is neither text nor Parquet; save the table as CSV (UTF-8), TSV or Parquet.")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{name} is not UTF-8 text (see line {line}); save it again with the encoding UTF-8.") from error
    if not content.strip():
        raise InputError(f"{name} is empty; it needs one line for each {what}.")
    try:
        return _layout(name, content, names, what, needs)
    except csv.Error as error:
        raise InputError(f"{name} cannot be read as a table ({error}); save it as plain CSV with one {what} a line.") from error


def _content(source: Path | bytes, name: str, what: str) -> bytes:
    try:
        if isinstance(source, Path) and source.is_dir():
            raise InputError(f"{source} is a folder; name the file of {what}s in it.")
        content = source.read_bytes() if isinstance(source, Path) else source
        if content.startswith(b"\x1f\x8b"):
            with gzip.open(io.BytesIO(content)) as packed:
                content = packed.read(LARGEST_TEXT)
            if len(content) == LARGEST_TEXT:
                raise InputError(f"{name} unpacks to more than {LARGEST_TEXT >> 30} GiB; save it as Parquet.")
        return content
    except FileNotFoundError as error:
        raise InputError(f"There is no file {error.filename}; check the path.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{name} is a damaged gzip file; pack it again.") from error
    except OSError as error:
        raise InputError(f"{name} cannot be read ({error.strerror or error}); check the file and its permissions.") from error


def _single(content: bytes) -> bytes:
    return content.replace(b"::", DOUBLE_COLON.encode())


def _layout(name: str, content: bytes, names: Names, what: str, needs: str) -> TextFile:
    """Finds the separator: the one that cuts a sample into most fields, the same number in (nearly) every row."""
    start = content.lstrip(b"\r\n")
    sample, whole = start[:SAMPLE], len(start) <= SAMPLE
    if not whole:
        sample = sample[: sample.rfind(b"\n") + 1] or sample
    best, separator, first = 1.0, "", [""]
    for candidate in SEPARATORS:
        rows = [row for _line, row in _records(_single(sample) if candidate == DOUBLE_COLON else sample, candidate)]
        # The last record of a cut sample may end inside quotes.
        rows = rows if whole or len(rows) == 1 else rows[:-1]
        width = len(rows[0])
        score = width * sum(len(row) == width for row in rows) / len(rows)
        if score > best and width >= (3 if candidate == " " else 2):
            best, separator, first = score, candidate, rows[0]
    if not separator:
        raise InputError(f"{name} has a single column; it needs {needs}, separated by commas, tabs, semicolons or '::'.")
    if separator == DOUBLE_COLON:
        content = _single(content)
    first = [value.strip() for value in first]
    given = names(first)
    if given is not None:
        return TextFile(name, content, separator, False, given, what)
    if len(set(first)) < len(first):
        twice = next(value for value in first if first.count(value) > 1)
        raise InputError(f"{name} has two columns named '{twice}'; rename one.")
    return TextFile(name, content, separator, True, first, what)
