"""One pass over a large text of ratings, straight into typed arrays."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv

Progress = Callable[[str], None] | None

BLOCK = 2**22
"""Bytes of text that are parsed at a time."""
LONGEST_LINE = 2**24
PER_ARRAY = 2**24
"""Ratings that are gathered in one array before another is begun."""
UNREADABLE = (pa.ArrowException, ValueError, EOFError)
"""What the functions here raise where a text is not as expected."""


class Readable(Protocol):
    """What is asked of a stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""


class Meter:
    """Tells at most once a second how many ratings have been read."""

    def __init__(self, name: str, total: int, progress: Progress) -> None:
        self.name, self.total, self.progress = name, total, progress
        self.done, self.told = 0, time.monotonic()

    def add(self, count: int) -> None:
        """So many more ratings are read."""
        self.done += count
        if time.monotonic() - self.told >= 1:
            self.say(f"Reading {self.name}: {self.done / 1e6:.0f} of {self.total / 1e6:.0f} million ratings")

    def ordering(self) -> None:
        """All are read; what remains is to put them in order."""
        if self.done >= 5_000_000:
            self.say(f"Putting {self.done / 1e6:.0f} million ratings of {self.name} in order")

    def say(self, sentence: str) -> None:
        """Tells a sentence at once."""
        self.told = time.monotonic()
        if self.progress:
            self.progress(sentence)


class Gathered:
    """Columns that grow by small arrays, kept in pieces so large that the memory of each is given back as soon as it is freed."""

    def __init__(self) -> None:
        self.full: dict[str, list[np.ndarray]] = {}
        self.open: dict[str, np.ndarray] = {}
        self.used = 0

    def add(self, values: Mapping[str, np.ndarray]) -> None:
        """More of every column, the same number of each."""
        start, count = 0, len(next(iter(values.values())))
        while start < count:
            if not self.open:
                self.open = {name: np.empty(PER_ARRAY, array.dtype) for name, array in values.items()}
            taken = min(count - start, PER_ARRAY - self.used)
            for name, array in values.items():
                self.open[name][self.used : self.used + taken] = array[start : start + taken]
            start, self.used = start + taken, self.used + taken
            if self.used == PER_ARRAY:
                self._close()

    def columns(self) -> dict[str, np.ndarray]:
        """One array per column, empty where nothing was added. No two columns are ever there twice; to be called once."""
        self._close()
        return {name: pieces[0] if len(pieces) == 1 else np.concatenate(pieces) for name, pieces in self._taken()}

    def _close(self) -> None:
        for name, array in self.open.items():
            self.full.setdefault(name, []).append(array[: self.used])
        self.open, self.used = {}, 0

    def _taken(self) -> Iterator[tuple[str, list[np.ndarray]]]:
        for name in list(self.full):
            yield name, self.full.pop(name)


def blocks(stream: Readable) -> Iterator[bytes]:
    """A stream in blocks of whole lines, about BLOCK bytes each; the last line ends too. Raises ValueError for an endless line."""
    rest = b""
    while text := stream.read(BLOCK):
        cut = text.rfind(b"\n") + 1
        if cut:
            yield rest + text[:cut]
            rest = text[cut:]
        else:
            rest += text
            if len(rest) > LONGEST_LINE:
                raise ValueError("a line without end")
    if rest:
        yield rest + b"\n"


def typed(text: bytes, names: Sequence[str], types: Mapping[str, pa.DataType], separator: str = ",") -> pa.Table:
    """Lines of separated values as columns.

    Args:
        names: of the fields of each line.
        types: of the fields that are wanted; none of these may be empty.

    Raises:
        pa.ArrowException: a line has another number of fields, or a value is not of its type.
    """
    reading = pa.csv.ReadOptions(column_names=list(names))
    converting = pa.csv.ConvertOptions(column_types=dict(types), include_columns=list(types), null_values=[])
    return pa.csv.read_csv(pa.BufferReader(text), reading, pa.csv.ParseOptions(delimiter=separator), converting)


def read_columns(
    stream: Readable,
    types: Mapping[str, pa.DataType],
    meter: Meter,
    *,
    names: Sequence[str] | None = None,
    separator: str = ",",
) -> dict[str, np.ndarray]:
    """The wanted fields of every line, one array each.

    Args:
        types: name and type of each wanted field.
        names: of the fields of a line; None where the first line tells them.
        separator: one character, or "::".

    Raises:
        UNREADABLE: the text is not such lines.
    """
    gathered = Gathered()
    for block in blocks(stream):
        if names is None:
            line, _, block = block.partition(b"\n")
            names = next(csv.reader([line.decode("utf-8-sig").strip()], delimiter=separator), [])
        # A double colon is read as one character that no number holds.
        table = typed(block.replace(b"::", b"\t"), names, types, "\t") if separator == "::" else typed(block, names, types, separator)
        gathered.add({name: table.column(name).to_numpy() for name in types})
        meter.add(table.num_rows)
    if not (columns := gathered.columns()):
        raise ValueError("an empty file")
    return columns
