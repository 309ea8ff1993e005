"""Archives that were made to do harm, and downloads that break off: nothing is written elsewhere, nothing grows without bounds."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import lzma
import stat
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.datasets import DatasetConfig, archives, available, load, movielens, packed, rows, sources
from engine.datasets.archives import Source
from engine.datasets.table import read_ratings
from engine.errors import InputError

SMALL = {
    "ratings.csv": b"userId,movieId,rating,timestamp\n30,122,4.5,838985046\n7,5,0.5,838983525\n",
    "movies.csv": b"movieId,title,genres\n5,Nixon (1995),Drama\n122,Boomerang (1992),Comedy|Romance\n",
}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of this test."""
    place = tmp_path / "data"
    place.mkdir()
    monkeypatch.setenv("ENCORE_DATA", str(place))
    return place


def zipped(place: Path, files: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(place, "w", how) as target:
        for name, content in files.items():
            target.writestr(f"ml-latest-small/{name}", content)
    return place


def tarred(place: Path, members: list[tuple[tarfile.TarInfo, bytes]], mode: str = "w:gz") -> Path:
    with tarfile.open(place, mode) as target:  # type: ignore[call-overload]
        for member, content in members:
            member.size = len(content)
            target.addfile(member, io.BytesIO(content))
    return place


def read(place: Path, pattern: str) -> list[tuple[str, bytes]]:
    return list(Source(place, "netflix").texts(pattern))


def test_a_link_in_a_zip_is_no_file(data: Path) -> None:
    (data / "secret").write_bytes(SMALL["ratings.csv"])
    place = zipped(data / "ml-latest-small.zip", {"movies.csv": SMALL["movies.csv"]})
    with zipfile.ZipFile(place, "a") as target:
        link = zipfile.ZipInfo("ml-latest-small/ratings.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        target.writestr(link, str(data / "secret"))
    with pytest.raises(InputError, match=r"holds no ratings\.csv"):
        load(DatasetConfig(name="ml-latest-small"))
    assert read(place, r"ratings\.csv") == []


@pytest.mark.parametrize("name", ["../../mv_1.txt", "/etc/mv_1.txt", "inside/../../mv_1.txt"])
def test_members_that_point_out_of_the_archive_are_no_files(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as target:
        target.writestr(name, "1:\n")
    tarred(tmp_path / "a.tar.gz", [(tarfile.TarInfo(name), b"1:\n")])
    assert read(tmp_path / "a.zip", r"mv_1\.txt") == read(tmp_path / "a.tar.gz", r"mv_1\.txt") == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_links_and_devices_in_a_tar_are_no_files(kind: bytes, tmp_path: Path) -> None:
    member = tarfile.TarInfo("mv_1.txt")
    member.type, member.linkname = kind, "/etc/passwd"
    assert read(tarred(tmp_path / "a.tar", [(member, b"")], "w"), r"mv_1\.txt") == []


def test_a_tar_in_a_tar_in_a_tar_is_not_opened(tmp_path: Path) -> None:
    content = b"1:\n"
    for depth in range(3):
        inner = tarred(tmp_path / f"{depth}.tar", [(tarfile.TarInfo(f"{depth}.tar" if depth else "mv_1.txt"), content)], "w")
        content = inner.read_bytes()
        assert [name for name, _block in read(inner, r"mv_1\.txt")] == ["mv_1.txt"][: 2 - depth]


def test_what_is_passed_over_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LARGEST_MEMBER", 2**20)
    bomb = tarred(tmp_path / "a.tar.gz", [(tarfile.TarInfo("other.bin"), bytes(2**21)), (tarfile.TarInfo("mv_1.txt"), b"1:\n")])
    assert bomb.stat().st_size < 2**13
    with pytest.raises(InputError, match="claims 2,097,152 bytes or more, so this is not the official archive"):
        read(bomb, r"mv_1\.txt")
    zipped(tmp_path / "a.zip", {f"mv_{number}.txt": bytes(2**19) for number in range(3)})
    with pytest.raises(InputError, match="claims 1,572,864 bytes or more"):
        list(zip(read(tmp_path / "a.zip", r"mv_\d\.txt"), range(9), strict=False))


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "LONGEST_LINE", 2**16)
    monkeypatch.setattr(rows, "BLOCK", 2**12)
    with pytest.raises(InputError, match=r"mv_1.txt in .* is damaged"):
        read(tarred(tmp_path / "a.tar.gz", [(tarfile.TarInfo("mv_1.txt"), b"1" * 2**18)]), r"mv_1\.txt")


def test_a_packed_file_that_unpacks_to_too_much(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(movielens, "LARGEST_WHOLE", 2**16)
    (data / "ml-1m").mkdir()
    (data / "ml-1m" / "ratings.csv.gz").write_bytes(gzip.compress(b"userId,movieId,rating\n" + b"1,2,3\n" * 2**15))
    with pytest.raises(InputError, match=r"ratings.csv.gz in .* is damaged"):
        load(DatasetConfig(name="ml-1m"))


def test_an_upload_that_unpacks_to_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "ALWAYS", 2**16)
    bomb = gzip.compress(b"user,item,rating\n" + b"1,2,3\n" * 2**20)
    assert len(bomb) < 2**16
    with pytest.raises(InputError, match=r"bomb.csv.gz unpacks to more than \d MiB, which no table of ratings of its size does"):
        read_ratings(bomb, "bomb.csv.gz")
    with pytest.raises(InputError, match=r"r.csv is packed as gzip twice; unpack it"):
        read_ratings(gzip.compress(gzip.compress(b"user,item,rating\n1,2,3\n"), mtime=0), "r.csv")


@pytest.mark.parametrize("change", ["encrypted", "unknown method", "wrong sum", "broken LZMA"])
def test_zips_that_cannot_be_read(change: str, data: Path) -> None:
    place = zipped(data / "ml-latest-small.zip", SMALL, zipfile.ZIP_LZMA if "LZMA" in change else zipfile.ZIP_STORED)
    content = bytearray(place.read_bytes())
    if change == "broken LZMA":
        with zipfile.ZipFile(place) as target:
            start = target.getinfo("ml-latest-small/ratings.csv").header_offset + 30 + len("ml-latest-small/ratings.csv")
        content[start + 4 : start + 30] = bytes(26)
    for signature, flag, method in ((b"PK\x01\x02", 8, 10), (b"PK\x03\x04", 6, 8)):
        at = content.find(signature)
        if change == "encrypted":
            content[at + flag] |= 1
        elif change == "unknown method":
            content[at + method] = 99
    if change == "wrong sum":
        content[content.find(b"838985046")] = ord("7")
    place.write_bytes(content)
    with pytest.raises(InputError, match=r"ratings\.csv in .* (cannot be read|is damaged)"):
        load(DatasetConfig(name="ml-latest-small"))


def test_a_broken_xz_tar(tmp_path: Path) -> None:
    place = tarred(tmp_path / "a.tar.xz", [(tarfile.TarInfo("mv_1.txt"), bytes(range(256)) * 400)], "w:xz")
    content = place.read_bytes()
    place.write_bytes(content[:60] + bytes(8) + content[68:])
    assert lzma.is_check_supported(lzma.CHECK_CRC64)
    with pytest.raises(InputError, match="cannot be read"):
        read(place, r"mv_1\.txt")


@pytest.fixture
def breaking(tmp_path: Path) -> Iterator[str]:
    """A web server that promises more bytes than it sends."""

    class Breaking(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = (tmp_path / "whole.zip").read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Breaking) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.shutdown()


def test_a_download_that_breaks_off_is_never_seen(breaking: str, tmp_path: Path) -> None:
    whole = zipped(tmp_path / "whole.zip", SMALL)
    digest = hashlib.sha256(whole.read_bytes()).hexdigest()
    published = replace(movielens.SMALL, url=f"{breaking}/ml-latest-small.zip", checksum=f"sha256:{digest}")
    with pytest.raises(InputError, match=r"ml-latest-small.zip (could not be downloaded|is not the published archive)"):
        sources.fetch(published)
    assert not available("ml-latest-small")
    assert [path.name for path in (tmp_path / "home" / "datasets").iterdir()] == []
