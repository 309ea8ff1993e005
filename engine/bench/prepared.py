"""The ratings that both contenders get: nine tenths to learn from, the rest to be judged by. Made once, by a process of its own."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from engine import datasets
from engine.bench.generated import SCALE, Shape, generate
from engine.errors import InputError

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
    if isinstance(source, str):
        loaded = datasets.load(datasets.DatasetConfig(name=source))
        mark, matrix, scale = loaded.fingerprint(), loaded.ratings, loaded.scale
        name = source
    else:
        name, mark, matrix, scale = source.name, hashlib.sha256(repr(source).encode()).hexdigest(), None, SCALE
    path = folder / f"{name}-{mark[:12]}-{VERSION}.npz"
    if not path.exists():
        assert matrix is not None or isinstance(source, Shape)
        _write(path, generate(source) if isinstance(source, Shape) else matrix, scale)
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
    chosen = np.zeros(shape[0], bool)
    if newcomers:
        regulars = np.flatnonzero(np.diff(train.indptr) >= 20)
        chosen[np.random.default_rng(1).choice(regulars, min(newcomers, len(regulars) // 2), replace=False)] = True
    rows = train[np.flatnonzero(chosen)]
    return Ratings(_emptied(train, chosen) if newcomers else train, held_out, judged, rows, scale)


def _write(path: Path, matrix: sp.csr_array, scale: tuple[float, float]) -> None:
    draw = np.random.default_rng(0)
    away = draw.random(matrix.nnz, np.float32) < HELD_OUT
    users = matrix.shape[0]
    judged = np.sort(draw.permutation(users)[:JUDGED])
    is_judged = np.zeros(users, bool)
    is_judged[judged] = True
    asked = away & np.repeat(is_judged, np.diff(matrix.indptr))
    arrays: dict[str, Any] = {"shape": np.array(matrix.shape), "scale": np.array(scale), "judged": judged}
    for part, chosen in (("train", ~away), ("held_out", asked)):
        arrays[f"{part}_values"], arrays[f"{part}_indices"] = matrix.data[chosen], matrix.indices[chosen].astype(np.int32)
        arrays[f"{part}_indptr"] = np.concatenate([[0], np.cumsum(chosen)])[matrix.indptr].astype(np.int32)
    with _replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def _emptied(matrix: sp.csr_array, chosen: np.ndarray) -> sp.csr_array:
    """A copy in which the chosen rows have no entries."""
    counts = np.diff(matrix.indptr)
    kept = np.repeat(~chosen, counts)
    indptr = np.concatenate([[0], np.cumsum(np.where(chosen, 0, counts))]).astype(np.int32)
    return sp.csr_array((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A file to write that takes its place only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
