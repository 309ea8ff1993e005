"""What a run will need of memory and disk, known before it begins; what cannot fit is refused with the figures."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from engine import disk, processes
from engine.config import RunConfig
from engine.disk import size
from engine.errors import InputError
from engine.models import MODELS, AutoencoderConfig, ModelConfig, ease
from engine.models.configs import (
    CDAEConfig,
    ELSAConfig,
    GLocalKConfig,
    MFConfig,
    MultDAEConfig,
    MultVAEConfig,
    RecVAEConfig,
    SparseFCConfig,
    SVDConfig,
    SVDPPConfig,
    WeightedBCEConfig,
    parameter_count,
)
from engine.models.contract import CHUNK_CELLS

BYTES_PER_WEIGHT = 20
"""In memory: a weight, its gradient, Adam's two moments and the best epoch's, in float32."""
BYTES_PER_UNIT = 8
"""In memory: a hidden unit's output and its gradient, for each row of a batch."""
BYTES_PER_CELL = 16
"""In memory: of a batch's dense rows, input, output and their gradients."""
BYTES_PER_RATING = 100
"""In memory: the ratings as read, as split and as resident on the device, with their columns in both orders."""
BYTES_PER_FACTOR = 16
"""In memory: of the SVD beside the run, while it is sought."""
BYTES_PER_SCORE = 12
"""In memory: of a dense block of scores while it is ranked."""
DISK_PER_WEIGHT = 36
"""A checkpoint (weights, moments, best weights), the next one while it is written, and the model."""


class Footprint(NamedTuple):
    """Bytes that a run needs at its largest, roughly, besides what its libraries take."""

    memory: int
    disk: int


def footprint(config: RunConfig, shape: tuple[int, int], ratings: int, weights: int | None = None) -> Footprint:
    """What a run of this configuration needs.

    Args:
        shape: users and items.
        weights: of the model, where they were counted.
    """
    users, items = shape
    weights = weight_count(config.model, shape) if weights is None else weights
    factors = BYTES_PER_FACTOR * (users + items) * min(config.evaluation.max_rank, *shape)
    memory = BYTES_PER_RATING * ratings + factors + BYTES_PER_SCORE * min(CHUNK_CELLS, users * items)
    if MODELS[config.model.name].trains:
        rows, columns = (items, users) if getattr(config.model, "orientation", "user") == "item" else shape
        batch = rows if config.training.optimizer == "lbfgs" else min(rows, config.training.batch_size)
        units = 2 * sum(getattr(config.model, "layers", ()))
        memory += BYTES_PER_WEIGHT * weights + batch * (BYTES_PER_CELL * columns + BYTES_PER_UNIT * units)
    elif config.model.name == "ease":
        memory += ease.BYTES_PER_CELL * items**2
    else:
        memory += 4 * weights
    return Footprint(memory, DISK_PER_WEIGHT * weights)


def require(config: RunConfig, shape: tuple[int, int], ratings: int, weights: int | None = None) -> None:
    """Refuses what cannot fit.

    Raises:
        InputError: it needs more memory than the machine has, or more of the disk or quota than is left; with both figures.
    """
    needs, there = footprint(config, shape, ratings, weights), processes.memory_there()
    what = f"{MODELS[config.model.name].title} for {shape[0]:,} users and {shape[1]:,} items"
    if needs.memory > there:
        raise InputError(
            f"{what} needs about {size(needs.memory)}, and this machine has {size(there)}: make model.layers and the like or "
            "training.batch_size smaller, or keep fewer items."
        )
    disk.require(needs.disk, what)


def weight_count(model: ModelConfig, shape: tuple[int, int]) -> int:
    """Weights of a model for so many users and items, without building it; features of users are not counted."""
    users, items = shape
    match model:
        case AutoencoderConfig():
            return parameter_count(model, items if model.orientation == "user" else users)
        case SparseFCConfig():  # and GLocal-K
            widths = (users, *model.layers, users)
            places = 2 * model.dimensions * (users + sum(model.layers))
            return _dense(widths) + places + (9 * items if isinstance(model, GLocalKConfig) else 0)
        case WeightedBCEConfig() | MultDAEConfig():
            return _dense((items, *model.layers, *model.layers[-2::-1], items))
        case MultVAEConfig():
            inner, code = model.layers[:-1], model.layers[-1]
            return _dense((items, *inner, 2 * code)) + _dense((code, *inner[::-1], items))
        case CDAEConfig():
            return users * model.hidden + _dense((items, model.hidden, items))
        case RecVAEConfig():
            encoder = _dense((items, *[model.hidden] * 5, 2 * model.latent)) + 10 * model.hidden
            return 2 * encoder + _dense((model.latent, items))
        case ELSAConfig():
            return items * model.latent
        case SVDPPConfig():
            return users * (model.rank + 1) + items * (2 * model.rank + 1)
        case SVDConfig() | MFConfig():
            return (users + items) * model.rank
    return users + items


def _dense(widths: tuple[int, ...]) -> int:
    """Weights and biases of dense layers of these widths."""
    return sum(a * b + b for a, b in pairwise(widths))
