"""Finds the files of a published dataset: a local folder, a local archive, else a checked download."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pooch

from engine.errors import InputError
from engine.settings import settings

Progress = Callable[[str], None] | None

# No file of these datasets is near it; a member that claims more is not the published one.
LARGEST_MEMBER = 2**30


@dataclass(frozen=True)
class Published:
    """An archive as its publisher offers it.

    Attributes:
        name: of the dataset; also of the folder that holds its files, alone or inside the archive.
        url: where the zip archive lies.
        checksum: "md5:…" or "sha256:…" of the archive.
        ratings: the file that every complete copy holds.
        partial: a ratings file that stands in for `ratings` where a folder lacks it, or None.
    """

    name: str
    url: str
    checksum: str
    ratings: str
    partial: str | None = None


@dataclass(frozen=True)
class Source:
    """A folder or a zip archive with a dataset's files."""

    place: Path
    folder: str

    def has(self, member: str) -> bool:
        if self.place.is_dir():
            return (self.place / member).is_file()
        with self._archive() as archive:
            return self._member(archive, member) is not None

    def read(self, member: str) -> bytes:
        """The bytes of one file. Raises InputError when it is missing or damaged."""
        try:
            if self.place.is_dir():
                return (self.place / member).read_bytes()
            with self._archive() as archive:
                found = self._member(archive, member)
                if found is None:
                    raise FileNotFoundError
                if found.file_size > LARGEST_MEMBER:
                    raise InputError(f"{member} in {self.place} claims {found.file_size:,} bytes, so this is not the official archive.")
                return archive.read(found)
        except FileNotFoundError:
            raise InputError(f"{self.place} holds no {member}; put all files of the official {self.folder} archive there.") from None
        except (OSError, zipfile.BadZipFile) as error:
            raise InputError(f"{member} in {self.place} cannot be read ({error}); fetch the official archive again.") from error

    def _archive(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.place)
        except zipfile.BadZipFile as error:
            raise InputError(f"{self.place} is not a readable zip archive; delete it or fetch the official one again.") from error

    def _member(self, archive: zipfile.ZipFile, member: str) -> zipfile.ZipInfo | None:
        return archive.NameToInfo.get(f"{self.folder}/{member}") or archive.NameToInfo.get(member)


def find(published: Published) -> Source | None:
    """The best copy on this machine, or None. A complete folder or archive is preferred to a folder with the partial file only."""
    now = settings()
    places = [place for place in (now.data, now.datasets) if place]
    folders = [Source(place / published.name, published.name) for place in places]
    archives = [Source(place / f"{published.name}.zip", published.name) for place in places]
    candidates = [source for source in folders if source.place.is_dir() and source.has(published.ratings)]
    candidates += [source for source in archives if source.place.is_file()]
    if published.partial:
        candidates += [source for source in folders if source.place.is_dir() and source.has(published.partial)]
    return candidates[0] if candidates else None


def fetch(published: Published, progress: Progress = None) -> Source:
    """The best copy on this machine, downloaded when there is none.

    Raises:
        InputError: the download failed, or what came is not the published archive.
    """
    found = find(published)
    if found:
        return found
    cache = settings().datasets
    by_hand = f"put {published.name}.zip by hand into {cache}"
    pooch.get_logger().setLevel("WARNING")
    downloader = pooch.HTTPDownloader(progressbar=_Meter(published.name, progress), timeout=30)
    try:
        archive = pooch.retrieve(
            published.url, known_hash=published.checksum, fname=f"{published.name}.zip", path=cache, downloader=downloader
        )
    except OSError as error:
        reason = type(error).__name__
        raise InputError(f"{published.url} could not be downloaded ({reason}); check the network, or {by_hand}.") from error
    except ValueError as error:
        raise InputError(f"What came from {published.url} is not the published archive (its checksum differs); {by_hand}.") from error
    return Source(Path(archive), published.name)


class _Meter:
    """What pooch asks of a progress bar, told as sentences."""

    def __init__(self, name: str, progress: Progress) -> None:
        self.name, self.progress, self.total, self.done, self.told = name, progress, 0, 0, -1

    def update(self, size: int) -> None:
        self.done += size
        percent = 100 * self.done // self.total if self.total else 0
        if self.progress and percent // 5 > self.told:
            self.told = percent // 5
            self.progress(f"Downloading {self.name}: {self.done / 1e6:.1f} of {self.total / 1e6:.1f} MB")

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        """Nothing to release."""
