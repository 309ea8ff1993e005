"""Reads files out of a folder, a zip or a tar archive as they stand: nothing is unpacked to disk."""

from __future__ import annotations

import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from engine.datasets.rows import blocks
from engine.errors import InputError

# No file of these datasets is near these sizes: one that is read line by line (nor all of these), and one that is read as a whole.
LARGEST_MEMBER = 2**32
LARGEST_WHOLE = 2**28
# A zip says so where it is encrypted, or packed in a way that Python does not know.
_DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError, RuntimeError, NotImplementedError)


@dataclass(frozen=True)
class Source:
    """A folder or an archive with a dataset's files; `folder` is what its publisher calls the folder inside the archive."""

    place: Path
    folder: str

    def has(self, member: str) -> bool:
        """Whether a folder or zip archive holds the file. Raises InputError for a damaged archive."""
        if self.place.is_dir():
            return (self.place / member).is_file()
        with self._zip() as archive:
            return self._member(archive, member) is not None

    def read(self, member: str) -> bytes:
        """The bytes of one file. Raises InputError when it is missing or damaged."""
        with self.open(member) as stream:
            content = stream.read(LARGEST_WHOLE + 1)
        self._bounded(member, len(content), LARGEST_WHOLE)
        return content

    @contextmanager
    def open(self, member: str) -> Iterator[IO[bytes]]:
        """One file of a folder or zip archive for reading. Raises InputError when it is missing or, while it is read, damaged."""
        with self._guarded(member):
            if self.place.is_dir():
                with (self.place / member).open("rb") as stream:
                    yield stream
                return
            with self._zip() as archive:
                found = self._member(archive, member)
                if found is None:
                    raise FileNotFoundError
                self._bounded(member, found.file_size)
                with archive.open(found) as stream:
                    yield stream

    def texts(self, pattern: str) -> Iterator[tuple[str, bytes]]:
        """Every file whose name fits the regular expression, in blocks of whole lines: its name without folders, and a block.

        Folders are searched to any depth, but all files come from one of them; a tar inside the folder or archive is read too.
        Members of an archive that point out of it, links, devices and files with holes are passed over.

        Raises:
            InputError: the archive is damaged, or claims more than any copy of the dataset holds.
        """
        with self._guarded("a file"):
            for name, stream in self._streams(pattern):
                try:
                    for block in blocks(stream):
                        yield name, block
                except ValueError as error:
                    raise self.damaged(name) from error

    def paths(self, patterns: tuple[str, ...]) -> list[Path]:
        """The files on disk that a reader of these (glob patterns) looks at: the archive itself, or those that the folder holds."""
        if not self.place.is_dir():
            return [self.place]
        return sorted({path for pattern in patterns for path in self.place.glob(pattern) if path.is_file()})

    def damaged(self, member: str) -> InputError:
        """The error to raise where a file is not what its publisher wrote."""
        return InputError(f"{member} in {self.place} is damaged; fetch the official {self.folder} archive again.")

    def _streams(self, pattern: str) -> Iterator[tuple[str, IO[bytes]]]:
        if self.place.is_dir():
            yield from self._in_folder(pattern)
        elif zipfile.is_zipfile(self.place):
            with self._zip() as archive:
                total = 0
                for info in sorted(archive.infolist(), key=lambda info: info.filename):
                    if _fits(info.filename, pattern) and not info.is_dir() and not _is_link(info):
                        total += info.file_size
                        self._bounded(info.filename, total)
                        with archive.open(info) as stream:
                            yield _name(info.filename), stream
        else:
            with tarfile.open(self.place, "r|*") as packed:
                yield from self._in_tar(packed, pattern)

    def _in_folder(self, pattern: str) -> Iterator[tuple[str, IO[bytes]]]:
        found = sorted(path for path in self.place.rglob("*") if re.fullmatch(pattern, path.name) and path.is_file())
        for path in (path for path in found if path.parent == found[0].parent):
            with path.open("rb") as stream:
                yield path.name, stream
        for inner in [] if found else sorted(self.place.rglob("*.tar")):
            with tarfile.open(inner, "r|") as packed:
                yield from self._in_tar(packed, pattern, inside=True)

    def _in_tar(self, packed: tarfile.TarFile, pattern: str, inside: bool = False) -> Iterator[tuple[str, IO[bytes]]]:
        """The fitting members of a tar, and of a tar inside it, but of none inside that."""
        total = 0
        for member in packed:
            # What is passed over is unpacked too.
            total += member.size
            self._bounded(member.name, total)
            nested = not inside and _fits(member.name, r".+\.tar")
            if not member.isreg() or member.issparse() or not (nested or _fits(member.name, pattern)):
                continue
            stream = packed.extractfile(member)
            if stream is not None and nested:
                with tarfile.open(fileobj=stream, mode="r|") as inner:
                    yield from self._in_tar(inner, pattern, inside=True)
            elif stream is not None:
                yield _name(member.name), stream

    @contextmanager
    def _guarded(self, member: str) -> Iterator[None]:
        """Tells what can go wrong in files and archives as an InputError."""
        try:
            yield
        except FileNotFoundError:
            raise InputError(f"{self.place} holds no {member}; put all files of the official {self.folder} archive there.") from None
        except _DAMAGED as error:
            raise InputError(f"{member} in {self.place} cannot be read ({error}); fetch the official archive again.") from error

    def _bounded(self, member: str, size: int, largest: int | None = None) -> None:
        if size > (largest or LARGEST_MEMBER):
            raise InputError(f"{member} in {self.place} claims {size:,} bytes or more, so this is not the official archive.")

    def _zip(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.place)
        except zipfile.BadZipFile as error:
            raise InputError(f"{self.place} is not a readable zip archive; delete it or fetch the official one again.") from error

    def _member(self, archive: zipfile.ZipFile, member: str) -> zipfile.ZipInfo | None:
        found = archive.NameToInfo.get(f"{self.folder}/{member}") or archive.NameToInfo.get(member)
        return None if found is None or _is_link(found) else found


def _name(path: str) -> str:
    return PurePosixPath(path).name


def _is_link(info: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(info.external_attr >> 16)


def _fits(path: str, pattern: str) -> bool:
    inside = not path.startswith("/") and ".." not in PurePosixPath(path).parts
    return inside and re.fullmatch(pattern, _name(path)) is not None
