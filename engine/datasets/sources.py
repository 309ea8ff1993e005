"""Finds the files of a published dataset: a local folder, a local archive, else a checked download."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pooch

from engine.datasets.archives import Source
from engine.datasets.cache import cached
from engine.datasets.rows import Meter, Progress
from engine.errors import InputError
from engine.interactions import Interactions
from engine.settings import settings


@dataclass(frozen=True)
class Published:
    """A dataset as its publisher offers it.

    Attributes:
        name: of the dataset; also of the folder that holds its files, alone or inside the archive.
        url: where the zip archive lies; None where it cannot be had from its publisher, or not with a published checksum.
        checksum: "md5:…" or "sha256:…" of the archive, None without `url`.
        ratings: the ratings files; a complete copy holds one of them.
        files: glob patterns of everything that is read from a folder.
        n_ratings: how many ratings it holds.
        partial: a ratings file that stands in for `ratings` where a folder lacks it, or None.
        folder: the folder inside the archive where it is not called `name`.
        folders, archives: names of local copies, looked for in this order; [name] and [name.zip] when empty. "." is the data folder itself.
        by_hand: how a person gets the files without `url`.
    """

    name: str
    url: str | None
    checksum: str | None
    ratings: tuple[str, ...]
    files: tuple[str, ...]
    n_ratings: int
    partial: str | None = None
    folder: str | None = None
    folders: tuple[str, ...] = ()
    archives: tuple[str, ...] = ()
    by_hand: str = ""


def find(published: Published) -> Source | None:
    """The best copy on this machine, or None. A complete folder or archive is preferred to a folder with the partial file only."""
    now, inner = settings(), published.folder or published.name
    places = [place for place in (now.data, now.datasets) if place]
    folders = [Source(place / name, inner) for place in places for name in published.folders or (published.name,)]
    folders = [source for source in folders if source.place.is_dir()]
    archives = [Source(place / name, inner) for place in places for name in published.archives or (f"{published.name}.zip",)]
    candidates = [source for source in folders if any(source.has(file) for file in published.ratings)]
    candidates += [source for source in archives if source.place.is_file()]
    if published.partial:
        candidates += [source for source in folders if source.has(published.partial)]
    return candidates[0] if candidates else None


def fetch(published: Published, progress: Progress = None) -> Source:
    """The best copy on this machine, downloaded when there is none.

    Raises:
        InputError: there is no address to download it from, the download failed, or what came is not the published archive.
    """
    found = find(published)
    if found:
        return found
    cache = settings().datasets
    if published.url is None:
        raise InputError(f"{published.name} is not on this machine and cannot be downloaded from here: {published.by_hand} into {cache}.")
    by_hand = f"put {published.name}.zip by hand into {cache}"
    pooch.get_logger().setLevel("WARNING")
    downloader = pooch.HTTPDownloader(progressbar=_Bar(published.name, progress), timeout=30)
    try:
        archive = pooch.retrieve(
            published.url, known_hash=published.checksum, fname=f"{published.name}.zip", path=cache, downloader=downloader
        )
    except OSError as error:
        reason = type(error).__name__
        raise InputError(f"{published.url} could not be downloaded ({reason}); check the network, or {by_hand}.") from error
    except ValueError as error:
        raise InputError(f"What came from {published.url} is not the published archive (its checksum differs); {by_hand}.") from error
    return Source(Path(archive), published.folder or published.name)


def load_published(published: Published, read: Callable[[Source, Meter], Interactions], progress: Progress = None) -> Interactions:
    """A published dataset: found or fetched, then read by `read`, or from the cache where the same files were read before."""
    source = fetch(published, progress)
    if progress:
        progress(f"Reading {published.name}")
    meter = Meter(published.name, published.n_ratings, progress)
    return cached(published.name, source.paths(published.files), lambda: read(source, meter))


class _Bar:
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
