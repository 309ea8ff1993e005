"""Files that are no table of text, told by their first bytes: what to do about each, in one sentence."""

from __future__ import annotations

import re

from engine.errors import InputError

_PACKED = "packed as {}; unpack it, or pack the table with gzip"
_OTHER = "a {}; export its ratings as CSV"
_BY_HAND = "open it, choose 'Save as' and then 'CSV UTF-8', and give that file"
SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (rb"PK\x03\x04(?s:.{26,60})mimetypeapplication/vnd\.oasis", f"a spreadsheet of LibreOffice; {_BY_HAND}"),
    (rb"PK\x03\x04(?s:.{0,4000})(\[Content_Types\]|xl/)", f"an Excel workbook; {_BY_HAND}"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", f"a workbook of an older Excel; {_BY_HAND}"),
    (rb"PK(\x03\x04|\x05\x06)", "a zip archive; unpack it and give the file with the ratings"),
    (rb"BZh[1-9]1AY", _PACKED.format("bzip2")),
    (rb"\xfd7zXZ\x00", _PACKED.format("xz")),
    (rb"\x28\xb5\x2f\xfd", _PACKED.format("Zstandard")),
    (rb"7z\xbc\xaf\x27\x1c", _PACKED.format("7z")),
    (rb"Rar!\x1a\x07", _PACKED.format("RAR")),
    (rb"\x1f\x8b", _PACKED.format("gzip twice")),
    (rb"(?s:.{257})ustar", "a tar archive; unpack it and give the file with the ratings"),
    (rb"SQLite format 3\x00", _OTHER.format("database of SQLite")),
    (rb"\x89HDF\r\n", _OTHER.format("file of HDF5")),
    (rb"\x93NUMPY", _OTHER.format("numpy array")),
    (rb"ARROW1|FEA1", _OTHER.format("file of Arrow or Feather")),
    (rb"\x80[\x02-\x05][\x95c}\](]", "a pickle, which runs code when it is opened and so is never read; save the table as CSV or Parquet"),
    (rb"%PDF-", _OTHER.format("PDF")),
    (rb"\x89PNG|\xff\xd8\xff|GIF8", "a picture; give the table of ratings itself, as CSV"),
    (rb"(?i:\s*<(!doctype html|html))", "a web page, perhaps one saved in place of the file; fetch the file again"),
    (rb"\s*<\?xml", "XML; export its ratings as CSV"),
    (rb"\s*(\{\s*\"|\[\s*[\[{])", "JSON; export its ratings as CSV, one line for each"),
)
"""What a file begins with (a regular expression) → what it is, and the remedy."""


def refuse_others(name: str, content: bytes) -> None:
    """Raises InputError where the content is known to be something else than a table of text."""
    for beginning, what in SIGNATURES:
        if re.match(beginning, content):
            raise InputError(f"{name} is {what}.")
