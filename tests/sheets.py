"""Ratings files for tests: read or refused, and drawn at random as anybody may write them, together with what has to be read."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

from engine.datasets import Reading
from engine.datasets.table import Ratings, read_ratings
from engine.errors import InputError

NAMES = {
    "user": ("userId", "User", "reviewerID", "customer_id"),
    "item": ("movieId", "Item-Id", "asin", "Film"),
    "rating": ("rating", "Stars", "Score"),
    "timestamp": ("timestamp", "Date", "time"),
}
SEPARATORS = (",", ";", "\t", "|", "::", " ")
LETTERS = {"utf-8": "abcXYZéüñ日本ß€0_-. ", "latin-1": "abcXYZéüñß0_-. "}
ENCODINGS = {
    "utf-8": ("utf-8", b""),
    "utf-8 with a mark": ("utf-8", b"\xef\xbb\xbf"),
    "latin-1": ("latin-1", b""),
    "utf-16-le": ("utf-16-le", b""),
    "utf-16-be": ("utf-16-be", b""),
    "utf-16-le with a mark": ("utf-16-le", b"\xff\xfe"),
    "utf-16-be with a mark": ("utf-16-be", b"\xfe\xff"),
}
CLOCKS = {
    "milliseconds": lambda moment: f"{int(moment.timestamp())}123",
    "seconds": lambda moment: str(int(moment.timestamp())),
    "iso day": lambda moment: moment.strftime("%Y-%m-%d"),
    "iso": lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "german": lambda moment: moment.strftime("%d.%m.%Y %H:%M"),
    "british": lambda moment: moment.strftime("%d/%m/%Y"),
    "american": lambda moment: moment.strftime("%m/%d/%Y %I:%M:%S %p"),
    "worded": lambda moment: moment.strftime("%b %d, %Y"),
}
BARE = ("milliseconds", "seconds", "iso day", "iso")
"""Clocks without blanks."""
VALUES = {
    "stars": (st.integers(1, 5).map(float), ".0f"),
    "half stars": (st.integers(0, 10).map(lambda twice: twice / 2), ".1f"),
    "jester": (st.integers(-1000, 1000).map(lambda hundredth: hundredth / 100), ".2f"),
    "equal": (st.just(4.0), ".0f"),
    "plays": (st.integers(1000, 10**7).map(lambda count: count + 0.25), ".2f"),
    "grouped plays": (st.integers(1000, 10**7).map(lambda count: count + 0.25), ",.2f"),
    "any": (st.floats(-1e6, 1e6, width=32).map(lambda value: round(value, 5)), ".5f"),
}
FAULTS = {
    "without a rating": "u,i,,978300760",
    "with a rating that is no number": "u,i,good,978300760",
    "with a rating that is not finite": "u,i,-inf,978300760",
    "with a rating off the scale": "u,i,11,978300760",
    "without a user": ' ,"i",4,978300760',
    "without an item": 'u,"",4,978300760',
    "with a control character in the user": "u\x07,i,4,978300760",
    "with an item of more than 200 letters": f"u,{'i' * 201},4,978300760",
    "without a time": "u,i,4,",
    "with a time that cannot be read": "u,i,4,last spring",
    "with another number of fields": "u,i,4",
}
"""Why a row is left out → such a row, of a file with the columns user, item, rating and time, and the scale -10 to 10."""


def read(content: bytes | str, **reading: object) -> Ratings:
    return read_ratings(content.encode() if isinstance(content, str) else content, "r.csv", Reading.model_validate(reading))


def refused(content: bytes | str, **reading: object) -> str:
    with pytest.raises(InputError) as caught:
        read(content, **reading)
    sentence = str(caught.value)
    assert sentence.endswith((".", "'::'.")) and "\n" not in sentence
    return sentence


def table(**columns: pa.Array) -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.table(columns), target)
    return target.getvalue()


@dataclass(frozen=True)
class Sheet:
    """A file, and what it says: user and item as text, rating, and timestamp where there are times; the line at which each row ends."""

    content: bytes
    frame: pd.DataFrame
    header: bool
    lines: list[int]


def _several(one: st.SearchStrategy[Any], size: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(one, min_size=size, max_size=size)


def _ids(letters: str) -> st.SearchStrategy[list[str]]:
    numbers = st.one_of(st.integers(0, 30), st.integers(-(10**17), 10**17), st.integers(10**19, 10**22)).map(str)
    texts = st.builds(lambda first, more: " ".join((first + more).split()), st.sampled_from("aXü"), st.text(letters, max_size=7))
    return st.one_of(*(st.lists(one, min_size=1, max_size=8) for one in (numbers, texts)))


def _moments(clock: str) -> st.SearchStrategy[datetime]:
    # Days from the 13th on cannot be months.
    day = st.builds(datetime, st.integers(1996, 2037), st.integers(1, 12), st.integers(13, 28), tzinfo=st.just(UTC))
    if clock in ("iso day", "british", "worded"):
        return day
    second = st.just(0) if clock == "german" else st.integers(0, 59)
    return st.builds(
        lambda day, hour, minute, second: day.replace(hour=hour, minute=minute, second=second),
        *(day, st.integers(0, 23), st.integers(0, 59), second),
    )


@st.composite
def sheets(draw: st.DrawFn) -> Sheet:
    """Valid files: what they say can be read in one way only."""
    encoding, mark = ENCODINGS[draw(st.sampled_from(sorted(ENCODINGS)))]
    separator, size = draw(st.sampled_from(SEPARATORS)), draw(st.integers(1, 25))
    letters = LETTERS.get(encoding, LETTERS["utf-8"])
    said: dict[str, list[Any]] = {name: draw(_several(st.sampled_from(draw(_ids(letters))), size)) for name in ("user", "item")}
    values, form = VALUES[draw(st.sampled_from(sorted(VALUES)))]
    said["rating"] = draw(_several(values, size))
    written = said | {"rating": [f"{value:{form}}" for value in said["rating"]]}
    if draw(st.booleans()):
        written["rating"] = [text.translate(str.maketrans(".,", ",.")) for text in written["rating"]]
    if draw(st.booleans()):
        clock = draw(st.sampled_from(BARE if separator in (" ", "::") else sorted(CLOCKS)))
        moments = draw(_several(_moments(clock), size))
        written["timestamp"] = [CLOCKS[clock](moment) for moment in moments]
        said["timestamp"] = [int(moment.timestamp()) for moment in moments]
    header, order = draw(st.booleans()), list(written)
    names = {role: draw(st.sampled_from(NAMES[role])) for role in written}
    # Of blanks, several in a row line columns up.
    if header and separator not in ("::", " ") and draw(st.booleans()):
        written["note"], names["note"] = draw(_several(st.text('ab ,;"\n|\t', max_size=12), size)), "Note"
        order = draw(st.permutations(list(written)))
    rows = [list(row) for row in zip(*(written[name] for name in order), strict=True)]
    text, lines = _text(draw, [[names[name] for name in order]] if header else [], rows, separator)
    content = mark + text.encode(encoding)
    packed = gzip.compress(content, mtime=0) if draw(st.integers(0, 9)) == 0 else content
    return Sheet(packed, pd.DataFrame(said), header, lines)


def _text(draw: st.DrawFn, head: list[list[str]], rows: list[list[str]], separator: str) -> tuple[str, list[int]]:
    """The text, and the line at which each row ends."""
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    blank_after = draw(st.sets(st.integers(0, len(rows)), max_size=2))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    parts: list[str] = []
    lines: list[int] = []
    line = 0
    for number, row in enumerate([*head, *rows]):
        text = separator.join(row) if separator == "::" else _quoted(row, separator, quoting)
        line += 1 + text.count("\n")
        if number >= len(head):
            lines.append(line)
        parts.append(text + "\n")
        if number in blank_after:
            parts.append("\n")
            line += 1
    whole = "".join(parts).replace("\n", end)
    return whole.removesuffix(end) if draw(st.booleans()) else whole, lines


def _quoted(row: Sequence[str], separator: str, quoting: Any) -> str:
    target = io.StringIO()
    csv.writer(target, delimiter=separator, quoting=quoting, lineterminator="\n").writerow(row)
    return target.getvalue().removesuffix("\n")


@st.composite
def spoilt_sheets(draw: st.DrawFn) -> tuple[Sheet, dict[int, str]]:
    """Files most of whose rows are good, and line → what is wrong with the others."""
    size = draw(st.integers(6, 20))
    good = pd.DataFrame(
        {
            "user": draw(_several(st.sampled_from(["ann", "bob", "eve"]), size)),
            "item": draw(_several(st.integers(1, 9).map(str), size)),
            "rating": draw(_several(st.integers(-20, 20).map(lambda twice: twice / 2), size)),
            "timestamp": draw(_several(st.integers(10**9, 2 * 10**9), size)),
        }
    )
    rows: list[tuple[str, str | None]] = [(",".join(map(str, row)), None) for row in good.itertuples(index=False)]
    for kind in draw(st.lists(st.sampled_from(sorted(FAULTS)), max_size=5)):
        rows.insert(draw(st.integers(1, len(rows))), (FAULTS[kind], kind))
    lines = {line: kind for line, (_text, kind) in enumerate(rows, 2)}
    content = "\n".join(["user,item,rating,time", *(text for text, _kind in rows)]).encode()
    sheet = Sheet(content, good, True, [line for line, kind in lines.items() if kind is None])
    return sheet, {line: kind for line, kind in lines.items() if kind is not None}
