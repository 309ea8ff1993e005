"""What was read from files is kept: the same again for the same content, never for another, and never in anybody's way."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine import datasets
from engine.datasets import DatasetConfig, cache, load, table
from engine.datasets.cache import cached
from engine.gathering import from_frame
from engine.interactions import Interactions

ML_1M = {
    "ratings.dat": "1::1193::5::978300760\n2::661::3::978302109\n2::1193::4::978298413\n2::1193::4::978298414\n",
    "movies.dat": "661::James and the Giant Peach (1996)::Animation|Children's\n1193::Café (1975)::Drama\n",
    "users.dat": "1::F::1::10::48067\n2::M::56::16::70072\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with an ml-1m in it."""
    monkeypatch.setenv("ENCORE_DATA", str(tmp_path / "data"))
    place = tmp_path / "data" / "ml-1m"
    place.mkdir(parents=True)
    for name, text in ML_1M.items():
        (place / name).write_text(text, encoding="latin-1")
    return place


def read() -> Interactions:
    return load(DatasetConfig(name="ml-1m"))


def entries(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "home" / "cache").iterdir())


def assert_same(first: Interactions, second: Interactions) -> None:
    for field in fields(Interactions):
        one, other = getattr(first, field.name), getattr(second, field.name)
        if isinstance(one, pd.DataFrame):
            pd.testing.assert_frame_equal(one, other)
        elif isinstance(one, np.ndarray):
            assert one.dtype == other.dtype and np.array_equal(one, other)
        elif field.name == "ratings":
            for part in ("data", "indices", "indptr"):
                assert getattr(one, part).dtype == getattr(other, part).dtype
                assert np.array_equal(getattr(one, part), getattr(other, part))
            assert one.shape == other.shape and other.has_canonical_format
        else:
            assert one == other and type(one) is type(other)


def test_the_second_time_nothing_is_parsed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read()
    assert [path.suffix for path in entries(tmp_path)] == [".npz"]
    monkeypatch.setattr(datasets.movielens, "_read_1m", lambda *_: pytest.fail("parsed again"))
    assert_same(first, read())


def test_every_field_comes_back(tmp_path: Path) -> None:
    frame = pd.DataFrame({"user": ["b", "a", "ü", "b"], "item": [1, 2, 1, 1], "rating": [0.0, 2.5, 5.0, 3.0]})
    frame = frame.assign(timestamp=[5, 2**40, -3, 4], expected=frame["rating"] / 3, published_test=[True, False, True, False])
    users = pd.DataFrame({"age": ["old", "young"]}, index=["a", "b"])
    items = pd.DataFrame({"title": ["Ünø", None], "genres": ["Drama|War", None]}, index=[1, 2])
    bare = from_frame("bare", frame[["user", "item", "rating"]])
    (tmp_path / "source").write_bytes(b"x")
    for data in (from_frame("full", frame, users=users, items=items, scale=(0, 5)), bare):
        for _ in range(2):
            assert_same(data, cached(data.name, [tmp_path / "source"], lambda data=data: data))
    assert len(entries(tmp_path)) == 2


def test_other_content_of_the_same_size_and_time_is_read(folder: Path) -> None:
    assert read().ratings.data.tolist() == [5, 3, 4]
    file, state = folder / "ratings.dat", (folder / "ratings.dat").stat()
    file.write_text(ML_1M["ratings.dat"].replace("::5::", "::1::"))
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert file.stat().st_size == state.st_size
    assert read().ratings.data.tolist() == [1, 3, 4]


def test_other_users_or_titles_are_read_too(folder: Path) -> None:
    read()
    (folder / "users.dat").write_text(ML_1M["users.dat"].replace("::F::", "::M::"))
    assert read().users["gender"].tolist() == ["male", "male"]


@pytest.mark.parametrize("change", ["time", "start", "end", "size"])
def test_a_large_file_is_told_by_size_time_and_both_ends(change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "WHOLE", 10)
    monkeypatch.setattr(cache, "SAMPLE", 4)
    source, content = tmp_path / "large", b"abcdefghijklmnop"
    source.write_bytes(content)
    os.utime(source, ns=(10**18, 10**18))
    data, calls = from_frame("x", pd.DataFrame({"user": [1], "item": [1], "rating": [1]})), []

    def parse() -> Interactions:
        calls.append(1)
        return data

    cached("x", [source], parse)
    cached("x", [source], parse)
    assert len(calls) == 1
    source.write_bytes({"time": content, "start": b"X" + content[1:], "end": content[:-1] + b"X", "size": content[:8] + content}[change])
    os.utime(source, ns=(10**18, 10**18 + (change == "time")))
    cached("x", [source], parse)
    assert len(calls) == 2


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "text", "folder"])
def test_a_damaged_entry_is_made_again(damage: str, folder: Path, tmp_path: Path) -> None:
    first, (entry,) = read(), entries(tmp_path)
    good = entry.read_bytes()
    if damage == "folder":
        entry.unlink()
        entry.mkdir()
    else:
        middle = good.index(first.ratings.data.tobytes())
        bit = good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :]
        entry.write_bytes({"cut": good[:-30], "bit": bit, "empty": b"", "text": b"no archive at all"}[damage])
    assert_same(first, read())
    if damage != "folder":
        assert entries(tmp_path) == [entry] and entry.read_bytes() == good


