"""The artifacts of runs, by the run's id and a name: weights, checkpoints, errors of single ratings."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import Damaged
from engine.store import artifacts
from engine.store.damage import damaged
from engine.store.records import Records
from engine.store.urls import absolute, database_file

if TYPE_CHECKING:
    import numpy as np
    import torch


class Shelf(Records):
    """Files below one folder; only an id and a plain word name one."""

    def __init__(self, url: str, place: Path, *, patience: float = 0.0, create: bool = True) -> None:
        self.artifacts = Path(place).absolute()
        _refuse_emptied(absolute(url), self.artifacts)
        super().__init__(url, patience=patience, create=create)

    def save(self, run_id: str, name: str, tensors: dict[str, torch.Tensor | np.ndarray], meta: dict[str, Any]) -> None:
        """Replace an artifact atomically. Metrics that still wait for the database go first, so that a run that goes on
        from this checkpoint has lost none.

        Raises:
            OSError: the disk does not take it, or the database not the metrics; the old artifact is untouched.
        """
        path = artifacts.file(self.artifacts, run_id, name)
        if not self.add_metrics(run_id, []):
            raise OSError(f"'{name}' was not saved: the database does not take the metrics that belong before it")
        artifacts.save(path, tensors, meta)

    def load(self, run_id: str, name: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Tensors on the CPU, and the meta they were saved with; Damaged if they are not what was saved, InputError if there are none."""
        return artifacts.load(artifacts.file(self.artifacts, run_id, name))

    def discard(self, run_id: str, name: str) -> None:
        """Remove an artifact that nobody needs any more; one that is not there is no error."""
        artifacts.file(self.artifacts, run_id, name).unlink(missing_ok=True)

    def set_aside(self, run_id: str, name: str) -> None:
        """Keep a damaged artifact out of the way, under another ending; one of before is replaced."""
        path = artifacts.file(self.artifacts, run_id, name)
        path.replace(path.with_suffix(artifacts.ASIDE))

    def has(self, run_id: str, name: str) -> bool:
        """Whether the artifact exists."""
        return artifacts.file(self.artifacts, run_id, name).exists()

    def changed(self, run_id: str, name: str) -> float:
        """When the artifact was last replaced, in seconds since 1970; 0 where there is none."""
        path = artifacts.file(self.artifacts, run_id, name)
        return path.stat().st_mtime if path.exists() else 0.0

    def sizes(self, run_id: str) -> dict[str, int]:
        """Bytes of each artifact of a run, by name."""
        place = artifacts.folder(self.artifacts, run_id)
        found = {name: place / f"{name}{artifacts.SUFFIX}" for name in artifacts.names(self.artifacts, run_id)}
        return {name: path.lstat().st_size for name, path in found.items() if path.exists() or path.is_symlink()}

    def damage(self, run_id: str) -> dict[str, str]:
        """Artifacts of a run that are not what was saved: name → what is wrong and the way on."""
        found = {}
        for name in artifacts.names(self.artifacts, run_id):
            path = artifacts.file(self.artifacts, run_id, name)
            try:
                artifacts.check(path)
            except Damaged as error:
                found[name] = str(error)
            except FileNotFoundError:  # discarded or deleted meanwhile
                continue
            except OSError as error:
                found[name] = str(artifacts.damaged(path, f"it cannot be read: {error.strerror}"))
        return found


def _refuse_emptied(url: str, place: Path) -> None:
    """SQLite takes a file that was cut to nothing for a new database: where runs have left artifacts, it was one before.

    Raises:
        Damaged: the database is such a file.
    """
    file = database_file(url)
    if file is None or not file.is_file() or file.stat().st_size or not any(place.glob("*/*" + artifacts.SUFFIX)):
        return
    time.sleep(0.2)  # another process may be making it at this moment
    if file.is_file() and not file.stat().st_size:
        raise damaged(url, "it is empty, although runs have left artifacts")
