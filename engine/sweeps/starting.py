"""Before a sweep: how much it will be, how long that takes by what earlier runs tell, and its start."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from engine import pace
from engine.comparison.figures import DECIDES
from engine.errors import InputError
from engine.store import Run, RunStore, Sweep
from engine.sweeps.config import SweepConfig, grid, impossible
from engine.sweeps.sampling import next_setting

SAMPLED = 24
"""Of more settings than these, so many are looked at to tell the time."""


@dataclass(frozen=True)
class Outlook:
    """What a sweep will be.

    Attributes:
        settings: at most; None where time alone ends it.
        runs: at most, all repetitions together.
        left_out: combinations of a grid that are not possible; `why` says it of one of them.
        seconds: until all of them are trained, so many at a time; None where no earlier run tells it. Shorter where runs are stopped early.
        by: the run that most of it is told from, and `alike` whether all were told from the same networks on the same data.
        remarks: what has to be known of its values, in sentences.
    """

    settings: int | None
    runs: int | None
    left_out: int
    why: str
    seconds: float | None
    by: Run | None
    alike: bool
    remarks: tuple[str, ...]


def outlook(config: SweepConfig, recent: Sequence[Run], slots: int) -> Outlook:
    """How much a sweep will be, and how long it takes.

    Args:
        recent: finished runs, the preferred ones to go by first.
        slots: runs that the machine trains at a time.
    """
    budget = config.budget
    whole = len(grid(config))
    settings = min(budget, whole) if budget and whole else budget or whole or None
    runs = None if settings is None else settings * config.repeats
    left_out, why = impossible(config) if config.sampler == "grid" else (0, "")
    found = [pace.expected(config.run_config(one), recent) for one in _some(config)] if recent else []
    known = [one for one in found if one is not None]
    seconds = None
    if known and len(known) * 2 >= len(found) and runs is not None:
        each = sum(one.seconds + one.besides for one in known) / len(known)
        seconds = each * runs / max(1, min(slots, config.at_a_time or slots, runs))
    if config.minutes is not None and (seconds is not None or runs is None):
        seconds = min(seconds or config.minutes * 60, config.minutes * 60)
    by = known[0].by if known else None
    return Outlook(settings, runs, left_out, why, seconds, by, all(one.alike for one in known), tuple(_remarks(config)))


def start(config: SweepConfig, store: RunStore, *, owner: str = "", most: int | None = None) -> Sweep:
    """Insert a sweep that the daemon leads from now on.

    Args:
        owner: of its runs in the queue, see `Run.owner`.
        most: of its owner's runs that may wait or run.

    Raises:
        InputError: no setting is possible, or what would fail its runs for sure, see `engine.experiment.check`.
    """
    from engine.experiment import check  # here, because it needs torch

    first = next_setting(config, (), "rmse")
    if first is None:
        why = impossible(config)[1]
        raise InputError(why or "No combination of these values is possible: let other values vary.")
    check(config.run_config(first))
    return store.create_sweep(config.model_dump(mode="json"), config.sampler, config.metric_name, owner=owner, most=most)


def _some(config: SweepConfig) -> list[dict[str, object]]:
    """Settings by which the time is told: of a small grid all, else some at random."""
    whole = grid(config)
    if whole:
        return [*whole[:SAMPLED]]
    draw = random.Random(0)
    ends = {path: axis.choices or (axis.low, axis.high) for path, axis in config.axes.items()}  # type: ignore[union-attr]
    found = []
    for _ in range(SAMPLED):
        settings = {path: draw.choice(values) for path, values in ends.items()}
        try:
            config.run_config(settings)
        except InputError:
            continue
        found.append(settings)
    return found


def _remarks(config: SweepConfig) -> list[str]:
    said = []
    moved = [path for path in config.axes if path.partition(".")[0] in DECIDES]
    if moved:
        said.append(
            f"{', '.join(moved)} decides on which ratings a setting is judged: values measured on different ratings do not compare."
        )
    if config.base.training.refit:
        said.append("training.refit trains each run twice, and a sweep needs it of none: switch it off, and refit the best alone.")
    return said
