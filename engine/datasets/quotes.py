"""Quotation marks that were opened by accident: they would make one field of many lines, and ratings would be lost unseen."""

from __future__ import annotations

import csv
import re

import numpy as np

from engine.datasets.layout import Layout, records
from engine.errors import InputError

PIECE = 2**26
_END = "\x00end"
_NUMBER = re.compile(r"\s*[+-]?\d[\d.,]*\s*")


def lines(content: bytes) -> int:
    """How many lines are not empty."""
    found = 0
    for start in range(0, len(content), PIECE):
        ends = np.frombuffer(content, np.uint8, min(PIECE + 1, len(content) - start), start) == 10
        found += int(np.count_nonzero(ends[1:] & ~ends[:-1]))
    return found + (not content.endswith(b"\n"))


def refuse_open(name: str, layout: Layout, what: str) -> None:
    """Looks at the records that span several lines, as those with a long text in quotation marks rightly do.

    Raises:
        InputError: a quotation mark is never closed, or only in a line that looks like a record of its own.
    """
    physical = layout.content.decode().split("\n")
    start, numeric = 1, [False]
    try:
        for number, (start, end, row) in enumerate(records(layout.content + f"\n{_END}".encode(), layout.separator)):
            if number == int(layout.header):
                numeric = [_NUMBER.fullmatch(text) is not None for text in row]
            if start == end:
                continue
            if row[-1].endswith(_END):
                raise InputError(f"Line {start} of {name} opens a quotation mark that is never closed; close or remove it.")
            first, *more = (_like(line, layout.separator, numeric) for line in physical[start - 1 : end])
            if first and any(more):
                why = f"opens a quotation mark that is closed on line {end} only, and the lines look like {what}s of their own"
                raise InputError(f"Line {start} of {name} {why}; correct the quotation marks.")
    except csv.Error as error:
        raise InputError(f"{name} has a field of many pages after line {start}; close its quotation mark, or shorten it.") from error


def _like(line: str, separator: str, numeric: list[bool]) -> bool:
    """Whether a line alone has as many fields as a record, and a number wherever that has one."""
    ways = (line.split(separator), next(csv.reader([line], delimiter=separator), []))
    return any(numeric) and any(
        len(fields) == len(numeric)
        and all(_NUMBER.fullmatch(text.strip('"')) for text, is_number in zip(fields, numeric, strict=True) if is_number)
        for fields in ways
    )
