"""Files that want to run, to grow, or to be what they are not: checkpoints, exports, backups, caches."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import sqlite3
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from engine.commands import main
from engine.config import parse
from engine.datasets import DatasetConfig, load
from engine.errors import Damaged, InputError
from engine.pairwise import read_pairs
from engine.settings import settings
from engine.spreadsheets import to_csv
from engine.store import RunStore
from engine.store.artifacts import file
from engine.store.migrations import VERSION
from engine.upkeep import back_up, put_back

CONFIG = parse({"dataset": {"name": "toy"}}).model_dump(mode="json")


class Bomb:
    """Fails the test once it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return pytest.fail, ("something was unpickled",)


def pickled() -> bytes:
    return pickle.dumps(Bomb())


def torched() -> bytes:
    target = io.BytesIO()
    torch.save({"w": Bomb()}, target)
    return target.getvalue()


def npz() -> bytes:
    target = io.BytesIO()
    np.savez(target, w=np.array([Bomb()], object))
    return target.getvalue()


def foreign() -> bytes:
    return b"".join([struct.pack("<Q", 2), b"{}"])


def endless_header() -> bytes:
    return struct.pack("<Q", 2**63) + b"{" * 1000


def deep_header() -> bytes:
    header = b'{"__metadata__":' + b'{"a":' * 50_000
    return struct.pack("<Q", len(header)) + header


@pytest.mark.parametrize("made", [pickled, torched, npz, foreign, endless_header, deep_header, bytes], ids=lambda made: made.__name__)
def test_a_file_offered_as_a_checkpoint_is_named_and_never_run(made: Callable[[], bytes], store: RunStore) -> None:
    run = store.create(CONFIG)
    path = file(store.artifacts, run.id, "model")
    path.parent.mkdir(parents=True)
    path.write_bytes(made())
    with pytest.raises(Damaged, match=f"'model' of run '{run.id}' is damaged"):
        store.load(run.id, "model")
    assert [*store.damage(run.id)] == ["model"]


def test_safetensors_from_elsewhere_are_none_of_encores(store: RunStore) -> None:
    run = store.create(CONFIG)
    path = file(store.artifacts, run.id, "model")
    path.parent.mkdir(parents=True)
    for metadata in (None, {"format": "pt"}, {"meta": "{}", "sha256": "0" * 64}, {"meta": "{}", "sha256": "x"}):
        save_file({"w": torch.ones(2)}, path, metadata=metadata)
        with pytest.raises(Damaged):
            store.load(run.id, "model")


def test_another_runs_weights_are_not_taken_for_its_own(store: RunStore) -> None:
    run, other = store.create(CONFIG), store.create(CONFIG)
    for one, value in ((run, 1.0), (other, 2.0)):
        store.save(one.id, "model", {"w": torch.tensor([value])}, {})
    store.save(run.id, "svd", {"w": torch.tensor([3.0])}, {})
    target = file(store.artifacts, run.id, "model")
    for source in (file(store.artifacts, other.id, "model"), file(store.artifacts, run.id, "svd")):
        target.write_bytes(source.read_bytes())
        with pytest.raises(Damaged, match="its checksum is not the one that it was saved with"):
            store.load(run.id, "model")


FORMULAS = [
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "＝1+1",
    "'=1+1",
    "''@x",
    '=HYPERLINK("http://evil")',
    "a;=1+1",
    "a\t=1",
]


def test_no_cell_of_an_export_begins_a_formula() -> None:
    table = pd.DataFrame({"=title": FORMULAS, "number": np.linspace(-1, 1, len(FORMULAS))})
    text = to_csv(table)
    cells = pd.read_csv(io.StringIO(text), keep_default_na=False)
    assert all(not str(cell).startswith(("=", "+", "-", "@", "\t", "\r", "＝")) for cell in [*cells.columns, *cells.iloc[:, 0]])
    assert cells["number"].tolist() == pytest.approx(table["number"].tolist())
    # Where commas mean decimals, the same file is parted at semicolons; between quotes it is not.
    other = pd.read_csv(
        io.StringIO(text.replace("\r", " ")), sep=";", header=None, keep_default_na=False, quotechar='"', on_bad_lines="error"
    )
    assert not any(str(cell).startswith("=") for cell in other.to_numpy().ravel())


