"""The large published datasets, each from tiny files in the form of its publisher: from a folder, an archive, and damaged."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from engine.datasets import DATASETS, DatasetConfig, archives, available, load, rows
from engine.errors import InputError
from engine.interactions import Interactions
from engine.splits import PredefinedOptions, make_split

# Users 30 and 7 rate half stars; 30's rating of 122 comes twice, and the later one is listed first.
CSV = {
    "ratings.csv": b"userId,movieId,rating,timestamp\n30,122,4.5,838985046\n7,5,0.5,838983525\n30,122,1.0,838985045\n30,5,3.0,838983392\n",
    "movies.csv": b'movieId,title,genres\n5,"American President, The (1995)",Comedy|Romance\n122,Caf\xc3\xa9,(no genres listed)\n9,X,War\n',
}
DAT = {
    "ratings.dat": b"30::122::4.5::838985046\n7::5::0.5::838983525\n30::122::1::838985045\n30::5::3::838983392\n",
    "movies.dat": "5::American President, The (1995)::Comedy|Romance\n122::Café::(no genres listed)\n9::X::War\n".encode(),
}
TEN = "ml-10M100K"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of this test."""
    place = tmp_path / "data"
    place.mkdir()
    monkeypatch.setenv("ENCORE_DATA", str(place))
    return place


def in_folder(place: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)


def in_zip(place: Path, files: dict[str, bytes], inner: str = "") -> None:
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(inner + name, content)


def tar(files: dict[str, bytes], mode: str = "w") -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as packed:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return target.getvalue()


# MovieLens


@pytest.mark.parametrize("name", ["ml-20m", "ml-25m", "ml-32m", "ml-10m", "ml-latest-small"])
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_movielens(name: str, packed: bool, data: Path) -> None:
    files = DAT if name == "ml-10m" else CSV
    assert not available(name)
    if packed:
        in_zip(data / f"{name}.zip", files, f"{TEN if name == 'ml-10m' else name}/")
    else:
        in_folder(data / (TEN if name == "ml-10m" else name), files)
    assert available(name)
    told: list[str] = []
    read = load(DatasetConfig(name=name), told.append)
    assert told == [f"Reading {name}"]
    assert (read.name, list(read.users.index), list(read.items.index), read.scale) == (name, ["7", "30"], ["5", "122"], (0.5, 5))
    assert read.ratings.toarray().tolist() == [[0.5, 0], [3, 4.5]] and read.duplicates == 1
    assert read.timestamps is not None and read.timestamps.tolist() == [838983525, 838983392, 838985046]
    assert list(read.titles) == ["American President, The (1995)", "Café"]
    assert list(read.items["genres"]) == ["Comedy|Romance", ""]
    assert (read.ratings.data.dtype, read.timestamps.dtype, read.columns.dtype, read.rows.dtype) == ("f4", "i8", "i4", "i4")


@pytest.mark.parametrize(
    ("name", "spoil", "sentence"),
    [
        (
            "ml-20m",
            {"ratings.csv": CSV["ratings.csv"] + b"31,5,good,838983392\n"},
            "is damaged; fetch the official ml-20m archive again",
        ),
        ("ml-20m", {"ratings.csv": CSV["ratings.csv"] + b"31,5,,838983392\n"}, "ratings.csv in .* is damaged"),
        ("ml-20m", {"ratings.csv": CSV["ratings.csv"] + b"31,5,4\n"}, "ratings.csv in .* is damaged"),
        ("ml-20m", {"ratings.csv": CSV["ratings.csv"] + b"99999999999,5,4,838983392\n"}, "ratings.csv in .* is damaged"),
        ("ml-20m", {"ratings.csv": CSV["ratings.csv"] + b"31,5,nan,838983392\n"}, "ml-20m holds a rating that is not a finite number"),
        ("ml-20m", {"ratings.csv": b"user,film\n1,2\n"}, "ratings.csv in .* is damaged"),
        ("ml-20m", {"ratings.csv": b""}, "ratings.csv in .* is damaged"),
        ("ml-20m", {"movies.csv": b"number,name\n1,X\n"}, "movies.csv in .* is damaged"),
        ("ml-20m", {"movies.csv": None}, "holds no movies.csv; put all files of the official ml-20m archive there"),
        ("ml-10m", {"ratings.dat": DAT["ratings.dat"] + b"31::5\n"}, f"ratings.dat in .* is damaged; fetch the official {TEN}"),
        ("ml-10m", {"movies.dat": DAT["movies.dat"] + b"six::X::War\n"}, "movies.dat in .* is damaged"),
        ("ml-10m", {"movies.dat": b"5::Caf\xe9::War\n"}, "movies.dat in .* is damaged"),
    ],
)
def test_damaged_movielens(name: str, spoil: dict[str, bytes | None], sentence: str, data: Path) -> None:
    files = (DAT if name == "ml-10m" else CSV) | spoil
    in_zip(data / f"{name}.zip", {file: content for file, content in files.items() if content is not None})
    with pytest.raises(InputError, match=sentence):
        load(DatasetConfig(name=name))


