"""What looks after a store must not be what loses it: backup, restore and clean amid work, on full disks, with unlucky names."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch

from engine.config import parse
from engine.errors import InputError
from engine.settings import settings
from engine.store import Run, RunStore
from engine.upkeep import back_up, put_back

CONFIG = parse({"dataset": {"name": "toy"}}).model_dump(mode="json")


def made(store: RunStore, value: float = 1.0) -> Run:
    """A run that has stopped, with weights."""
    run = store.create(CONFIG)
    store.claim(run.id)
    store.save(run.id, "model", {"w": torch.tensor([value])}, {})
    store.finish(run.id, "stopped")
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