def test_the_command_lines_files_hold_no_formula_and_are_read_back(tmp_path: Path) -> None:
    ids = ["=1+1", "@b", "+c+d", "e"]
    lines = "".join(f"{user},{item},{1 + (row + place) % 5}\n" for row, user in enumerate(ids) for place, item in enumerate(ids))
    (tmp_path / "evil.csv").write_text("user,item,rating\n" + lines)
    data, factors = str(tmp_path / "evil.csv"), tmp_path / "factors.csv"
    told = CliRunner().invoke(main, ["svd", "--dataset", data, "--rank", "2", "--factors", str(factors)])
    assert told.exit_code == 0, told.stderr
    assert {line.split(",")[1].strip('"')[0] for line in factors.read_text().splitlines()[1:]} == {"'", "e"}
    pairs = pd.DataFrame({"user": ids, "item_a": ids, "item_b": ids[1:] + ids[:1]})
    read = read_pairs(to_csv(pairs).encode(), load(DatasetConfig(name=data)), "pairs.csv")
    pd.testing.assert_frame_equal(read, pairs.astype(read.dtypes.to_dict()))


@pytest.fixture
def backup(store: RunStore, tmp_path: Path) -> Path:
    run = store.create(CONFIG)
    store.save(run.id, "model", {"w": torch.ones(2)}, {})
    back_up(store, settings(), tmp_path / "backup.zip")
    store.close()
    return tmp_path / "backup.zip"


def changed(backup: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    with zipfile.ZipFile(backup) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    change(files)
    other = backup.with_name("changed.zip")
    with zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return other


def listed(name: str, content: bytes) -> Callable[[dict[str, bytes]], None]:
    """Puts a file into a backup, and into its list too."""
    import hashlib

    def change(files: dict[str, bytes]) -> None:
        manifest = json.loads(files["manifest.json"])
        manifest["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        files |= {name: content, "manifest.json": json.dumps(manifest).encode()}

    return change


OUTSIDE = [
    "../evil",
    "/etc/evil",
    "artifacts/../../evil",
    "artifacts/0123456789ab/../../evil.safetensors",
    "uploads/../x/about.json",
    "evil.py",
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_backup_that_points_out_of_its_place_puts_nothing_back(name: str, backup: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="which no backup of Encore does; nothing was put back"):
        put_back(changed(backup, listed(name, b"evil")), settings())
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "changed.zip"}
    assert after == before


def test_a_backup_whose_files_were_changed_puts_nothing_back(backup: Path) -> None:
    def weights(files: dict[str, bytes]) -> None:
        name = next(name for name in files if name.endswith(".safetensors"))
        files[name] = files[name][:-1] + b"x"

    for change in (weights, lambda files: files.pop("encore.db"), lambda files: files.update({"manifest.json": b"[" * 100_000})):
        with pytest.raises(InputError, match=r"nothing was put back|cannot be read"):
            put_back(changed(backup, change), settings())  # type: ignore[arg-type]
    assert len(RunStore(settings().store_url, settings().artifacts).list()) == 1


NONE, NEWER = "is none of Encore's", "was written by a newer Encore"
FOREIGN = {
    "": NONE,
    "CREATE TABLE x (y)": NONE,
    "CREATE TABLE encore_schema (version)": NONE,
    "CREATE TABLE encore_schema AS SELECT 'x' version": NONE,
    f"CREATE TABLE encore_schema AS SELECT {VERSION + 1} version": NEWER,
}


@pytest.mark.parametrize("made", FOREIGN)
def test_a_foreign_database_in_a_backup_puts_nothing_back(made: str, backup: Path, tmp_path: Path) -> None:
    content = b"no database"
    if made:
        with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as connection, connection:
            connection.execute(made)
        content = (tmp_path / "other.db").read_bytes()
    offered = changed(backup, listed("encore.db", content))
    store = RunStore(settings().store_url, settings().artifacts)
    store.save(store.list()[0].id, "model", {"w": torch.zeros(2)}, {})  # newer than the backup's
    store.close()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=f"{FOREIGN[made]}.* nothing was put back"):
        put_back(offered, settings())
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_backup_that_would_fill_the_disk_is_refused(backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = changed(backup, listed("artifacts/0123456789ab/model.safetensors", bytes(50_000_000)))
    assert bomb.stat().st_size < 2_000_000
    monkeypatch.setattr("engine.disk.free", lambda _: 520_000_000)
    with pytest.raises(InputError, match=r"needs about 50\.\d MB on disk, and 20\.0 MB can be used"):
        put_back(bomb, settings())


def test_a_store_that_somebody_has_open_is_not_replaced(backup: Path) -> None:
    file = settings().home / "encore.db"
    program = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM runs'); print('open', flush=True); input()"
    other = subprocess.Popen([sys.executable, "-c", program, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdin is not None and other.stdout is not None
    try:
        assert other.stdout.readline() == "open\n"
        before = file.read_bytes()
        with pytest.raises(InputError, match=rf"is open in process {other.pid} \(.+\): end it first"):
            put_back(backup, settings())
        assert file.read_bytes() == before
    finally:
        other.communicate("\n", timeout=30)
    assert put_back(backup, settings())["former"]
