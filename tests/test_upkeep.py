"""What looks after a store must not be what loses it: backup, restore and clean amid work, on full disks, with unlucky names."""

from __future__ import annotations

import errno
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from streamlit.testing.v1 import AppTest

from engine.config import parse
from engine.datasets import save_upload
from engine.errors import InputError
from engine.settings import settings
from engine.store import Run, RunStore
from engine.upkeep import back_up, put_back

CONFIG = parse({"dataset": {"name": "toy"}}).model_dump(mode="json")


def made(store: RunStore, value: float = 1.0) -> Run:
    """A run that has ended and could go on, with weights."""
    run = store.create(CONFIG)
    store.claim(run.id)
    store.save(run.id, "model", {"w": torch.tensor([value])}, {})
    store.finish(run.id, "failed", error="It is to go on.")
    return store.get(run.id)


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(where: Path | None = None) -> set[str]:
    store = RunStore(f"sqlite:///{where}" if where else settings().store_url, settings().artifacts)
    found = {run.name for run in store.list()}
    store.close()
    return found


@pytest.fixture
def backup(store: RunStore, tmp_path: Path) -> Path:
    """Of a store with one run; another came later, and stands in the database's log alone."""
    made(store)
    back_up(store, settings(), tmp_path / "backup.zip")
    store.close()
    return tmp_path / "backup.zip"


@pytest.mark.parametrize("failing", ["os.fsync", "pathlib.Path.replace", "os.link", "shutil.copyfile"])
def test_a_restore_on_a_full_disk_leaves_the_database_in_place(failing: str, backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later = RunStore(settings().store_url, settings().artifacts)
    made(later)
    log = files(settings().home)
    later.close()
    for path, content in log.items():  # as a killed process leaves it: with a log beside it
        path.write_bytes(content)
    database = settings().home / "encore.db"
    there = {path: content for path, content in files(database.parent).items() if not path.name.endswith("-shm")}
    assert len(there[database.with_name("encore.db-wal")]) > 1000

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(failing, full)
        if failing == "shutil.copyfile":
            patch.setattr("os.link", full)
        if failing == "os.link":  # a disk that knows none: a copy does
            assert put_back(backup, settings())["former"]
        else:
            with pytest.raises(InputError, match=r"cannot be put back \(No space left on device\): make room"):
                put_back(backup, settings())
            assert {path: content for path, content in files(database.parent).items() if not path.name.endswith("-shm")} == there
            assert len(names()) == 2


def test_the_former_database_is_whole_with_what_its_log_held_and_none_replaces_another(backup: Path) -> None:
    later = RunStore(settings().store_url, settings().artifacts)
    known = {run.name for run in later.list()} | {made(later).name}
    log = files(settings().home)
    later.close()
    for path, content in log.items():
        path.write_bytes(content)
    formers = [put_back(backup, settings())["former"] for _ in range(3)]
    assert len({*formers}) == 3 and len(names()) == 1
    assert names(Path(formers[0])) == known


def test_the_database_is_there_at_every_instant(backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database, true, missing = settings().home / "encore.db", Path.replace, []

    def looked(path: Path, target: Path) -> Path:
        found = true(path, target)
        missing.append(not database.exists())
        return found

    monkeypatch.setattr(Path, "replace", looked)
    put_back(backup, settings())
    assert missing and not any(missing)


INSIDE = ["encore.db", "encore.db-wal", "artifacts/b.zip", "artifacts/{run}/model.safetensors", "datasets/uploads/b.zip"]


@pytest.mark.parametrize("name", INSIDE)
def test_a_backup_never_replaces_what_it_is_of(name: str, store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, home = made(store), settings().home
    (tmp_path / "link").symlink_to(home)
    before = files(home)
    monkeypatch.chdir(home)
    for target in (home / name.format(run=run.id), Path(name.format(run=run.id)), tmp_path / "link" / name.format(run=run.id)):
        with pytest.raises(InputError, match="is part of the store itself or lies among its files: name another file"):
            back_up(store, settings(), target)
    assert files(home) == before


def test_a_backup_leaves_out_damaged_uploads_and_says_so(store: RunStore, tmp_path: Path) -> None:
    for name in ("one", "other", "linked"):
        save_upload(f"{name}.csv", f"user,item,rating\n1,{name},3\n2,2,4\n2,3,5\n".encode())
    uploads = settings().datasets / "uploads"
    (uploads / "one" / "ratings.parquet").write_bytes(b"no parquet")
    (uploads / "linked" / "about.json").rename(tmp_path / "about.json")
    (uploads / "linked" / "about.json").symlink_to(tmp_path / "about.json")
    told = back_up(store, settings(), tmp_path / "backup.zip")
    assert (sorted(told["left_out"]), told["uploads"]) == (["upload:linked", "upload:one"], 2)
    with zipfile.ZipFile(tmp_path / "backup.zip") as packed:
        assert {name for name in packed.namelist() if name.startswith("uploads/")} == {
            "uploads/other/about.json",
            "uploads/other/ratings.parquet",
        }


def test_a_backup_counts_uploads_before_it_begins(store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_upload("mine.csv", b"user,item,rating\n1,2,3\n2,2,4\n2,3,5\n")
    with (settings().datasets / "uploads" / "mine" / "large").open("wb") as large:
        large.truncate(50_000_000)
    monkeypatch.setattr("engine.disk.free", lambda _: 520_000_000)
    with pytest.raises(InputError, match=r"This backup needs about 50\.\d MB on disk"):
        back_up(store, settings(), tmp_path / "backup.zip")


def test_what_cannot_be_read_is_not_told_as_a_backup_that_cannot_be_written(
    store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_upload("mine.csv", b"user,item,rating\n1,2,3\n2,2,4\n2,3,5\n")
    true = Path.open

    def failing(path: Path, *arguments: Any, **options: Any) -> Any:
        stream = true(path, *arguments, **options)
        return Unreadable(stream) if path.name == "ratings.parquet" else stream

    monkeypatch.setattr("engine.upkeep.backup.damaged_uploads", lambda _: {})
    monkeypatch.setattr(Path, "open", failing)
    with pytest.raises(InputError, match=r"ratings\.parquet cannot be read \(Input/output error\), so nothing was backed up"):
        back_up(store, settings(), tmp_path / "backup.zip")
    assert not (tmp_path / "backup.zip").exists()


class Unreadable(io.BufferedReader):
    """A file on a disk that fails."""

    def read(self, *_: Any) -> bytes:
        raise OSError(errno.EIO, "Input/output error")


def opened_fold() -> None:
    """The inside of the fold, for a simulated browser cannot open one."""
    from pages.components import disk_fold

    disk_fold._inside()


def test_the_page_removes_what_it_showed_and_nothing_that_is_needed_again(store: RunStore) -> None:
    _, starred, resumed, later = (made(store) for _ in range(4))
    store.ask(later.id, "run")
    page = AppTest.from_function(opened_fold, default_timeout=60)
    page.session_state["disk.kinds"] = ["weights"]
    page.session_state["disk.days"] = 0
    page.run()
    store.edit(starred.id, starred=True)
    store.ask(resumed.id, "run")
    store.ask(later.id, "stop")  # has ended by now, but nobody was shown it
    page.button(key="disk-remove").click().run()
    assert not page.exception
    assert {path.name for path in store.artifacts.iterdir()} == {starred.id, resumed.id, later.id}
