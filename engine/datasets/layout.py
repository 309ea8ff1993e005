"""How a table is laid out as text: which sign separates its fields, and whether its first line names its columns."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from engine.datasets.faults import shown
from engine.errors import InputError

# "::" is read as one character that no text holds.
DOUBLE_COLON = "\x1f"
SEPARATORS = {DOUBLE_COLON: "::", "\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars", " ": "blanks"}
NAMED = {"colons": DOUBLE_COLON, "tab": "\t", "comma": ",", "semicolon": ";", "bar": "|", "blank": " "}
"""Name in a configuration → separator."""
SAMPLE = 2**16
# Excel writes and reads such a first line.
_TOLD = re.compile(rb'"?sep=(.)"?(?=\n)')

Names = Callable[[list[str]], list[str] | None]


@dataclass(frozen=True)
class Layout:
    """A text whose fields stand in lines.

    Attributes:
        content: UTF-8, lines end with a line feed; each separator is one character.
        columns: their names, from the first line if `header`.
        start: where the first byte below the header lies.
    """

    content: bytes
    separator: str
    header: bool
    columns: list[str]
    start: int = 0


def records(content: bytes, separator: str) -> Iterator[tuple[int, int, list[str]]]:
    """Of each record that is not a blank line: its first and its last line, and its fields."""
    text = io.TextIOWrapper(io.BytesIO(content), "utf-8", newline="\n")
    quotes: Literal[0, 3] = csv.QUOTE_NONE if separator == DOUBLE_COLON else csv.QUOTE_MINIMAL
    reader = csv.reader(text, delimiter=separator, quoting=quotes)
    start = 1
    for row in reader:
        if row:
            yield start, reader.line_num, row
        start = reader.line_num + 1


def find_layout(name: str, content: bytes, names: Names, separator: str | None, what: str, needs: str) -> Layout:
    """The layout of a text.

    Args:
        name: what errors call the file.
        names: from the first record, the columns' names where the file has no header, None where this record is it.
        separator: found out when None.
        what, needs: what errors call a line, and the columns there have to be.

    Raises:
        InputError: there is no text, no separator fits, or the first line does not fit the others.
        csv.Error: a field is longer than any table's.
    """
    if (told := _TOLD.match(content)) and told[1].decode(errors="replace") in SEPARATORS:
        separator = separator or told[1].decode()
        # Blank lines are passed over, and counted in line numbers.
        content = content[told.end() :]
        content = b"\n" + content.removeprefix(b"\n")
    if not content.strip():
        raise InputError(f"{name} is empty; it needs one line for each {what}.")
    sample = _sample(content)
    separator = separator or _separator(sample)
    if not separator:
        raise InputError(f"{name} has a single column; it needs {needs}, separated by commas, tabs, semicolons or '::'.")
    content, sample = _single(content, separator), _single(sample, separator)
    line, first = _first_record(name, sample, separator, what)
    first = [value.strip() for value in first]
    given = names(first)
    if given is not None:
        return Layout(content, separator, False, given)
    columns = [value or f"column {number}" for number, value in enumerate(first, 1)]
    if len(set(columns)) < len(columns):
        twice = next(value for value in columns if columns.count(value) > 1)
        raise InputError(f"Line {line} of {name} names two columns '{shown(twice)}'; rename one.")
    below = re.match(rb"(?:[^\n]*\n){%d}" % line, content)
    return Layout(content, separator, True, columns, below.end() if below else len(content))


def head(layout: Layout, count: int) -> list[list[str]]:
    """The fields of the first records below the header, those that are as many as there are columns."""
    found = [row for _start, _end, row in islice(records(_sample(layout.content), layout.separator), count + 1)]
    return [row for row in found[int(layout.header) :][:count] if len(row) == len(layout.columns)]


def _sample(content: bytes) -> bytes:
    """The first lines, whole."""
    if len(content) <= SAMPLE:
        return content
    start = len(content) - len(content.lstrip(b"\n"))
    cut = content[start : start + SAMPLE]
    return content[:start] + (cut[: cut.rfind(b"\n") + 1] or cut)


def _single(content: bytes, separator: str) -> bytes:
    """The content with separators of one character: `::`, and blanks that line up columns."""
    if separator == DOUBLE_COLON:
        return content.replace(b"::", separator.encode())
    if separator == " " and b'"' not in content:
        return re.sub(rb" +(?=\n|\Z)|(?<=\n) +|\A +", b"", re.sub(rb"  +", b" ", content))
    return content


def _widths(sample: bytes, separator: str) -> list[int]:
    """How many fields each record of a sample has."""
    found = [len(row) for _start, _end, row in records(sample, separator)]
    # The last record of a cut sample may end inside quotes.
    return found[:-1] if len(sample) > SAMPLE // 2 and len(found) > 1 else found


def _separator(sample: bytes) -> str:
    """The one that cuts the sample into most fields, the same number in (nearly) every record; "" where none does.

    Before others comes one that cuts the first record as most: what ids are made of is not in the columns' names.
    """
    best, found, fields = (False, 1.0), "", 0
    for candidate in SEPARATORS:
        # Words and times have blanks too; but "7 30 3,5" is no pair.
        if candidate == " " and fields > 2:
            continue
        widths = _widths(_single(sample, candidate), candidate)
        ((width, often),) = Counter(widths).most_common(1)
        score = (widths[0] == width, width * often / len(widths))
        if score > best and width >= (3 if candidate == " " else 2):
            best, found, fields = score, candidate, width
    return found


def _first_record(name: str, sample: bytes, separator: str, what: str) -> tuple[int, list[str]]:
    """The first record and its line. Raises InputError where it has not as many fields as most that follow."""
    _start, line, first = next(records(sample, separator))
    ((width, often),) = Counter(_widths(sample, separator)[1:]).most_common(1) or [(len(first), 1)]
    if width != len(first) and often > 1:
        fields = f"{len(first)} field{'' if len(first) == 1 else 's'} where most lines have {width}"
        raise InputError(f"Line {line} of {name} has {fields}; correct it, or remove what stands above the first {what}.")
    return line, first
