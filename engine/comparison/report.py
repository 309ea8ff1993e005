"""Two or more runs compared, as a script reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from engine.comparison.figures import figure, ground, metrics_of, usual_metric
from engine.comparison.settings import differing
from engine.comparison.users import ByUser, by_user
from engine.config import format_value
from engine.errors import InputError
from engine.store import Run, RunStore

FEWEST, MOST = 2, 10
WIDE, NARROW = 26, 18
"""Letters of the first and of each other column."""


def report(runs: Sequence[Run], store: RunStore, metric: str | None = None) -> dict[str, Any]:
    """Settings that differ, test figures, and by one metric each run against the first on the same users.

    Args:
        runs: the first is the one that others are compared with.
        metric: of the paired differences; as `usual_metric` when None.

    Returns:
        `runs` (id, name, state), `settings` (path → run id → value), `figures` (metric → run id → value), `metric`, `same_ground`
        (whether that metric was measured on the same ratings), and `against_first`: for each other run its `difference` to the
        first (negative: the first is better; of the whole metric), `interval` (half-width, 95 %, over users), `gained`, `lost`
        and `equal` users of the first, `mean_gain`, `mean_gain_interval`, `p_value` (Wilcoxon's signed-rank test) and `on`; null
        where the two have nothing in common.

    Raises:
        InputError: there are fewer than two runs or more than ten, one comes twice, or no run has the metric.
    """
    if not FEWEST <= len(runs) <= MOST:
        raise InputError(f"A comparison takes {FEWEST} to {MOST} runs, not {len(runs)}: name them by id or name.")
    for one, other in pairwise(sorted(runs, key=lambda run: run.id)):
        if one.id == other.id:
            raise InputError(f"Run '{one.name}' is named twice: name each run once.")
    known = metrics_of(runs)
    if metric is None:
        metric = usual_metric(runs)
    elif metric not in known:
        raise InputError(f"None of these runs has a test {metric}: choose one of {', '.join(known) or 'none, for no run has finished'}.")
    first, *others = runs
    return {
        "runs": [{"run_id": run.id, "name": run.name, "state": run.state} for run in runs],
        "settings": differing(runs),
        "figures": {name: {run.id: figure(run, name) for run in runs} for name in known},
        "metric": metric,
        "same_ground": metric is not None and len({ground(run, metric) for run in runs}) == 1,
        "against_first": {other.id: _against(first, other, metric, store) if metric else None for other in others},
    }


def _against(first: Run, other: Run, metric: str, store: RunStore) -> dict[str, Any] | None:
    found = by_user(metric, first.id, other.id, store)
    return None if found is None else _told(found)


def lines(runs: Sequence[Run], found: dict[str, Any]) -> Iterator[str]:
    """The same for people to read; `found` as `report` gives it."""
    yield "  ".join(["run".ljust(WIDE), *(run.name.ljust(NARROW) for run in runs)])
    figures = {
        name: {run: "–" if one is None else f"{one:.4f}" for run, one in values.items()} for name, values in found["figures"].items()
    }
    settings = {name: {run: _short(one) for run, one in values.items()} for name, values in found["settings"].items()}
    for name, texts in (figures | settings).items():
        yield "  ".join([name.ljust(WIDE), *(texts.get(run.id, "–").ljust(NARROW) for run in runs)]).rstrip()
    if not found["settings"]:
        yield "The settings are identical."
    metric = found["metric"]
    if metric is None:
        yield "No run has finished, so there is nothing to compare but settings."
        return
    if not found["same_ground"]:
        yield f"{metric} was measured on different ratings: its values do not compare."
    for run in runs[1:]:
        told = found["against_first"][run.id]
        yield f"{runs[0].name} against {run.name} by {metric}: " + ("no users in common" if told is None else _sentence(told))


def _sentence(told: dict[str, Any]) -> str:
    parts = []
    if told["difference"] is not None:
        parts.append(f"{told['difference']:+.4f} ± {told['interval']:.4f} (95 %; negative: the first is better)")
    users = f"{told['gained']:,} of {told['users']:,} users gain, {told['lost']:,} lose"
    parts.append(f"{users}, mean gain {told['mean_gain']:+.4f} ± {told['mean_gain_interval']:.4f}")
    return "; ".join(parts) + ("" if told["distinguishable"] else ": not distinguishable")


def _short(value: Any) -> str:
    return "not set" if value is None else value if isinstance(value, str) else format_value(value)


def _told(found: ByUser) -> dict[str, Any]:
    """A comparison by users in numbers, without the users."""
    difference, interval = found.whole or (None, None)
    return {
        "difference": difference,
        "interval": interval,
        "users": len(found.users),
        "pairs": None if found.pairs is None else int(found.pairs.sum()),
        "gained": found.gained,
        "lost": found.lost,
        "equal": found.equal,
        "mean_gain": found.mean,
        "mean_gain_interval": found.half,
        "p_value": found.p_value,
        "distinguishable": found.distinguishable,
    }
