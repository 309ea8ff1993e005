"""A run as a folder that needs no Encore: what was configured, what was measured, what was learned, and a script that uses it."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors.torch import save_file

from engine import experiment
from engine.config import RunConfig, parse, to_toml
from engine.errors import InputError
from engine.export.restated import Restated, restate
from engine.export.script import script
from engine.files import making
from engine.models import MODELS
from engine.splits import Split
from engine.spreadsheets import to_csv
from engine.store import Run, RunStore
from engine.store.database import to_json

FACTS = ("split_fingerprint", "versions", "sizes", "dropped", "scale", "liked", "parameters", "device", "threads", "baselines")
"""Of what a run knows of itself, what stands among the figures."""


def export(run_id: str, store: RunStore, folder: Path, split: Split | None = None) -> Run:
    """Writes a run as a new folder, whole or not at all.

    config.toml; metrics.csv (every row of its curves); weights.safetensors (the best model's, on the CPU); items.csv and users.csv,
    whose row n is the weights' item or user n; figures.json (summary, fingerprint of the split, versions); README.md; score.py;
    SHA256SUMS of all of these.

    Args:
        folder: where; an empty one is taken, the folders above it are made.
        split: of the run's configuration, where the caller has it already.

    Raises:
        InputError: there is no such run or it has learned nothing yet, its ratings have changed, or the folder cannot be written.
    """
    run = store.get(run_id)
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty: name a new folder for the export of {run.name}.")
    config = parse(run.config)
    split = split or experiment.open_split(config)
    _refuse_other_ratings(run, split)
    trained = experiment.load_model(run.id, store, split)
    restated = restate(trained.model, trained.split.visible)
    try:
        with making(folder) as draft:
            _write(draft, trained, store, restated)
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror or error}): name another folder.") from error
    return run


def zipped(run_id: str, store: RunStore, split: Split | None = None) -> bytes:
    """What `export` writes, as a zip archive with one folder in it. Raises InputError as `export` does."""
    with tempfile.TemporaryDirectory() as place:
        name = store.get(run_id).name
        export(run_id, store, Path(place) / name, split)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for file in sorted((Path(place) / name).iterdir()):
                archive.write(file, f"{name}/{file.name}")
    return packed.getvalue()


def about(run: Run, config: RunConfig) -> str:
    """The run in one sentence."""
    title = (run.facts or {}).get("dataset_title") or config.dataset.name
    return f"Scores by {run.name}: {MODELS[config.model.name].title}, trained by Encore with {title}."


def _refuse_other_ratings(run: Run, split: Split) -> None:
    """Raises InputError where the data is not what the run was trained with, for then its weights belong to other items."""
    known = (run.facts or {}).get("split_fingerprint")
    if known and split.fingerprint() != known:
        raise InputError(
            f"The ratings of {run.name} are no longer those that it was trained with (its split was {known}, now it is "
            f"{split.fingerprint()}): bring the old file back, or train it again."
        )


def _write(draft: Path, trained: experiment.TrainedRun, store: RunStore, restated: Restated) -> None:
    run, config, data = trained.run, trained.config, trained.split.interactions
    tensors, meta = store.load(run.id, "model")
    texts = {
        "config.toml": to_toml(config),
        "metrics.csv": to_csv(store.metrics(run.id)),
        "items.csv": to_csv(_by_id(data.items, "item")),
        "users.csv": to_csv(_by_id(data.users, "user")),
        "figures.json": json.dumps(json.loads(to_json(figures(run))), indent=2, ensure_ascii=False) + "\n",
        "score.py": script(restated, about(run, config), data.scale),
        "README.md": _readme(run, config),
    }
    for name, text in texts.items():
        (draft / name).write_text(text, encoding="utf-8", newline="\n")
    whole = {name: tensor.contiguous() for name, tensor in {**tensors, **restated.tensors}.items()}
    weights = draft / "weights.safetensors"
    save_file(whole, weights, metadata={"meta": json.dumps(meta)})
    # safetensors lets nobody but the owner read it; who may read the other files, the umask has said.
    weights.chmod((draft / "config.toml").stat().st_mode & 0o777)
    sums = [f"{_sha256(file)}  {file.name}\n" for file in sorted(draft.iterdir())]
    (draft / "SHA256SUMS").write_text("".join(sums), encoding="utf-8", newline="\n")


def figures(run: Run) -> dict[str, Any]:
    """What the run is, what it was measured by, and how it can be repeated."""
    told = {name: getattr(run, name) for name in ("id", "name", "state", "epoch", "created", "started", "finished", "error")}
    facts = {name: value for name, value in (run.facts or {}).items() if name in FACTS}
    return {"run": {**told, "tags": run.tags, "note": run.remark}, **facts, "summary": run.summary}


def _by_id(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """A table of users or items, its index as the first column; a column of that very name makes way."""
    others = table.rename(columns={column: f"{column}_" for column in table.columns if column == name})
    return others.rename_axis(name).reset_index()


def _readme(run: Run, config: RunConfig) -> str:
    lines = [
        f"# {run.name}",
        about(run, config).replace("Scores by ", "", 1),
        "`python score.py ratings.csv` scores a CSV file of item,rating (ids of items.csv) by weights.safetensors; its head says how.",
        "figures.json and metrics.csv hold what was measured; in Encore's folder `python -m engine train --config config.toml` repeats it.",
        "Row n of items.csv and users.csv is item or user n of the weights; an apostrophe before = + - @ only keeps spreadsheets from "
        "running a cell.",
    ]
    return "\n".join(" ".join(line.split()) for line in lines) + "\n"


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
