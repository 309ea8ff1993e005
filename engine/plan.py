"""How the steps of one training are computed: which of the ways that lead to the same numbers is the fastest here.

Thresholds are measured on a CPU (`benchmarks/paths.py`; a GPU takes them over unmeasured). They are constants and not timed at the
start of a run, so that a run repeats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
import torch

from engine.config import NoiseConfig, RefeedConfig, TrainingConfig
from engine.devices import Precision, multiplies_bfloat16
from engine.errors import InputError

DENSE_FROM = {("cpu", "float32"): 0.25, ("cpu", "bfloat16"): 0.12, ("cuda", "float32"): 0.25, ("cuda", "bfloat16"): 0.12}
"""Share of observed entries from which the dense path is faster, by device and precision."""
BFLOAT16_FROM = 100_000
"""Weights of dense products from which bfloat16 pays for its casts."""
ROW_STEPS_BELOW = 0.1
"""Share of columns in an average batch below which row steps are faster on a CPU."""


@dataclass(frozen=True)
class Plan:
    """What was chosen; see the fields of the same names in `TrainingConfig`."""

    path: Literal["sparse", "dense"]
    precision: Precision
    row_steps: bool


def make_plan(
    model: Any, examples: sp.csr_array, training: TrainingConfig, refeed: RefeedConfig, device: torch.device, noise: NoiseConfig
) -> Plan:
    """The configured ways, and the fastest where the configuration says auto.

    Args:
        model: `Trainable`.
        examples: CSR of the rows to learn from.

    Raises:
        InputError: row steps are asked of an optimizer or a penalty that moves every row at every step.
    """
    path = _path(examples, training, device)
    dense_weights = sum(weight.numel() for weight in model.weights)
    if model.predicts_ratings and path == "sparse" and not refeed.steps:
        dense_weights -= sum(weight.numel() for weight in model.column_weights)
    fast = multiplies_bfloat16(device) and dense_weights >= BFLOAT16_FROM
    fast &= training.optimizer != "lbfgs"  # whose line searches would follow the rounding
    precision: Precision = ("bfloat16" if fast else "float32") if training.precision == "auto" else training.precision
    plain = training.optimizer == "adam" and not training.weight_decay and not training.l2 and not refeed.steps
    still = plain and path == "sparse" and model.moves_batch_columns_only and noise.kind in ("none", "gaussian", "masking")
    if training.row_steps == "on" and not still:
        raise InputError(
            "training.row_steps=on needs adam, the sparse path and inputs that are 0 where there is no rating, without weight decay, "
            "L2 and re-feeding: set it to auto."
        )
    useful = device.type == "cpu" and still and touched_share(examples, training.batch_size) < ROW_STEPS_BELOW
    return Plan(path, precision, useful if training.row_steps == "auto" else training.row_steps == "on")


def _path(examples: sp.csr_array, training: TrainingConfig, device: torch.device) -> Literal["sparse", "dense"]:
    """By density: the denser, the sooner the dense products pay, and in bfloat16 sooner than in float32."""
    if training.path != "auto":
        return training.path
    rough = training.precision == "bfloat16" or (training.precision == "auto" and multiplies_bfloat16(device))
    density = examples.nnz / max(1, np.prod(examples.shape, dtype=float))
    return "sparse" if density < DENSE_FROM[device.type, "bfloat16" if rough else "float32"] else "dense"


def touched_share(examples: sp.csr_array, batch_size: int) -> float:
    """Expected share of columns that have an entry in a batch of random rows."""
    popularity = np.bincount(examples.indices, minlength=examples.shape[1]) / examples.shape[0]
    return float((1 - (1 - popularity) ** batch_size).mean())
