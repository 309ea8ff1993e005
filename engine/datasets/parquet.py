"""A ratings table in a Parquet file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from engine.datasets.faults import shown
from engine.datasets.packed import LARGEST
from engine.datasets.texts import Misfits
from engine.errors import InputError

LARGEST_ROWS, ROWS_PER_BYTE, ALWAYS_ROWS = 2**27, 64, 2**22
"""Rows that a Parquet file may claim at most, and for each of its bytes, unless there are few: a few bytes can stand for any number."""


@dataclass(frozen=True)
class ParquetFile:
    """A table of typed columns."""

    name: str
    file: pa.parquet.ParquetFile
    understood: ClassVar[dict[str, str]] = {"Format": "Parquet"}
    separator: ClassVar[str] = ""
    place: ClassVar[str] = "Row"

    @property
    def columns(self) -> list[str]:
        return self.file.schema_arrow.names

    @property
    def rows(self) -> int:
        return self.file.metadata.num_rows

    def select(self, columns: Sequence[str], _coded: Collection[str] = ()) -> tuple[pa.Table, Misfits]:
        """These columns, none of whose rows can misfit. Raises InputError where they cannot be read."""
        try:
            table = self.file.read(columns=list(columns))
            plain = [self._plain(table.column(name)) for name in columns]
        except (pa.ArrowException, OSError, KeyError) as error:
            raise InputError(f"{self.name} is a damaged Parquet file; write it again.") from error
        return pa.table(plain, names=list(columns)), Misfits()

    def _plain(self, values: pa.ChunkedArray) -> pa.ChunkedArray:
        """Texts stay coded, other categories become values."""
        if not pa.types.is_dictionary(values.type):
            return values
        if not pa.types.is_string(values.type.value_type):
            return values.cast(values.type.value_type)
        longest = max((pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0 for chunk in values.chunks), default=0)
        if longest * len(values) > LARGEST:
            raise InputError(f"{self.name} has texts of {longest:,} letters for {len(values):,} rows; shorten them.")
        return values

    def column(self, name: str) -> pa.ChunkedArray:
        return self.select([name])[0].column(0)

    def lines(self, records: Collection[int]) -> dict[int, int]:
        """Where each row stands, counted from 1."""
        return {number: number + 1 for number in records}

    def line(self, row: int) -> int:
        return row + 1

    def head(self, count: int) -> pd.DataFrame:
        """The first rows, as text."""
        try:
            start = next(self.file.iter_batches(count), None)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{self.name} is a damaged Parquet file; write it again.") from error
        texts = {name: [shown(value) for value in start.column(name)] for name in self.columns} if start else {}
        return pd.DataFrame(texts, columns=self.columns, dtype=str)


def open_parquet(name: str, content: bytes) -> ParquetFile:
    try:
        types = pa.parquet.ParquetFile(pa.BufferReader(content)).schema_arrow
        texts = [field.name for field in types if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
        # Coded, for of texts that are said once for any number of rows a few bytes would fill the memory.
        file = ParquetFile(name, pa.parquet.ParquetFile(pa.BufferReader(content), read_dictionary=texts))
        columns, rows = file.columns, file.rows
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{name} is a damaged Parquet file; write it again.") from error
    if len(set(columns)) < len(columns):
        twice = next(column for column in columns if columns.count(column) > 1)
        raise InputError(f"{name} has two columns named '{shown(twice)}'; rename one.")
    if not 0 <= rows <= min(LARGEST_ROWS, max(ALWAYS_ROWS, ROWS_PER_BYTE * len(content))):
        raise InputError(f"{name} claims {rows:,} rows, more than can be read at once; give a part of it.")
    return file
