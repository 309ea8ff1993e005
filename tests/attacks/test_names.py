"""Names that try to leave their place: ids, artifacts, uploads, datasets, links in the file system."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import torch

from engine import datasets
from engine.config import parse
from engine.datasets import DatasetConfig, save_upload, uploads
from engine.errors import Damaged, InputError
from engine.lessons import lesson
from engine.presets import preset
from engine.processes import current
from engine.store import MetricRow, RunStore, artifacts
from engine.tables import table
from pages.components.words import plain

RATINGS = b"user,item,rating\n1,2,3\n2,2,4\n2,3,5\n"
CONFIG = parse({"dataset": {"name": "toy"}}).model_dump(mode="json")


@pytest.mark.parametrize(
    "run_id", ["", "..", "../../etc", "0123456789ab/..", "0123456789AB", "0123456789a\n", "calm-otter-1", "0123456789a\0"]
)
def test_a_forged_id_names_no_folder(store: RunStore, run_id: str) -> None:
    for use in (lambda: store.has(run_id, "model"), lambda: store.save(run_id, "model", {}, {}), lambda: store.sizes(run_id)):
        with pytest.raises(InputError):
            use()
    assert not store.artifacts.exists()


@pytest.mark.parametrize("name", ["", "../model", "a/b", "Model", ".hidden", "a.b", "a\0b", "m" * 65, "modèl"])
def test_a_forged_artifact_name_names_no_file(store: RunStore, name: str) -> None:
    with pytest.raises(InputError, match="is no artifact name"):
        store.load("0123456789ab", name)


@pytest.mark.parametrize("run", ["' OR 1=1 --", "'; DROP TABLE runs; --", "%", "_", "*", "\0", "a" * 10_000, "0123456789ab"])
def test_a_forged_run_finds_nothing_and_changes_nothing(store: RunStore, run: str) -> None:
    kept = store.create(CONFIG)
    for use in (store.get, store.delete, lambda one: store.ask(one, "stop")):
        with pytest.raises(InputError, match="There is no run"):
            use(run)
    assert [one.id for one in store.list()] == [kept.id] and store.get(kept.id) == kept


@pytest.mark.parametrize(
    "name",
    [
        "../../../../tmp/evil.csv",
        "..\\..\\evil.csv",
        "/etc/passwd",
        "C:\\Windows\\evil.csv",
        ".csv",
        "...",
        "a\0b.csv",
        "CON.csv",
        "\u202egpj.csv",
        "r" * 5000 + ".csv",
        "ⅰ／ⅱ.csv",
        "<b>.csv",
        "~root.csv",
        "-rf.csv",
    ],
)
def test_an_upload_stays_in_its_folder_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    saved = save_upload(name, RATINGS)
    place = tmp_path / "home" / "datasets" / "uploads"
    files = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    slug = saved.removeprefix("upload:")
    assert files == {f"{slug}/about.json", f"{slug}/ratings.parquet"} and slug.replace("-", "").isalnum() and len(slug) <= 40
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {place / name for name in files}
    assert datasets.load(DatasetConfig(name=saved)).n_ratings == 3


@pytest.mark.parametrize(
    "name", ["upload:../../../etc/passwd", "upload:..", "upload:/etc/passwd", "upload:.draft-1", "upload:a\0b", "upload:*"]
)
def test_a_forged_upload_is_none(name: str) -> None:
    save_upload("mine.csv", RATINGS)
    with pytest.raises(InputError):
        datasets.load(DatasetConfig(name=name))


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "demo.toml", "..", "demo\0", "demo/../demo"])
def test_a_preset_table_or_lesson_comes_from_its_list_alone(name: str) -> None:
    for find in (preset, table, lesson):
        with pytest.raises(InputError, match="Unknown"):
            find(name)


def test_a_link_in_place_of_an_artifact_is_not_followed(store: RunStore, tmp_path: Path) -> None:
    run, other = store.create(CONFIG), store.create(CONFIG)
    store.save(other.id, "model", {"w": torch.ones(2)}, {})
    (store.artifacts / run.id).mkdir()
    link = store.artifacts / run.id / "model.safetensors"
    link.symlink_to(store.artifacts / other.id / "model.safetensors")
    with pytest.raises(Damaged, match="is a link, which Encore does not follow"):
        store.load(run.id, "model")
    with pytest.raises(OSError, match="is a link"):
        store.save(run.id, "model", {"w": torch.zeros(2)}, {})
    assert store.load(other.id, "model")[0]["w"].tolist() == [1, 1]


def test_a_link_in_place_of_a_run_is_taken_away_and_not_emptied(store: RunStore, tmp_path: Path) -> None:
    run = store.create(CONFIG)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "model.safetensors").write_text("mine")
    store.artifacts.mkdir()
    (store.artifacts / run.id).symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="is a link"):
        store.save(run.id, "model", {}, {})
    store.delete(run.id)
    assert (tmp_path / "precious" / "model.safetensors").read_text() == "mine" and not (store.artifacts / run.id).is_symlink()


def test_a_link_in_place_of_an_upload_is_none(tmp_path: Path) -> None:
    saved = save_upload("mine.csv", RATINGS)
    place = tmp_path / "home" / "datasets" / "uploads"
    (tmp_path / "elsewhere").mkdir()
    for path in (place / "mine").iterdir():
        (tmp_path / "elsewhere" / path.name).write_bytes(path.read_bytes())
    (place / "linked").symlink_to(tmp_path / "elsewhere")
    assert [upload.name for upload in uploads()] == [saved]


@pytest.mark.parametrize("tag", ["a\u202eb", "a\u200bb", "\0", "a\nb\x07", "a\u2066b"])
def test_signs_that_nobody_sees_make_no_tag(store: RunStore, tag: str) -> None:
    with pytest.raises(InputError):
        store.edit(store.create(CONFIG).id, tags=[tag])


def test_letters_that_turn_others_round_are_not_shown() -> None:
    assert plain("photo\u202egnp.exe \u2066x\u2069 \x1b[31m \ud800") == "photognp.exe x \\[31m ?"
    assert plain("नमस्ते می\u200cخواهم 👩\u200d🔬") == "नमस्ते می\u200cخواهم 👩\u200d🔬"


def test_many_delete_a_running_run_at_once(store: RunStore) -> None:
    run, other = store.create(CONFIG), store.create(CONFIG)
    store.claim(run.id, current())
    store.save(run.id, "model", {"w": torch.ones(2)}, {})
    together, refused, told = threading.Barrier(8, timeout=60), threading.Event(), []
    until = time.monotonic() + 60

    def attack() -> None:
        mine = RunStore(store.url, store.artifacts)
        together.wait()
        answer = ""
        while answer != "deleted" and not answer.startswith("There is no run") and time.monotonic() < until:
            try:
                mine.delete(run.id)
                answer = "deleted"
            except InputError as error:
                answer = str(error)
                refused.set()
            told.append(answer)
        mine.close()

    threads = [threading.Thread(target=attack) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert refused.wait(60), "they try while it runs"
    assert all(store.add_metrics(run.id, [MetricRow(step, "loss", 0.5, 1, 1)]) for step in range(20))
    assert store.load(run.id, "model")[0]["w"].tolist() == [1, 1]
    store.finish(run.id, "stopped")
    for thread in threads:
        thread.join()
    gone = f"There is no run '{run.id}'."
    assert told.count("deleted") == 1 and told.count(gone) == 7
    assert {sentence.partition(":")[0] for sentence in told} == {"deleted", f"Run '{run.name}' is running", gone}
    assert store.find(run.id) is None and not artifacts.folder(store.artifacts, run.id).exists()
    assert store.get(other.id) == other
