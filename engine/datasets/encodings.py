"""Text files as UTF-8 with plain line ends, whatever encoding they were written in."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from engine.errors import InputError

ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-16-le": "UTF-16 LE",
    "utf-16-be": "UTF-16 BE",
    # What is called Latin-1 is nearly always this: the same letters, and signs such as € where Latin-1 has control codes.
    "windows-1252": "Windows-1252 (Latin-1)",
}
"""Name in a configuration → title."""
MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
PIECE = 2**24
_SAMPLE, _WINDOW = 2**12, 2**20
# The bytes of one letter beyond ASCII in UTF-8; other encodings hold such sequences by rare chance only.
_LETTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_ASCII = bytes(range(128))


def to_utf8(name: str, content: bytes, encoding: str | None = None) -> tuple[bytes, str]:
    """A text file's content in UTF-8 without byte order mark, every line end a line feed, and what it was written in (for people).

    Args:
        name: what errors call the file.
        encoding: one of ENCODINGS; found out when None, by the byte order mark or by the bytes themselves.

    Raises:
        InputError: the bytes are no text, or not text of this encoding.
    """
    mark = next((mark for mark in MARKS if content.startswith(mark)), b"")
    encoding = encoding or MARKS.get(mark) or _guess(name, content)
    title = ENCODINGS[encoding]
    if mark and MARKS[mark] == encoding:
        title += " with a byte order mark"
    if encoding != "utf-8":
        content = b"".join(_converted(name, content, encoding))
    elif (at := _first_error(content)) is not None:
        raise _refused(name, content, at, "UTF-8")
    # Files that were joined hold the mark more than once.
    while content.startswith(codecs.BOM_UTF8):
        content = content.removeprefix(codecs.BOM_UTF8)
    if (at := content.find(b"\0")) >= 0:
        raise InputError(f"Line {_line(content, at)} of {name} holds a NUL character, so it is damaged or no text; export it again as CSV.")
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return content, title


def _guess(name: str, content: bytes) -> str:
    """The encoding of a file without byte order mark. Raises InputError for bytes that are no text."""
    sample = content[:_SAMPLE]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    # Of most letters in tables, UTF-16 leaves one half empty: nearly always the same one.
    if max(even, odd) > len(sample) // 32 and min(even, odd) <= max(even, odd) // 8:
        return "utf-16-be" if even > odd else "utf-16-le"
    if even or odd:
        raise InputError(f"{name} is neither text nor Parquet; save the table as CSV (UTF-8), TSV or Parquet.")
    at = _first_error(content)
    if at is None:
        return "utf-8"
    around = content[max(0, at - _WINDOW) : at + _WINDOW]
    letters = _LETTER.findall(around)
    stray = len(around.translate(None, _ASCII)) - sum(map(len, letters))
    # A few bytes that do not fit among many that do are damage, and to read all of it otherwise would spoil every other name.
    if len(letters) > stray:
        raise _refused(name, content, at, "UTF-8, while other lines are")
    return "windows-1252"


def _first_error(content: bytes) -> int | None:
    """Where the first byte lies that is not UTF-8."""
    if content.isascii():
        return None
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(content), PIECE):
        waiting = len(decoder.getstate()[0])
        try:
            decoder.decode(content[start : start + PIECE], final=start + PIECE >= len(content))
        except UnicodeDecodeError as error:
            return start - waiting + error.start
    return None


def _converted(name: str, content: bytes, encoding: str) -> Iterator[bytes]:
    """Raises InputError where the bytes are not of this encoding."""
    decoder = codecs.getincrementaldecoder("cp1252" if encoding == "windows-1252" else encoding)()
    for start in range(0, len(content), PIECE):
        waiting = len(decoder.getstate()[0])
        try:
            text = decoder.decode(content[start : start + PIECE], final=start + PIECE >= len(content))
        except UnicodeDecodeError as error:
            raise _refused(name, content, start - waiting + error.start, ENCODINGS[encoding], encoding) from None
        yield text.encode()


def _refused(name: str, content: bytes, at: int, why: str, encoding: str = "utf-8") -> InputError:
    remedy = "save the file again as UTF-8, or name its encoding (dataset.encoding)"
    return InputError(f"Line {_line(content, at, encoding)} of {name} is not {why}; {remedy}.")


def _line(content: bytes, at: int, encoding: str = "utf-8") -> int:
    """The line of a byte; of UTF-16, whose letters have two bytes, too."""
    if encoding.startswith("utf-16"):
        text = content[: at - at % 2].decode(encoding, "replace").encode()
    else:
        text = content[:at]
    crlf = text.count(b"\r\n")
    return 1 + text.count(b"\n") + text.count(b"\r") - crlf
