"""Where one way of computing a batch overtakes another: the figures behind the thresholds of engine/plan.py.

    .venv/bin/python benchmarks/paths.py

Prints time of one way divided by time of the other, medians over batches of 128 random rows: below 1 the first is faster.
"""

from __future__ import annotations

import statistics
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import scipy.sparse as sp

sys.path.insert(0, str(Path(__file__).parents[1]))
from engine.config import ObjectiveConfig, RefeedConfig, TrainingConfig
from engine.devices import keep_freed_memory
from engine.models.autoencoder import Autoencoder
from engine.models.configs import AutoencoderConfig
from engine.training import Trainer

BATCHES, WARM_UP = 12, 3


def ratings(columns: int, density: float) -> sp.csr_array:
    return sp.random_array((128 * (BATCHES + 1), columns), density=density, rng=0, dtype=np.float32).tocsr()


def seconds(matrix: sp.csr_array, layers: tuple[int, ...], refeed: int = 0, **ways: str) -> float:
    """Median time of a batch."""
    model = Autoencoder(AutoencoderConfig(layers=layers), *matrix.shape)
    training = TrainingConfig(batch_size=128, **ways)
    events = iter(Trainer(model, matrix, lambda: {"rmse": 1.0}, training, RefeedConfig(steps=refeed), ObjectiveConfig()))
    times = []
    for _ in range(BATCHES):
        started = time.perf_counter()
        next(events)
        times.append(time.perf_counter() - started)
    return statistics.median(times[WARM_UP:])


def ratio(matrix: sp.csr_array, layers: tuple[int, ...], first: dict[str, str], second: dict[str, str], refeed: int = 0) -> str:
    return f"{seconds(matrix, layers, refeed, **first) / seconds(matrix, layers, refeed, **second):.2f}"


def main() -> None:
    keep_freed_memory()
    print("sparse path / dense path, by share of observed entries")
    for precision in ("float32", "bfloat16"):
        for columns, layers in ((3000, (512, 512)), (1000, (256, 128)), (10_000, (512,))):
            fixed = {"precision": precision, "row_steps": "off"}
            sparse, dense = fixed | {"path": "sparse"}, fixed | {"path": "dense"}
            densities = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
            shown = [f"{density:.0%} {ratio(ratings(columns, density), layers, sparse, dense)}" for density in densities]
            print(f"  {precision}, {columns} columns, layers {layers}: {', '.join(shown)}", flush=True)
    print("bfloat16 / float32, by weights in dense products (without, with one re-feeding step)")
    matrix, rough, exact = ratings(1500, 0.05), {"precision": "bfloat16"}, {"precision": "float32"}
    for layers in ((64,), (128, 64), (256, 128), (256, 256), (512, 256), (512, 512), (1024, 512)):
        inner = 2 * sum(a * b for a, b in pairwise(layers))
        refed = inner + 2 * 1500 * layers[0]
        print(f"  {inner:,}: {ratio(matrix, layers, rough, exact)}, {refed:,}: {ratio(matrix, layers, rough, exact, refeed=1)}", flush=True)
    print("row steps on / off, by share of columns in a batch")
    for columns, width, density in ((20_000, 512, 0.0005), (20_000, 512, 0.001), (20_000, 512, 0.002), (60_000, 256, 0.0005)):
        compared = ratio(ratings(columns, density), (width,), {"row_steps": "on"}, {"row_steps": "off"})
        print(f"  {1 - (1 - density) ** 128:.0%} of {columns:,} × {width}: {compared}", flush=True)


if __name__ == "__main__":
    main()
