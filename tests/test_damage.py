"""Bits that flip and files that are cut, at 200 seeded places: the app starts, names what is damaged, and loses no other run.

`make test` draws a sample; with ENCORE_SOAK=1 all places are damaged.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from click.testing import CliRunner

from engine import datasets, runs
from engine.commands import main
from engine.config import parse
from engine.datasets import DatasetConfig, save_upload
from engine.errors import Damaged, InputError
from engine.settings import Settings, settings
from engine.store import MetricRow, RunStore, opened
from engine.upkeep import back_up, check, put_back, remove, scraps
from tests.soak import SOAK
from tests.test_dataset_cache import ML_1M, assert_same
from tests.visits import dashboard, visited

PLACES = {"encore.db": 80, "encore.db-wal": 30, "model": 25, "checkpoint": 25, "upload": 20, "cache": 20}
"""How many places are damaged in what."""
EVERY = 1 if SOAK else 10
CASES = [(what, seed) for what, count in PLACES.items() for seed in range(0, count, EVERY)]
RESTORE = "python -m engine store restore"


class Content(NamedTuple):
    """All that a store holds of one run."""

    row: Any
    metrics: Any
    lists: Any
    logs: Any
    weights: Any


@dataclass(frozen=True)
class World:
    """A home with runs, an upload and a cached dataset; its backup; and what it held when it was whole."""

    home: Path
    data: Path
    backup: Path
    runs: dict[str, Content]
    settled: frozenset[str]
    upload: Any
    cached: Any

    def settings(self, home: Path) -> Settings:
        return Settings(home, self.data, f"sqlite:///{home / 'encore.db'}")


def content(store: RunStore, run_id: str) -> Content:
    weights = {name: {key: value.tolist() for key, value in store.load(run_id, name)[0].items()} for name in store.sizes(run_id)}
    metrics = store.metrics(run_id).astype(object).where(lambda frame: frame.notna(), None).to_numpy().tolist()
    return Content(store.get(run_id), metrics, store.lists(run_id), store.logs(run_id), weights)


def add_run(store: RunStore, number: int) -> str:
    run = store.create(parse({"dataset": {"name": "toy"}, "training": {"epochs": 5, "seed": number}}).model_dump(mode="json"))
    store.claim(run.id)
    store.add_facts(run.id, {"sizes": {"users": 18, "items": 10, "train": 30, "validation": 5, "test": 5}, "watch_user": "1"})
    names = ("train/loss", "validation/rmse", "batch/loss")
    store.add_metrics(run.id, [MetricRow(step, name, 1 / step, step / 2, step * 0.1) for step in range(1, 21) for name in names])
    for epoch in range(3):
        store.add_list(
            run.id, epoch, "run", "1", [{"item": str(i), "title": f"Film {i}", "score": 3.5 - i / 9, "hit": i == 1} for i in range(5)]
        )
        store.log(run.id, f"epoch {epoch} · loss 0.5")
    store.edit(run.id, tags=["lesson"], remark="A note on this run.")
    for name in ("model", "checkpoint"):
        store.save(run.id, name, {"w": torch.full((20, 10), float(number)), "b": torch.arange(10.0)}, {"epoch": number})
    store.finish(run.id, "stopped", summary={"metrics": {"test": {"rmse": 0.9}}})
    return run.id


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Runs in the database's file, and later ones in its log alone."""
    place = tmp_path_factory.mktemp("damage")
    home, data = place / "home", place / "data"
    (data / "ml-1m").mkdir(parents=True)
    for name, text in ML_1M.items():
        (data / "ml-1m" / name).write_text(text, encoding="latin-1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENCORE_HOME", str(home))
        patch.setenv("ENCORE_DATA", str(data))
        patch.delenv("ENCORE_STORE", raising=False)
        here = settings()
        store = RunStore(here.store_url, here.artifacts)
        settled = {add_run(store, number) for number in range(6)}
        store.close()  # the last to leave writes the log into the file
        store = RunStore(here.store_url, here.artifacts)
        for number in range(6, 9):
            add_run(store, number)
        name = save_upload("mine.csv", b"user,item,rating\n1,2,3\n2,2,4\n2,3,5\n")
        upload, cached = datasets.load(DatasetConfig(name=name)), datasets.load(DatasetConfig(name="ml-1m"))
        runs = {run.id: content(store, run.id) for run in store.list()}
        backup = place / "backup.zip"
        back_up(store, here, backup)
        still = place / "still"
        shutil.copytree(home, still, ignore=shutil.ignore_patterns("*-shm"))
        store.close()
    assert (still / "encore.db-wal").stat().st_size > 10_000
    yield World(still, data, backup, runs, frozenset(settled), upload, cached)


