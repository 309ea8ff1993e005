"""Checksums inside the files that they are of: a SHA-256 over the whole file, and over whose it is.

In safetensors files it stands in a field of their own header, in JSON files under a key of their own. A file and its checksum are thus
replaced at one instant, in one step. The checksum tells accidents (bits that flipped, a file that was cut, another run's file); who may
write into the folder can also compute it.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import IO

EMPTY = {"sha256": "0" * 64}
"""The field as it is before the file is sealed, and while the checksum is computed."""
_FIELD = re.compile(rb'"sha256":"([0-9a-f]{64})"')
_LARGEST_HEADER = 10**8
_BLOCK = 2**20


def seal(path: Path, owner: str) -> None:
    """Writes the checksum into a file that was saved with EMPTY among its metadata; `owner` names run and artifact."""
    with path.open("r+b") as stream:
        header = _header(stream)
        field = _FIELD.search(header)
        if field is None:
            raise ValueError(f"{path.name} was saved without a place for its checksum")
        digest = _digest(header, field, stream, owner)
        stream.seek(field.start(1))
        stream.write(digest.encode())


def holds(path: Path, owner: str) -> bool:
    """Whether a file is what was sealed for this owner. One without any checksum, as former versions wrote, is taken for it."""
    with path.open("rb") as stream:
        header = _header(stream)
        field = _FIELD.search(header)
        return _without_seal(header) if field is None else _digest(header, field, stream, owner) == field[1].decode()


def sealed(text: str) -> str:
    """A JSON text, whose object holds EMPTY, with its checksum."""
    found = hashlib.sha256(text.encode()).hexdigest()
    return text.replace(f'"sha256": "{EMPTY["sha256"]}"', f'"sha256": "{found}"', 1)


def is_whole(text: str) -> bool:
    """Whether a JSON text is what was sealed."""
    field = re.search(r'"sha256": "([0-9a-f]{64})"', text)
    if field is None:
        return False
    return hashlib.sha256((text[: field.start(1)] + "0" * 64 + text[field.end(1) :]).encode()).hexdigest() == field[1]


def _header(stream: IO[bytes]) -> bytes:
    """The length of the header, 8 bytes, and the header; the stream then stands at the tensors."""
    length = stream.read(8)
    return length + stream.read(min(_LARGEST_HEADER, int.from_bytes(length, "little")))


def _digest(header: bytes, field: re.Match[bytes], stream: IO[bytes], owner: str) -> str:
    found = hashlib.sha256(owner.encode() + b"\0" + header[: field.start(1)] + b"0" * 64 + header[field.end(1) :])
    while block := stream.read(_BLOCK):
        found.update(block)
    return found.hexdigest()


def _without_seal(header: bytes) -> bool:
    """Whether a header is one that former versions wrote; a damaged field is none."""
    try:
        return set(json.loads(header[8:])["__metadata__"]) == {"meta"}
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
