"""Gzip that unpacks to no more than what a table of ratings can."""

from __future__ import annotations

import gzip
import io
import zlib

from engine.datasets.rows import Readable
from engine.errors import InputError

LARGEST = 2**31
"""Bytes that a file of text may have, unpacked."""
RATIO, ALWAYS = 100, 2**26
"""Text of ratings packs to a tenth or a twentieth of itself. More than this ratio is refused, but for so many bytes it is let pass."""


class Bounded:
    """A stream that ends in an error where it has more bytes than expected."""

    def __init__(self, stream: Readable, limit: int) -> None:
        self.stream, self.limit, self.given = stream, limit, 0

    def read(self, size: int, /) -> bytes:
        """At most so many bytes. Raises ValueError once they are more than the limit."""
        found = self.stream.read(size)
        self.given += len(found)
        if self.given > self.limit:
            raise ValueError(f"more than {self.limit:,} bytes")
        return found


def gunzip(name: str, content: bytes) -> bytes:
    """What a gzip file holds.

    Raises:
        InputError: it is damaged, or unpacks to more than a table of ratings does.
    """
    limit = min(LARGEST, max(ALWAYS, RATIO * len(content)))
    parts = []
    try:
        with gzip.open(io.BytesIO(content)) as packed:
            stream = Bounded(packed, limit)
            while part := stream.read(2**24):
                parts.append(part)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{name} is a damaged gzip file; pack it again.") from error
    except ValueError as error:
        size = f"{limit >> 20:,} MiB"
        raise InputError(f"{name} unpacks to more than {size}, which no table of ratings of its size does; save it as Parquet.") from error
    return b"".join(parts)