def test_a_text_longer_than_one_block(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"{user},{item},{(user + item) % 10 / 2 + 0.5},{user * 100 + item}\r\n" for user in range(1, 40) for item in range(1, 30)]
    in_folder(data / "ml-20m", CSV | {"ratings.csv": ("userId,movieId,rating,timestamp\r\n" + "".join(lines)).encode().rstrip()})
    whole = load(DatasetConfig(name="ml-20m"))
    monkeypatch.setattr(rows, "BLOCK", 50)
    monkeypatch.setattr(rows, "PER_ARRAY", 7)
    monkeypatch.setenv("ENCORE_HOME", str(data / "other"))
    assert load(DatasetConfig(name="ml-20m")).fingerprint() == whole.fingerprint() and whole.n_ratings == 39 * 29


def test_progress_is_told_at_most_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(rows.time, "monotonic", lambda: now[0])
    told: list[str] = []
    meter = rows.Meter("netflix", 98_000_000, told.append)
    for _ in range(40):
        now[0] += 0.3
        meter.add(1_025_000)
    assert len(told) == 10 and told[-1] == "Reading netflix: 41 of 98 million ratings"
    meter.ordering()
    assert told[-1] == "Putting 41 million ratings of netflix in order"


# Netflix

FILMS = {
    "mv_0000001.txt": b"1:\n1488844,3,2005-09-06\n822109,5,2005-05-13\n885013,4,2005-10-19\n",
    "mv_0000002.txt": b"2:\r\n885013,1,1999-11-11\r\n822109,2,2005-09-05\r\n",
    "mv_0017770.txt": b"17770:\n1488844,5,2004-02-29",
}
TITLES = b"1,2003,Dinosaur Planet\n2,1997,Pride, Prejudice, and P\xe9rez\n17770,NULL,Alien Hunter\n"
PROBE = b"2:\n885013\n9\n1:\n1488844\n"
COMBINED = {
    "combined_data_1.txt": FILMS["mv_0000001.txt"],
    "combined_data_2.txt": FILMS["mv_0000002.txt"],
    "combined_data_3.txt": b"17770:\n",
    "combined_data_4.txt": FILMS["mv_0017770.txt"] + b"\n3:\n",
}
EVIL = {"../mv_0000009.txt": b"9:\n1,1,2005-01-01\n", "/mv_0000008.txt": b"8:\n1,1,2005-01-01\n"}


def check_netflix(read: Interactions) -> None:
    assert (read.name, read.scale, read.duplicates) == ("netflix", (1, 5), 0)
    assert (list(read.users.index), list(read.items.index)) == (["822109", "885013", "1488844"], ["1", "2", "17770"])
    assert read.ratings.toarray().tolist() == [[5, 2, 0], [4, 1, 0], [3, 0, 5]]
    assert list(read.titles) == ["Dinosaur Planet (2003)", "Pride, Prejudice, and Pérez (1997)", "Alien Hunter"]
    days = np.array(["2005-05-13", "2005-09-05", "2005-10-19", "1999-11-11", "2005-09-06", "2004-02-29"], "datetime64[s]")
    assert read.timestamps is not None and read.timestamps.tolist() == days.astype(int).tolist()
    assert read.published_test is not None and read.published_test.tolist() == [False, False, False, True, True, False]


