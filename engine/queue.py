"""The queue as people see it: who waits for what, at which place, and when each is likely to begin."""

from __future__ import annotations

import heapq
import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine import pace
from engine.background import daemon_alive, slots, slots_now
from engine.config import parse
from engine.errors import InputError
from engine.store import Run, RunStore

KINDS = {"cpu": "a CPU slot", "cuda": "a GPU slot"}
EARLIER = 100
"""So many of the latest finished runs tell how long others take."""


@dataclass(frozen=True)
class Turn:
    """One run that waits.

    Attributes:
        position: 1 for the next that is begun, among those that wait for the same kind of slot.
        kind: what it waits for a slot of: "cpu" or "cuda".
        starts_in: seconds until it is likely to begin; None where an earlier run gives no hint how long it takes.
        starting: it has its slot and is just being started.
    """

    run: Run
    position: int
    kind: str
    starts_in: float | None
    starting: bool


def when(turn: Turn) -> str:
    """When a run begins, in words: "starts in about 3 min"."""
    if turn.starting:
        return "is just being started"
    if turn.starts_in is None:
        return "start not known yet"
    if turn.starts_in < 1:
        return "starts at once"
    minutes = turn.starts_in / 60
    if minutes < 1:
        return f"starts in about {max(1, round(turn.starts_in))} s"
    return f"starts in about {round(minutes)} min" if minutes < 90 else f"starts in about {minutes / 60:.1f} h"


def queue(store: RunStore, all_slots: Sequence[str] | None = None) -> list[Turn]:
    """Every run that waits for the daemon, in the order in which they are begun.

    Args:
        all_slots: what they can run on; by default as `slots_now`.
    """
    line = store.waiting()
    if not line:
        return []
    all_slots = slots_now() if all_slots is None else all_slots
    queued = {run.id: run for run in store.list(states=("queued",))}
    running = store.list(states=("running",), queue="daemon")
    earlier = [*store.list(states=("finished",), limit=EARLIER), *filter(None, map(_as_told_so_far, running))]
    served = daemon_alive()
    begun = [queued[one.id] for one in line if one.slot is not None and served and one.id in queued]
    free_at = _free_at(all_slots, [*running, *begun], earlier)
    places: dict[str, int] = defaultdict(int)
    found = []
    for one in line:
        if (run := queued.get(one.id)) is None:
            continue  # begun between the two looks
        kind = slots.kind(one.device, all_slots)
        starting = run in begun
        places[kind] += not starting
        starts = 0.0 if starting else _take(free_at[kind], _duration(run, earlier))
        found.append(Turn(run, places[kind], kind, None if math.isinf(starts) else starts, starting))
    return found


def _free_at(all_slots: Sequence[str], begun: Sequence[Run], earlier: Sequence[Run]) -> dict[str, list[float]]:
    """For each kind, in how many seconds its slots become free."""
    ends = {run.slot: _duration(run, earlier) for run in begun}
    found: dict[str, list[float]] = defaultdict(list)
    for slot in all_slots:
        heapq.heappush(found["cuda" if slot.startswith("cuda") else "cpu"], ends.get(slot, 0.0))
    return found


def _take(free_at: list[float], seconds: float) -> float:
    """When a run begins that takes so long: on the slot that is free first, which it then has."""
    if not free_at:
        return math.inf
    begins = heapq.heappop(free_at)
    heapq.heappush(free_at, begins + seconds)
    return begins


def _duration(run: Run, earlier: Sequence[Run]) -> float:
    """Seconds that a run will take, as far as it has not been trained; infinite where nothing is known."""
    try:
        config = parse(run.config)
    except InputError:  # it will fail at once
        return 0.0
    known = pace.expected(config, earlier)
    if known is None:
        return math.inf
    share = 1 - run.epoch / run.epochs if run.epochs else 1.0
    return known.seconds * max(0.0, share) + known.besides


def _as_told_so_far(run: Run) -> Run | None:
    """A running run as if its pace were that of a finished one, for its own end and for others of its kind; None before its first epoch."""
    if not run.epoch or run.attempts != 1 or run.started is None:
        return None
    # For an estimate alone: a clock that jumps makes it wrong, and nothing else.
    return replace(run, summary={"seconds_per_epoch": max(0.001, time.time() - run.started) / run.epoch})
