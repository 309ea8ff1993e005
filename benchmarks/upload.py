"""How long a large ratings file takes to be looked at, saved and loaded, and how much memory: each step in a process of its own.

    .venv/bin/python benchmarks/upload.py [--rows 10000000] [--form plain|german|packed]

plain: CSV with whole-number ids, half stars and seconds. german: semicolons, names, decimal commas and dates, in Windows-1252.
packed: plain, gzipped. Prints seconds (of the clock and of all cores together) and peak memory as JSON; the file is deleted at the end.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

sys.path.insert(0, str(Path(__file__).parents[1]))
from engine import datasets

USERS, ITEMS, PIECE = 100_000, 50_000, 1_000_000


def write(path: Path, rows: int, form: str) -> None:
    """A file with repeats, as of people who rate again: one pair in a thousand."""
    draw = np.random.default_rng(0)
    options = pa.csv.WriteOptions(delimiter=";" if form == "german" else ",", quoting_style="none")
    schema = pa.schema([(name, pa.string()) for name in ("userId", "movieId", "rating", "timestamp")])
    plain = path.with_suffix(".csv")
    with plain.open("wb") as target, pa.csv.CSVWriter(target, schema, write_options=options) as writer:
        for start in range(0, rows, PIECE):
            writer.write(_piece(draw, min(PIECE, rows - start), form).cast(schema))
    if form == "german":
        with plain.open(encoding="utf-8") as source, path.open("w", encoding="cp1252") as target:
            shutil.copyfileobj(source, target, 2**20)
    elif form == "packed":
        with plain.open("rb") as source, gzip.open(path, "wb", compresslevel=1) as target:
            shutil.copyfileobj(source, target, 2**20)
    else:
        plain.rename(path)
    plain.unlink(missing_ok=True)


def _piece(draw: np.random.Generator, rows: int, form: str) -> pa.Table:
    users, items = draw.integers(1, USERS, rows), draw.integers(1, ITEMS, rows)
    ratings, moments = draw.integers(1, 11, rows) / 2, draw.integers(10**9, 16 * 10**8, rows)
    if form != "german":
        return pa.table([users, items, ratings, moments], names=["userId", "movieId", "rating", "timestamp"])
    named = [
        pc.binary_join_element_wise(word, pa.array(ids).cast(pa.string()), " ") for word, ids in (("Jörg", users), ("Film über", items))
    ]
    comma = pc.replace_substring(pa.array(ratings).cast(pa.string()), ".", ",")
    dates = pc.strftime(pa.array(moments).cast(pa.timestamp("s")), "%d.%m.%Y %H:%M:%S")
    return pa.table([*named, comma, dates], names=["userId", "movieId", "rating", "timestamp"])


def look(path: Path) -> dict[str, Any]:
    """What the page shows before anything is stored."""
    seen = datasets.preview(path.read_bytes(), path.name)
    return {"account": str(seen.account), "understood": seen.understood}


def save(path: Path) -> dict[str, Any]:
    """The button below it."""
    return {"name": datasets.save_upload(path.name, path.read_bytes())}


def load(_path: Path) -> dict[str, Any]:
    """What every page and run does with the saved upload."""
    data = datasets.load(datasets.DatasetConfig(name=datasets.uploads()[0].name))
    return {"ratings": data.n_ratings}


def measured(step: Callable[[Path], dict[str, Any]], path: Path) -> dict[str, Any]:
    """In a fresh process: what the step gives, its seconds and its peak memory."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_timed, (step, path))


def _timed(step: Callable[[Path], dict[str, Any]], path: Path) -> dict[str, Any]:
    started, cores = time.perf_counter(), time.process_time()
    found = step(path)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = {"seconds": round(time.perf_counter() - started, 1), "core_seconds": round(time.process_time() - cores, 1)}
    return {**seconds, "peak_MiB": round(peak), **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--form", choices=["plain", "german", "packed"], default="plain")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ENCORE_HOME"] = folder
        path = Path(folder) / "ratings.txt"
        write(path, given.rows, given.form)
        size, load_per_core = path.stat().st_size, os.getloadavg()[0] / (os.cpu_count() or 1)
        steps = {step.__name__: measured(step, path) for step in (look, save, load)}
    about = {
        "rows": given.rows,
        "form": given.form,
        "MB": round(size / 1e6),
        "cores": os.cpu_count(),
        "load_per_core": round(load_per_core, 1),
    }
    print(json.dumps({**about, **steps}, ensure_ascii=False))


if __name__ == "__main__":
    main()