def place_netflix(form: str, data: Path) -> None:
    texts = {"movie_titles.txt": TITLES, "probe.txt": PROBE}
    if form == "folder":
        in_folder(data / "netflix", texts | {f"training_set/{name}": content for name, content in FILMS.items()})
    elif form == "folder with a tar":
        in_folder(data / "netflix" / "download", texts | {"training_set.tar": tar({f"training_set/{n}": c for n, c in FILMS.items()})})
    elif form == "combined":
        in_folder(data / "netflix", texts | COMBINED)
    elif form == "zip":
        in_zip(data / "netflix-prize-data.zip", COMBINED | {"movie_titles.csv": TITLES, "probe.txt": PROBE})
    else:
        inner = tar({f"training_set/{name}": content for name, content in FILMS.items()} | EVIL)
        outer = {"download/training_set.tar": inner} | {f"download/{name}": content for name, content in texts.items()} | EVIL
        (data / "nf_prize_dataset.tar.gz").write_bytes(tar(outer, "w:gz"))


@pytest.mark.parametrize("form", ["folder", "folder with a tar", "combined", "zip", "tar.gz"])
def test_netflix(form: str, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not available("netflix")
    place_netflix(form, data)
    assert available("netflix")
    check_netflix(load(DatasetConfig(name="netflix")))
    monkeypatch.setattr(rows, "BLOCK", 16)
    monkeypatch.setenv("ENCORE_HOME", str(data / "other"))
    check_netflix(load(DatasetConfig(name="netflix")))
    # Nothing is unpacked, least of all what points out of the archive.
    assert not list(data.parent.rglob("*mv_000000[89]*"))


def test_netflix_without_titles_and_probe(data: Path) -> None:
    in_folder(data / "netflix", COMBINED)
    told: list[str] = []
    read = load(DatasetConfig(name="netflix"), told.append)
    assert "holds no movie_titles.txt" in told[-1]
    assert list(read.titles) == ["1", "2", "17770"] and read.published_test is None


def test_the_published_test_of_netflix_is_a_split(data: Path) -> None:
    ratings = "".join(f"{user},{1 + user % 5},2005-01-{1 + user % 28:02}\n" for user in range(1, 60))
    films = {f"training_set/mv_{film:07}.txt": f"{film}:\n{ratings}".encode() for film in (1, 2, 3)}
    in_folder(data / "netflix", films | {"probe.txt": b"2:\n4\n5\n3:\n5\n"})
    split = make_split(load(DatasetConfig(name="netflix")), PredefinedOptions())
    users, items = split.interactions.users.index, split.interactions.items.index
    test = {(users[user], items[item]) for user, item in zip(*split.test.nonzero(), strict=True)}
    assert test == {("4", "2"), ("5", "2"), ("5", "3")}


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (
            {"combined_data_2.txt": b"2:\n885013,one,1999-11-11\n"},
            "combined_data_2.txt in .*/netflix is damaged",
        ),
        ({"combined_data_2.txt": b"2:\n885013,1,1999-13-11\n"}, "combined_data_2.txt in .* is damaged"),
        ({"combined_data_2.txt": b"2:\n885013,1\n"}, "combined_data_2.txt in .* is damaged"),
        ({"combined_data_2.txt": b"2:\n\n885013,1,1999-11-11\n"}, "combined_data_2.txt in .* is damaged"),
        ({"combined_data_2.txt": b"2:\n-5,1,1999-11-11\n"}, "combined_data_2.txt in .* is damaged"),
        ({"combined_data_2.txt": b"885013,1,1999-11-11\n"}, "combined_data_2.txt in .* is damaged"),
        ({"combined_data_2.txt": b"two:\n885013,1,1999-11-11\n"}, "combined_data_2.txt in .* is damaged"),
        ({"combined_data_2.txt": b"99999999999:\n885013,1,1999-11-11\n"}, "combined_data_2.txt in .* is damaged"),
        ({"combined_data_3.txt": None}, "holds no combined_data_3.txt; all four combined files are needed"),
        ({"movie_titles.txt": b"1,2003\n"}, "movie_titles.txt in .* is damaged"),
        ({"probe.txt": b"1:\nsomebody\n"}, "probe.txt in .* is damaged"),
    ],
)
def test_damaged_netflix(spoil: dict[str, bytes | None], sentence: str, data: Path) -> None:
    files = COMBINED | {"movie_titles.txt": TITLES, "probe.txt": PROBE} | spoil
    in_folder(data / "netflix", {name: content for name, content in files.items() if content is not None})
    with pytest.raises(InputError, match=sentence):
        load(DatasetConfig(name="netflix"))


