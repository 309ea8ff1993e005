"""What runs reached: their metrics, and which of these were measured on the same ratings."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from engine.paired import OF_PAIRS
from engine.store import Run

Part = Literal["test", "validation"]
DECIDES = ("dataset", "preprocessing", "split", "group")
"""Sections of a configuration that decide which ratings a run is judged on."""


def figure(run: Run, metric: str, part: Part = "test") -> float | None:
    """A metric of a finished run on one part; None where it has none."""
    value = (run.summary or {}).get("metrics", {}).get(part, {}).get(metric)
    return None if value is None else float(value)


def metrics_of(runs: Sequence[Run], part: Part = "test") -> list[str]:
    """Metrics that at least one of the runs has, without their standard errors; those that most runs have first."""
    found = Counter(name for run in runs for name in (run.summary or {}).get("metrics", {}).get(part, {}) if not name.endswith("_se"))
    return [name for name, _ in found.most_common()]


def usual_metric(runs: Sequence[Run], part: Part = "test") -> str | None:
    """By which metric runs are compared unless somebody says otherwise: RMSE, or NDCG where not all of the finished ones have it."""
    known = metrics_of(runs, part)
    finished = [run for run in runs if any(figure(run, name, part) is not None for name in known)]
    preferred = ["rmse", *(name for name in known if name.startswith("ndcg@")), *known]
    for name in preferred:
        if name in known and all(figure(run, name, part) is not None for run in finished):
            return name
    return known[0] if known else None


def ground(run: Run, metric: str) -> str:
    """On which ratings a run's metric is measured: metrics of runs with equal texts compare.

    That is the split, down to the label of every rating, and for rankings from which rating on an item counts as liked.
    """
    facts = run.facts or {}
    told = {section: run.config.get(section) for section in DECIDES}
    liked = None if metric.startswith(OF_PAIRS) else facts.get("liked")
    return json.dumps([facts.get("split_fingerprint") or told, liked], sort_keys=True)


def on_one_ground(runs: Sequence[Run], metric: str, part: Part = "test") -> tuple[list[Run], list[Run]]:
    """The runs with this metric, measured on the same ratings as most of them (the first run's, of equally many), and all others."""
    measured = [run for run in runs if figure(run, metric, part) is not None]
    if not measured:
        return [], list(runs)
    common = Counter(ground(run, metric) for run in measured).most_common(1)[0][0]
    kept = [run for run in measured if ground(run, metric) == common]
    ids = {run.id for run in kept}
    return kept, [run for run in runs if run.id not in ids]
