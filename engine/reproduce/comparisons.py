"""Differences between rows, and what they say of the authors' conclusions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from engine.metrics import bootstrap_rmse_difference
from engine.reproduce.figures import user_rmse
from engine.reproduce.results import Difference, Kept, Result
from engine.store import RunStore
from engine.tables import Claim, Comparison, Table, higher_is_better

UNPAIRED = 1.96
"""Standard errors in half a 95 % interval."""
UNKNOWN = 1e9
"""Half of an interval of which nothing is known; JSON has no infinity."""


def wanted_differences(table: Table) -> Iterator[Comparison]:
    """Every comparison that some claim of the table makes."""
    rows = [row.name for row in table.rows if not row.quoted]
    for claim in table.claims:
        yield from claim.comparisons(rows)


def difference(
    table: Table, dataset: str, first: tuple[str, str], second: tuple[str, str], results: Sequence[Result], store: RunStore | None = None
) -> Difference | None:
    """Two figures over all seeds that both rows have; None where there is no such seed.

    Test RMSEs of runs whose errors are at hand are compared on the same pairs, predictions being clipped: global ones by the bootstrap
    over users, the squared errors of a pair being averaged over the seeds; per-user ones, averaged over the seeds, by the spread of
    their differences over users. Otherwise the interval comes from the spread over seeds, or, of a single seed, from
    the standard errors over users where the figures have any; else it is unknown, and infinite.
    """
    sides = [
        {one.seed: one for one in results if (one.dataset, one.row) == (dataset, row) and figure in one.figures}
        for row, figure in (first, second)
    ]
    seeds = sorted(sides[0].keys() & sides[1].keys())
    if not seeds:
        return None
    sign = -1 if higher_is_better(first[1], table.metric) else 1
    values = [np.array([side[seed].figures[figure] for seed in seeds]) for side, (_, figure) in zip(sides, (first, second), strict=True)]
    value = float(sign * (values[0] - values[1]).mean())
    paired = _paired(table, first[1], second[1], [[side[seed] for seed in seeds] for side in sides], store)
    if paired is not None:
        value, half, pairs = paired
        return Difference(dataset, first, second, value, half if math.isfinite(half) else UNKNOWN, len(seeds), pairs)
    if len(seeds) > 1:
        half = float(t.ppf(0.975, len(seeds) - 1) * (values[0] - values[1]).std(ddof=1) / math.sqrt(len(seeds)))
    else:
        names = [table.metric if figure == "test" else figure for figure in (first[1], second[1])]
        errors = [side[seeds[0]].figures.get(f"{name}_se", math.nan) for side, name in zip(sides, names, strict=True)]
        half = UNPAIRED * math.hypot(*errors)
    return Difference(dataset, first, second, value, half if math.isfinite(half) else UNKNOWN, len(seeds))


def _paired(table: Table, figure: str, other: str, sides: list[list[Result]], store: RunStore | None) -> tuple[float, float, int] | None:
    """Difference, half-width and number of pairs from the stored errors of both sides, where these are of the same pairs."""
    if store is None or figure != "test" or other != "test" or not table.metric.startswith("rmse"):
        return None
    if not all(one.run and store.has(one.run, "errors") for side in sides for one in side):
        return None
    loaded = [[store.load(one.run, "errors") for one in side] for side in sides]
    if len({meta["fingerprint"] for side in loaded for _, meta in side}) != 1:
        return None
    users = loaded[0][0][0]["users"].numpy()
    errors = [[tensors["errors"].numpy() for tensors, _ in side] for side in loaded]
    if table.metric == "rmse_user_mean":
        first, second = (np.mean([user_rmse(one, users) for one in side], axis=0) for side in errors)
        apart = first - second
        half = UNPAIRED * float(apart.std(ddof=1)) / math.sqrt(len(apart)) if len(apart) > 1 else math.inf
        return float(apart.mean()), half, len(users)
    first, second = (np.sqrt(np.mean(np.square(side, dtype=np.float64), axis=0)) for side in errors)
    value, low, high = bootstrap_rmse_difference(first, second, users)
    return value, max(high - value, value - low), len(users)


@dataclass(frozen=True)
class Verdict:
    """What our figures say of one claim: `holds`, `does not hold`, `not distinguishable` or `open`."""

    claim: str
    verdict: str
    evidence: list[str]


def verdicts(table: Table, dataset: str, kept: Kept) -> list[Verdict]:
    """Each claim of the table, judged by what is kept. A claim holds if all of its comparisons do."""
    rows = [row.name for row in table.rows if not row.quoted]
    known = {(one.first, one.second): one for one in kept.differences if one.dataset == dataset}
    judged = []
    for claim in table.claims:
        if claim.low is not None or claim.high is not None:
            said = [_bounded(claim, row, dataset, kept.results) for row in claim.rows]
        else:
            said = [_compare(first, relation, second, known.get((first, second))) for first, relation, second in claim.comparisons(rows)]
        verdict = next((word for word in ("open", "does not hold", "not distinguishable") if any(word == one for one, _ in said)), "holds")
        judged.append(Verdict(claim.text, verdict if said else "open", [sentence for _, sentence in said]))
    return judged


def _compare(first: tuple[str, str], relation: str, second: tuple[str, str], found: Difference | None) -> tuple[str, str]:
    names = first[0] if first[0] != second[0] else first[1], second[0] if first[0] != second[0] else second[1]
    if found is None:
        return "open", f"{names[0]} against {names[1]}: not measured yet"
    better, worse = found.value + found.half < 0, found.value - found.half > 0
    ways = {
        "better": "holds" if better else "does not hold" if worse else "not distinguishable",
        "not better": "does not hold" if better else "holds" if worse else "not distinguishable",
        "similar": "does not hold" if better or worse else "holds",
    }
    unknown = ", no interval from one user" if found.pairs else ", no interval from one seed"
    interval = f" ± {found.half:.4f}" if found.half < UNKNOWN else unknown
    counted = f"{found.seeds} seed{'s' * (found.seeds > 1)}" + (f", {found.pairs:,} pairs, clipped" if found.pairs else "")
    return ways[relation], f"{names[0]} − {names[1]}: {found.value:+.4f}{interval} ({counted}; negative: the first is better)"


def _bounded(claim: Claim, row: str, dataset: str, results: Sequence[Result]) -> tuple[str, str]:
    values = [one.figures[claim.figure] for one in results if (one.dataset, one.row) == (dataset, row) and claim.figure in one.figures]
    if not values:
        return "open", f"{row}: not measured yet"
    mean = float(np.mean(values))
    inside = (claim.low is None or mean >= claim.low) and (claim.high is None or mean <= claim.high)
    return "holds" if inside else "does not hold", f"{row}: {mean:.4f} ({len(values)} seed{'s' * (len(values) > 1)})"