SPOILT = {"cut": lambda packed: packed[:-200], "zeros": lambda packed: packed[:40] + bytes(60) + packed[100:], "page": lambda _: b"<html>"}


@pytest.mark.parametrize("how", SPOILT)
def test_a_damaged_tar(how: str, data: Path) -> None:
    place_netflix("tar.gz", data)
    archive = data / "nf_prize_dataset.tar.gz"
    archive.write_bytes(SPOILT[how](archive.read_bytes()))
    with pytest.raises(InputError, match=r"nf_prize_dataset.tar.gz cannot be read .* fetch the official archive again"):
        load(DatasetConfig(name="netflix"))


def test_links_in_a_tar_are_passed_over(data: Path) -> None:
    (data / "secret").write_bytes(FILMS["mv_0000001.txt"])
    with tarfile.open(data / "nf_prize_dataset.tar.gz", "w:gz") as packed:
        link = tarfile.TarInfo("training_set/mv_0000001.txt")
        link.type, link.linkname = tarfile.SYMTYPE, str(data / "secret")
        packed.addfile(link)
    with pytest.raises(InputError, match=r"holds no ratings of the Netflix Prize: it needs nf_prize_dataset\.tar\.gz"):
        load(DatasetConfig(name="netflix"))


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_an_archive_that_claims_too_much(form: str, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place_netflix(form, data)
    monkeypatch.setattr(archives, "LARGEST_MEMBER", 40)
    with pytest.raises(InputError, match="bytes or more, so this is not the official archive"):
        load(DatasetConfig(name="netflix"))


# Amazon


def test_amazon(data: Path) -> None:
    lines = b"A2,B00B,5.0,1365811200\nA1,B00A,2.0,1341100800\nA2,B00A,1.0,1367193600\nA2,B00A,3.0,1367193599\n"
    (data / "ratings_Apps_for_Android.csv").write_bytes(lines)
    read = load(DatasetConfig(name="amazon-apps"))
    assert (list(read.users.index), list(read.items.index), read.scale) == (["A1", "A2"], ["B00A", "B00B"], (1, 5))
    assert read.ratings.toarray().tolist() == [[2, 0], [1, 5]] and read.duplicates == 1
    assert read.timestamps is not None and read.timestamps.tolist() == [1341100800, 1367193600, 1365811200]
    path = load(DatasetConfig(name=str(data / "ratings_Apps_for_Android.csv")))
    assert path.fingerprint() == read.fingerprint()


def test_damaged_amazon(data: Path) -> None:
    in_folder(data / "amazon-apps", {"ratings_Apps_for_Android.csv": b"A2,B00B,5.0,1365811200\nA1,B00A,great,1341100800\n"})
    with pytest.raises(InputError, match=r"Line 2 of ratings_Apps_for_Android.csv has the rating 'great'"):
        load(DatasetConfig(name="amazon-apps"))


# What cannot be downloaded


BY_HAND = {
    "netflix": "put nf_prize_dataset.tar.gz, or a folder 'netflix' with training_set",
    "amazon-apps": "put ratings_Apps_for_Android.csv",
}


@pytest.mark.parametrize("name", BY_HAND)
def test_what_cannot_be_downloaded_is_asked_for(name: str) -> None:
    assert not DATASETS[name].downloadable
    with pytest.raises(InputError, match=f"{name} is not on this machine and .* from here: {BY_HAND[name]}.* into .*home/datasets"):
        load(DatasetConfig(name=name))


def test_every_download_has_a_checksum() -> None:
    for dataset in DATASETS.values():
        if dataset.downloadable:
            assert dataset.published is not None and (dataset.published.checksum or "").startswith(("md5:", "sha256:"))