@pytest.fixture
def home(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the home, which is the one in force."""
    place = tmp_path / "home"
    shutil.copytree(world.home, place)
    monkeypatch.setenv("ENCORE_HOME", str(place))
    monkeypatch.setenv("ENCORE_DATA", str(world.data))
    return place


def target(home: Path, what: str, dice: random.Random) -> Path:
    if what in ("model", "checkpoint"):
        return dice.choice(sorted((home / "artifacts").glob(f"*/{what}.safetensors")))
    if what == "upload":
        return dice.choice(sorted((home / "datasets" / "uploads").glob("*/*")))
    return next((home / "cache").glob("*.npz")) if what == "cache" else home / what


def damage(file: Path, dice: random.Random) -> str:
    """Flips a bit, three bytes or a stretch of them, or cuts the file. Returns what was done."""
    found = bytearray(file.read_bytes())
    at = dice.randrange(len(found))
    way = dice.choice(["bit", "bit", "bytes", "stretch", "cut"])
    if way == "cut":
        found = found[:at]
    elif way == "bit":
        found[at] ^= 1 << dice.randrange(8)
    else:
        for place in range(at, min(len(found), at + (3 if way == "bytes" else 200))):
            found[place] = dice.randrange(256)
    if bytes(found) == file.read_bytes():
        found[at] ^= 1
    file.write_bytes(found)
    return way


def differing(store: RunStore, world: World, among: frozenset[str] | None = None) -> set[str]:
    """Runs (of all, or of these) that are missing or not what they were; that one cannot be read at all, must be said as Damaged."""
    found = set()
    there = {run.id for run in store.list()}
    for run_id in among or world.runs:
        before = world.runs[run_id]
        try:
            if run_id not in there or content(store, run_id) != before:
                found.add(run_id)
        except Damaged:
            found.add(run_id)
    return found


def put_right(world: World, home: Path) -> None:
    """A backup puts everything back, as the sentence says."""
    put_back(world.backup, world.settings(home))
    store = opened(world.settings(home).store_url, home / "artifacts")
    assert not differing(store, world) and not check(store, world.settings(home))
    store.close()


@pytest.mark.soak
@pytest.mark.parametrize(("what", "seed"), CASES)
def test_damage_is_met(what: str, seed: int, world: World, home: Path) -> None:
    dice = random.Random(f"{what} {seed}")
    file, expected = target(home, what, dice), None
    if what == "encore.db" and seed % 20:  # most pages of a database without a log are needed
        (home / "encore.db-wal").unlink()
        expected = world.settled
    way = damage(file, dice)
    where = world.settings(home)
    try:
        store = opened(where.store_url, home / "artifacts")
    except Damaged as error:
        assert what == "encore.db" and RESTORE in str(error) and "\n" not in str(error)
        put_right(world, home)
        return
    changed = differing(store, world, expected)
    if what in ("model", "checkpoint"):
        owner = file.parent.name
        assert changed == {owner} and [*store.damage(owner)] == [what]
        with pytest.raises(Damaged, match=rf"'{what}' of run '{owner}' is damaged .*{RESTORE} BACKUP --run {owner}"):
            store.load(owner, what)
        put_back(world.backup, where, owner)
        assert not differing(store, world)
    elif what == "upload":
        assert not changed and [finding.kind for finding in check(store, where)] == ["upload"]
        with pytest.raises(InputError, match="upload its file again"):
            datasets.load(DatasetConfig(name="upload:mine"))
    elif what == "cache":
        assert not changed
        assert_same(datasets.load(DatasetConfig(name="ml-1m")), world.cached)
    elif what == "encore.db-wal":
        assert not changed & world.settled, "what stands in the file itself is whole"
    else:
        # What no check can see is a value of one run; what was cut off stands in the log too.
        assert len(changed) <= (way != "cut")
    if what != "upload":
        assert_same(datasets.load(DatasetConfig(name="upload:mine")), world.upload)
    store.close()


def flip(file: Path, at: int) -> None:
    found = bytearray(file.read_bytes())
    found[at] ^= 1
    file.write_bytes(found)


@pytest.mark.usefixtures("no_daemon")
def test_a_damaged_database_is_one_sentence_on_the_page_and_on_the_command_line(home: Path) -> None:
    (home / "encore.db-wal").unlink()
    (home / "encore.db").write_bytes((home / "encore.db").read_bytes()[:20_000])
    page = dashboard().run()
    assert not page.exception and len(page.error) == 1 and not page.title
    assert "is damaged" in page.error[0].value and str(home) not in page.error[0].value
    assert [code.value for code in page.code] == [f".venv/bin/{RESTORE} BACKUP.zip"]
    for command in (["runs"], ["train", "--dataset", "toy"], ["store", "clean", "--preview"]):
        told = CliRunner().invoke(main, command)
        assert (told.exit_code, told.stdout) == (2, "") and RESTORE in told.stderr and told.stderr.count("\n") == 1
    told = CliRunner().invoke(main, ["store", "check"])
    assert told.exit_code == 1 and RESTORE in told.stdout


def test_a_database_cut_to_nothing_is_not_taken_for_a_new_one(world: World, home: Path) -> None:
    for name in ("encore.db", "encore.db-wal"):
        (home / name).write_bytes(b"")
    with pytest.raises(Damaged, match=f"it is empty, although runs have left artifacts.*{RESTORE}"):
        RunStore(world.settings(home).store_url, home / "artifacts")
    put_right(world, home)


@pytest.mark.usefixtures("no_daemon")
def test_a_damaged_artifact_is_named_by_its_run_and_no_other(world: World, home: Path) -> None:
    owner, other = sorted(world.runs)[:2]
    flip(home / "artifacts" / owner / "model.safetensors", 400)
    told = [error.value for error in visited("pages/runs.py", run=owner).error]
    assert len(told) == 1 and f"'model' of run '{owner}' is damaged" in told[0].replace("\\", "")
    assert not visited("pages/runs.py", run=other).error


@pytest.mark.usefixtures("no_daemon")
def test_a_damaged_row_is_told_by_its_run_and_no_other(world: World, home: Path) -> None:
    owner, other = sorted(world.runs)[:2]
    with contextlib.closing(sqlite3.connect(home / "encore.db")) as connection, connection:
        connection.execute("UPDATE runs SET config = replace(config, '{', '['), state = 'finjshed', created = 1e300 WHERE id = ?", (owner,))
    store = opened(world.settings(home).store_url, home / "artifacts")
    assert {run.id for run in store.list()} == set(world.runs) and store.get(owner).state == "failed"
    assert [finding.kind for finding in check(store, world.settings(home))] == ["database"]
    store.close()
    for page in (visited("pages/start.py"), visited("pages/runs.py"), visited("pages/train.py", run=other)):
        assert not page.error
    assert any("row of this run is damaged" in error.value for error in visited("pages/runs.py", run=owner).error)


def test_a_damaged_checkpoint_fails_its_run_and_the_next_resume_trains_anew(tmp_path: Path) -> None:
    here = settings()
    store = RunStore(here.store_url, here.artifacts)
    config = parse({"dataset": {"name": "toy"}, "model": {"layers": [4]}, "training": {"epochs": 2}})
    run, whole = (store.create(config.model_dump(mode="json"), want=want) for want in ("step", "run"))
    runs.execute(run.id, store)
    assert store.get(run.id).state == "paused"
    flip(store.artifacts / run.id / "checkpoint.safetensors", 900)
    store.ask(run.id, "run")
    runs.execute(run.id, store)
    failed = store.get(run.id)
    assert (failed.state, failed.error) == (
        "failed",
        f"The checkpoint of {run.name} is damaged and was set aside: resume the run to train it anew.",
    )
    store.ask(run.id, "run")
    for one in (run, whole):
        runs.execute(one.id, store)
    again, undisturbed = (store.get(one.id).summary["metrics"] for one in (run, whole))  # type: ignore[index]
    assert again == undisturbed
    assert [scrap.about for scrap in scraps(store, here, ("damaged",))] == [f"checkpoint of run {run.id}"]
    assert remove(scraps(store, here, ("damaged",))) > 0 and not scraps(store, here, ("damaged",))
    store.close()
