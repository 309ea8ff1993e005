"""The ratings that both contenders get: nine tenths to learn from, the rest to be judged by. Made once, by a process of its own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from engine import datasets
from engine.datasets.generated import SCALE, Shape, generate
from engine.errors import InputError
from engine.files import replacing
from engine.interactions import pick

HELD_OUT = 0.1
JUDGED = 10_000
"""Users whose held-out ratings are predicted, at most; drawn by chance where there are more."""
VERSION = 1
"""Of what is kept on disk: another number makes everything anew."""


@dataclass(frozen=True)
class Ratings:
    """Ratings ready for use.

    Attributes:
        train: CSR users × items, float32 with int32 indices.
        held_out: of the same shape; ratings of the judged users that `train` lacks.
        judged: rows of the judged users.
        newcomers: CSR [newcomers × items]: rows that `train` was to hold, and does not.
        scale: lowest and highest rating.
    """

    train: sp.csr_array
    held_out: sp.csr_array
    judged: np.ndarray
    newcomers: sp.csr_array
    scale: tuple[float, float]


def available(source: str | Shape) -> None:
    """Raises InputError where the ratings are not on this machine: a measurement downloads nothing."""
    if isinstance(source, str) and not datasets.available(source):
        title = datasets.DATASETS[source].title
        raise InputError(f"{title} is not on this machine: name its folder's parent in ENCORE_DATA, or download it on the Data page.")


def prepare(source: str | Shape, folder: Path) -> Path:
    """The file with a dataset's or a generated set's ratings, made when it is not in `folder` yet."""
    if isinstance(source, Shape):
        path = folder / _name(source.name, hashlib.sha256(repr(source).encode()).hexdigest())
        if not path.exists():
            _write(path, generate(source), SCALE)
        return path
    loaded = datasets.load(datasets.DatasetConfig(name=source))
    path = folder / _name(source, loaded.fingerprint())
    if not path.exists():
        _write(path, loaded.ratings, loaded.scale)
    return path


def load(path: Path, newcomers: int = 0) -> Ratings:
    """What `prepare` wrote, with the rows of so many users (of 20 training ratings or more) taken out of `train`."""
    with np.load(path, allow_pickle=False) as kept:
        shape = tuple(kept["shape"].tolist())
        train, held_out = (
            sp.csr_array((kept[f"{part}_values"].astype(np.float32), kept[f"{part}_indices"], kept[f"{part}_indptr"]), shape=shape)
            for part in ("train", "held_out")
        )
        judged, scale = kept["judged"], tuple(kept["scale"].tolist())
    if not newcomers:
        return Ratings(train, held_out, judged, train[:0], scale)
    counts = np.diff(train.indptr)
    regulars, new = np.flatnonzero(counts >= 20), np.zeros(shape[0], bool)
    new[np.random.default_rng(1).choice(regulars, min(newcomers, len(regulars) // 2), replace=False)] = True
    return Ratings(pick(train, np.repeat(~new, counts)), held_out, judged, train[np.flatnonzero(new)], scale)


def _name(source: str, mark: str) -> str:
    return f"{source}-{mark[:12]}-{VERSION}.npz"


def _write(path: Path, matrix: sp.csr_array, scale: tuple[float, float]) -> None:
    draw = np.random.default_rng(0)
    away = draw.random(matrix.nnz, np.float32) < HELD_OUT
    users = matrix.shape[0]
    judged = np.sort(draw.permutation(users)[:JUDGED])
    is_judged = np.zeros(users, bool)
    is_judged[judged] = True
    asked = away & np.repeat(is_judged, np.diff(matrix.indptr))
    arrays: dict[str, Any] = {"shape": np.array(matrix.shape), "scale": np.array(scale), "judged": judged}
    for name, part in (("train", pick(matrix, ~away)), ("held_out", pick(matrix, asked))):
        arrays |= {f"{name}_values": part.data, f"{name}_indices": part.indices, f"{name}_indptr": part.indptr}
    with replacing(path) as draft, draft.open("wb") as file:
        np.savez(file, **arrays)