def test_nothing_is_ever_unpickled(folder: Path, tmp_path: Path) -> None:
    first, (entry,) = read(), entries(tmp_path)
    with np.load(entry) as stored:
        arrays = dict(stored)
    bomb = np.empty(1, object)
    bomb[0] = type("Bomb", (), {"__reduce__": lambda self: (pytest.fail, ("unpickled",))})()
    assert b"unpickled" in pickle.dumps(bomb[0])
    np.savez(entry, **(arrays | {"values": bomb}))
    assert_same(first, read())


@pytest.mark.parametrize("obstacle", ["cache is a file", "home cannot be made"])
def test_without_a_place_to_write_it_still_loads(obstacle: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    if obstacle == "cache is a file":
        home.mkdir()
        (home / "cache").write_text("in the way")
    else:
        home.write_text("in the way")
    assert_same(read(), read())


def test_files_that_change_while_they_are_read_are_not_kept(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"before")
    data = from_frame("x", pd.DataFrame({"user": [1], "item": [1], "rating": [1]}))

    def parse() -> Interactions:
        source.write_bytes(b"after!")
        return data

    cached("x", [source], parse)
    assert not (tmp_path / "home" / "cache").exists()


def test_old_entries_and_drafts_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "ENTRIES", 3)
    data = from_frame("x", pd.DataFrame({"user": [1], "item": [1], "rating": [1]}))
    place = tmp_path / "home" / "cache"
    place.mkdir(parents=True)
    for name, age in ((".old.npz.0.tmp", 2 * cache._DRAFT_SECONDS), (".new.npz.0.tmp", 0)):
        (place / name).write_bytes(b"")
        os.utime(place / name, (time.time() - age,) * 2)

    def keep(name: str, content: str, age: int) -> Path:
        (tmp_path / "source").write_text(content)
        known = set(place.iterdir())
        cached(name, [tmp_path / "source"], lambda: data)
        (made,) = set(place.iterdir()) - known
        os.utime(made, (time.time() - age,) * 2)
        return made

    other, first, second = keep("other", "1", 50), keep("mine", "1", 100), keep("mine", "2", 40)
    cached("mine", [tmp_path / "source"], lambda: pytest.fail("parsed again"))  # Used, so no longer the oldest.
    os.utime(second, (time.time() - 10,) * 2)
    third = keep("mine", "3", 5)
    assert {path.name for path in place.iterdir()} == {".new.npz.0.tmp", other.name, second.name, third.name} and not first.exists()
    fourth = keep("mine-2", "1", 1)
    assert {path.name for path in place.iterdir()} == {".new.npz.0.tmp", second.name, third.name, fourth.name}


def test_large_files_by_path_are_kept_by_content_and_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("user,item,rating,liked\n1,2,3,5\n2,2,4,1\n")
    plain = load(DatasetConfig(name=str(path)))
    assert not (tmp_path / "home").exists(), "a small file is not worth it"
    monkeypatch.setattr(datasets, "CACHED_FROM", 10)
    assert_same(plain, load(DatasetConfig(name=str(path))))
    other = load(DatasetConfig(name=str(path), rating="liked"))
    implicit = load(DatasetConfig(name=str(path), implicit=True))
    monkeypatch.setattr(table, "open_table", lambda *_: pytest.fail("parsed again"))
    assert_same(other, load(DatasetConfig(name=str(path), rating="liked")))
    assert (other.ratings.data.tolist(), implicit.ratings.data.tolist()) == ([5, 1], [1, 1])


def test_two_processes_at_once(folder: Path, tmp_path: Path) -> None:
    code = "from engine.datasets import *; print(*[load(DatasetConfig(name='ml-1m')).fingerprint() for _ in range(30)])"
    both = [subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[1], stdout=subprocess.PIPE) for _ in range(2)]
    seen = {word for process in both for word in process.communicate()[0].split()}
    assert seen == {read().fingerprint().encode()} and len(entries(tmp_path)) == 1


def test_a_moved_folder_is_the_same_data(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read()
    folder.parent.rename(tmp_path / "elsewhere")
    monkeypatch.setenv("ENCORE_DATA", str(tmp_path / "elsewhere"))
    monkeypatch.setattr(datasets.movielens, "_read_1m", lambda *_: pytest.fail("parsed again"))
    assert_same(first, read())
