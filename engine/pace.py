"""How long a training will take, going by the runs that there were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.config import RunConfig, parse
from engine.errors import InputError
from engine.models import MODELS
from engine.models.configs import AutoencoderConfig, epoch_work
from engine.store import Run

OF_DATA = ("dataset", "preprocessing", "split", "group")
"""Sections on which the ratings depend that a run learns from."""
PACED_BY = (*OF_DATA, "model", "refeed", "noise")
"""Sections on which the time of an epoch depends."""


class Expected(NamedTuple):
    """Seconds of training.

    Attributes:
        by: the run that they are told from.
        alike: whether it trained the same network on the same data; otherwise the figure is rough.
        besides: seconds that the run took apart from the training of its epochs: data, baselines, validation, test.
    """

    seconds: float
    by: Run
    alike: bool
    besides: float


def expected(config: RunConfig, runs: Sequence[Run], *, rough: bool = True) -> Expected | None:
    """From the first run of the same network on the same data; where there is none, from another autoencoder's time on as many ratings.

    Args:
        runs: those that may tell, the preferred ones first.
        rough: whether another network may tell it.

    Returns:
        None where no run tells it.
    """
    wanted = config.model_dump(mode="json")
    epochs = config.training.epochs if MODELS[config.model.name].trains else 1
    for run in runs:
        pace = (run.summary or {}).get("seconds_per_epoch")
        alike = all(run.config.get(section) == wanted[section] for section in PACED_BY)
        if pace and alike and run.config["training"]["batch_size"] == config.training.batch_size:
            return Expected(pace * epochs, run, True, _besides(run, pace))
    for run in runs if rough else ():
        pace = (run.summary or {}).get("seconds_per_epoch")
        alike = all(run.config.get(section) == wanted[section] for section in OF_DATA)
        if pace and alike and (factor := _times_the_work(config, run)):
            return Expected(pace * factor * epochs, run, False, _besides(run, pace))
    return None


def _besides(run: Run, pace: float) -> float:
    if run.started is None or run.finished is None or run.attempts > 1:
        return 0.0
    return max(0.0, run.finished - run.started - pace * (run.summary or {}).get("epochs", run.epoch))


def _times_the_work(config: RunConfig, run: Run) -> float | None:
    """How many times the work of a run's epoch an epoch of this configuration is; None where they cannot be compared."""
    try:
        other = parse(run.config)
    except InputError:  # of an older version
        return None
    sizes = (run.facts or {}).get("sizes")
    both = config.model, other.model
    if not sizes or not all(isinstance(model, AutoencoderConfig) for model in both):
        return None
    mine, theirs = (
        epoch_work(one.model, (sizes["users"], sizes["items"]), sizes["train"], one.refeed.steps)
        for one in (config, other)
        if isinstance(one.model, AutoencoderConfig)
    )
    return mine / theirs
