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
    EaseConfig,
    ELSAConfig,
    GLocalKConfig,
    ItemKNNConfig,
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
BYTES_OF_LBFGS = 80
"""In memory: for each weight, the ten earlier steps and gradients of L-BFGS, beside what stands in for Adam's moments."""
BYTES_PER_FITTED = 4
"""In memory and on disk: a number of a model that is fitted at once, in float32."""
BYTES_PER_SIMILARITY = 24
"""In memory: of ItemKNN's neighbours, a similarity and its item, while blocks of them are joined and turned round."""
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
DISK_PER_SIMILARITY = 8
"""Of ItemKNN's neighbours, a similarity and its item."""


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
    if not MODELS[config.model.name].trains:
        each = DISK_PER_SIMILARITY if isinstance(config.model, ItemKNNConfig) else BYTES_PER_FITTED
        # A refitted model is written beside the one that it replaces.
        return Footprint(memory + _fitting(config.model, shape, weights), each * weights * (2 if config.training.refit else 1))
    rows, columns = (items, users) if getattr(config.model, "orientation", "user") == "item" else shape
    all_at_once = config.training.optimizer == "lbfgs"
    batch = rows if all_at_once else min(rows, config.training.batch_size)
    units = 2 * sum(getattr(config.model, "layers", ()))
    memory += (BYTES_PER_WEIGHT + all_at_once * BYTES_OF_LBFGS) * weights + batch * (BYTES_PER_CELL * columns + BYTES_PER_UNIT * units)
    return Footprint(memory, DISK_PER_WEIGHT * weights)


def _fitting(model: ModelConfig, shape: tuple[int, int], weights: int) -> int:
    """Bytes of memory to fit a model at once, besides the ratings."""
    match model:
        case EaseConfig():
            return BYTES_PER_FITTED * weights + ease.BYTES_PER_CELL * shape[1] ** 2
        case ItemKNNConfig():
            return BYTES_PER_SIMILARITY * weights
        case SVDConfig() | MFConfig():
            return BYTES_PER_FITTED * weights + BYTES_PER_FACTOR * sum(shape) * model.rank
    return BYTES_PER_FITTED * weights


def require(config: RunConfig, shape: tuple[int, int], ratings: int, weights: int | None = None) -> None:
    """Refuses what cannot fit.

    Raises:
        InputError: it needs more memory than the machine has, or more of the disk or quota than is left; with both figures.
    """
    needs, there = footprint(config, shape, ratings, weights), processes.memory_there()
    what = f"{MODELS[config.model.name].title} for {shape[0]:,} users and {shape[1]:,} items"
    if needs.memory > there:
        smaller = "make model.layers and the like or training.batch_size smaller, or " if MODELS[config.model.name].trains else ""
        raise InputError(f"{what} needs about {size(needs.memory)}, and this machine has {size(there)}: {smaller}keep fewer items.")
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
        case SVDConfig() | MFConfig():  # which fold every user in
            return items * (model.rank + 1)
        case EaseConfig():
            return items**2
        case ItemKNNConfig():
            return items * min(model.neighbours, items)
    return items


def _dense(widths: tuple[int, ...]) -> int:
    """Weights and biases of dense layers of these widths."""
    return sum(a * b + b for a, b in pairwise(widths))
