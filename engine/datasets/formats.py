"""File formats of a ratings table: separated text (plain or gzipped) and Parquet, from a path or from bytes."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from engine.datasets.encodings import to_utf8
from engine.datasets.faults import shown
from engine.datasets.layout import Names, find_layout
from engine.datasets.packed import LARGEST, gunzip
from engine.datasets.parquet import ParquetFile, open_parquet
from engine.datasets.signatures import refuse_others
from engine.datasets.texts import TextFile
from engine.errors import InputError

Table = TextFile | ParquetFile


@dataclass(frozen=True)
class Form:
    """What is known of a text file beforehand; None where it is to be found out. See `to_utf8` and `find_layout`."""

    encoding: str | None = None
    separator: str | None = None


def open_table(
    source: Path | bytes,
    filename: str | None,
    names: Names,
    *,
    what: str = "rating",
    needs: str = "user, item and rating",
    form: Form = Form(),
) -> Table:
    """A file as a table of named columns.

    Args:
        names: from the first row of a text file, the columns' names where the file has no header, None where this row is it.
        what: errors call a line so.
        needs: the columns that there have to be, for errors.

    Raises:
        InputError: the file is missing, empty or not readable as a table.
    """
    name = shown(filename or (source.name if isinstance(source, Path) else "The file"))
    content = _content(source, name, what)
    if content.startswith(b"PAR1"):
        return open_parquet(name, content)
    refuse_others(name, content)
    content, encoding = to_utf8(name, content, form.encoding)
    try:
        return TextFile(name, find_layout(name, content, names, form.separator, what, needs), encoding, what)
    except csv.Error as error:
        raise InputError(f"{name} cannot be read as a table ({error}); save it as plain CSV with one {what} a line.") from error


def _content(source: Path | bytes, name: str, what: str) -> bytes:
    """The bytes of a file, unpacked if it is gzipped."""
    try:
        if isinstance(source, Path) and source.is_dir():
            raise InputError(f"{source} is a folder; name the file of {what}s in it.")
        if isinstance(source, Path) and source.stat().st_size > LARGEST:
            raise InputError(f"{name} has more than {LARGEST >> 30} GiB; save it as Parquet, or give a part of it.")
        content = source.read_bytes() if isinstance(source, Path) else source
    except FileNotFoundError as error:
        raise InputError(f"There is no file {error.filename}; check the path.") from None
    except OSError as error:
        raise InputError(f"{name} cannot be read ({error.strerror or error}); check the file and its permissions.") from error
    return gunzip(name, content) if content.startswith(b"\x1f\x8b") else content
