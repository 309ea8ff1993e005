"""Where one way of computing a batch overtakes another: the figures behind the thresholds of engine/plan.py.

    .venv/bin/python benchmarks/paths.py

Prints time of one way divided by time of the other, medians over batches of 128 random rows: below 1 the first is faster.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

sys.path.insert(0, str(Path(__file__).parents[1]))
from engine.config import ObjectiveConfig, RefeedConfig, TrainingConfig
from engine.devices import keep_freed_memory
from engine.models.autoencoder import Autoencoder
from engine.models.configs import AutoencoderConfig
from engine.training import Trainer

BATCHES, WARM_UP = 12, 3
Layers = tuple[int, ...]


def ratings(columns: int, density: float) -> sp.csr_array:
    return sp.random_array((128 * (BATCHES + 1), columns), density=density, rng=0, dtype=np.float32).tocsr()


def seconds(matrix: sp.csr_array, layers: Layers, refeed: int, ways: Mapping[str, Any]) -> float:
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


def ratio(matrix: sp.csr_array, layers: Layers, first: Mapping[str, Any], second: Mapping[str, Any], refeed: int = 0) -> str:
    return f"{seconds(matrix, layers, refeed, first) / seconds(matrix, layers, refeed, second):.2f}"


def by_density(networks: Sequence[tuple[int, Layers]], densities: Sequence[float]) -> None:
    """For `DENSE_FROM`; a network is its columns and layers."""
    print("sparse path / dense path, by share of observed entries")
    for precision in ("float32", "bfloat16"):
        for columns, layers in networks:
            sparse, dense = ({"precision": precision, "row_steps": "off", "path": path} for path in ("sparse", "dense"))
            shown = [f"{density:.0%} {ratio(ratings(columns, density), layers, sparse, dense)}" for density in densities]
            print(f"  {precision}, {columns} columns, layers {layers}: {', '.join(shown)}", flush=True)


def by_weights(columns: int, networks: Sequence[Layers]) -> None:
    """For `BFLOAT16_FROM`."""
    print("bfloat16 / float32, by weights in dense products (without, with one re-feeding step)")
    matrix, rough, exact = ratings(columns, 0.05), {"precision": "bfloat16"}, {"precision": "float32"}
    for layers in networks:
        inner = 2 * sum(a * b for a, b in pairwise(layers))
        refed = inner + 2 * columns * layers[0]
        plain, again = (ratio(matrix, layers, rough, exact, refeed) for refeed in (0, 1))
        print(f"  {inner:,}: {plain}, {refed:,}: {again}", flush=True)


def by_columns_in_a_batch(sizes: Sequence[tuple[int, int, float]]) -> None:
    """For `ROW_STEPS_BELOW`; a size is columns, width of the layer and share of observed entries."""
    print("row steps on / off, by share of columns in a batch")
    for columns, width, density in sizes:
        compared = ratio(ratings(columns, density), (width,), {"row_steps": "on"}, {"row_steps": "off"})
        print(f"  {1 - (1 - density) ** 128:.0%} of {columns:,} × {width}: {compared}", flush=True)


def main() -> None:
    keep_freed_memory()
    by_density([(3000, (512, 512)), (1000, (256, 128)), (10_000, (512,))], (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5))
    by_weights(1500, [(64,), (128, 64), (256, 128), (256, 256), (512, 256), (512, 512), (1024, 512)])
    by_columns_in_a_batch([(20_000, 512, 0.0005), (20_000, 512, 0.001), (20_000, 512, 0.002), (60_000, 256, 0.0005)])


if __name__ == "__main__":
    main()
