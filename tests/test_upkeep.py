"""What looks after a store must not be what loses it: backup, restore and clean amid work, on full disks, with unlucky names."""

from __future__ import annotations

import contextlib
import errno
import io
import sqlite3
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock, Timeout
from streamlit.testing.v1 import AppTest

from engine import presets
from engine.background.place import place
from engine.config import parse
from engine.datasets import save_upload
from engine.errors import InputError
from engine.settings import Settings, settings
from engine.store import Run, RunStore
from engine.upkeep import back_up, put_back, restore, scraps
from tests.cli import call, last_json

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


def test_somebody_who_opens_the_store_while_it_is_put_back_keeps_it(backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true, opened = restore._put_files, []

    def opening(*arguments: Any) -> None:
        true(*arguments)
        opened.append("process 1 (streamlit)")

    monkeypatch.setattr(restore, "_put_files", opening)
    monkeypatch.setattr(restore, "users_of", lambda _: opened)
    database = settings().home / "encore.db"
    before = database.read_bytes()
    with pytest.raises(InputError, match=r"is open in process 1 \(streamlit\): end it first"):
        put_back(backup, settings())
    assert database.read_bytes() == before and not [*database.parent.glob("*.before-*")]


def test_artifacts_of_a_run_that_is_running_are_not_put_back(store: RunStore, tmp_path: Path) -> None:
    run = made(store)
    back_up(store, settings(), tmp_path / "backup.zip")
    store.ask(run.id, "run")
    store.claim(run.id)
    store.save(run.id, "model", {"w": torch.tensor([2.0])}, {})
    with pytest.raises(InputError, match=f"Run '{run.name}' is running: pause or stop it"):
        put_back(tmp_path / "backup.zip", settings(), run.id)
    assert store.load(run.id, "model")[0]["w"] == 2
    store.finish(run.id, "failed", error="It is to go on.")
    assert put_back(tmp_path / "backup.zip", settings(), run.id) == {"files": 1, "former": None}
    assert store.load(run.id, "model")[0]["w"] == 1


def test_backup_and_restore_by_the_command_line(store: RunStore, tmp_path: Path) -> None:
    run, backup = made(store), tmp_path / "backup.zip"
    mine = presets.save("mine", "Mine", "What I found.", CONFIG)
    told = last_json(call("store", "backup", backup, "--json"))
    assert (told["runs"], told["artifacts"], told["presets"], told["left_out"]) == (1, 1, 1, [])
    before = backup.read_bytes()
    assert "There is a file" in call("store", "backup", backup, code=2).stderr and backup.read_bytes() == before
    call("store", "backup", backup, "--force")
    (presets.saved() / "mine.toml").unlink()
    store.ask(run.id, "run")  # waits only in the database that is put away
    later = made(store)
    store.save(run.id, "model", {"w": torch.tensor([2.0])}, {})
    store.close()
    found = last_json(call("store", "restore", backup, "--json"))
    assert presets.preset("mine").values == mine.values
    assert found["files"] == 3 and names(Path(found["former"])) == {run.name, later.name} and names() == {run.name}
    assert store.load(run.id, "model")[0]["w"] == 1
    store.save(run.id, "model", {"w": torch.tensor([3.0])}, {})
    assert "1 files were put back" in call("store", "restore", backup, "--run", run.name).stdout
    assert store.load(run.id, "model")[0]["w"] == 1


def test_no_engine_begins_while_a_store_is_put_back(backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true, lock = restore._put_files, place(settings()).lock

    def trying(*arguments: Any) -> None:
        with pytest.raises(Timeout), FileLock(lock, timeout=0, is_singleton=False):
            """No daemon could serve."""
        true(*arguments)

    monkeypatch.setattr(restore, "_put_files", trying)
    with FileLock(lock):
        before = files(settings().home)
        assert "is at work on this store" in call("store", "restore", backup, code=2).stderr
        assert files(settings().home) == before
    call("store", "restore", backup)
    with FileLock(lock, timeout=0):
        """It is free again."""


def test_artifacts_of_a_run_whose_id_is_damaged_are_no_orphans(store: RunStore) -> None:
    run, gone = made(store), made(store)
    before = {one.path.name for one in scraps(store, settings(), ("orphans",))}
    with contextlib.closing(sqlite3.connect(settings().home / "encore.db")) as connection, connection:
        connection.execute("DELETE FROM runs WHERE id = ?", (gone.id,))
    orphans = [one.path.name for one in scraps(store, settings(), ("orphans",))]
    with contextlib.closing(sqlite3.connect(settings().home / "encore.db")) as connection, connection:
        connection.execute("UPDATE runs SET id = 'no id' WHERE id = ?", (run.id,))
    assert (before, orphans) == (set(), [gone.id])
    assert not store.list() and not scraps(store, settings(), ("orphans",))
    call("store", "clean", "--orphans")
    assert {path.name for path in store.artifacts.iterdir()} == {run.id, gone.id}


def test_room_is_asked_for_under_the_settings_in_force_but_for_the_quota(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Settings] = []
    monkeypatch.setattr("engine.disk.require", lambda _needed, _what, where: asked.append(where))
    here = replace(settings(), executor="tcp://lab:8786", quota=1.0)
    store = RunStore(here.store_url, here.artifacts)
    back_up(store, here, tmp_path / "other.zip")
    store.close()
    put_back(backup, here)
    assert asked == [replace(here, home=tmp_path, quota=None), replace(here, quota=None)]
