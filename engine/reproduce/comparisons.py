"""Differences between rows, and what they say of the authors' conclusions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from engine.metrics import Z95
from engine.paired import over_repeats, paired
from engine.reproduce.results import Difference, Kept, Result
from engine.reproduce.rows import current
from engine.store import RunStore
from engine.tables import Claim, Comparison, Table, higher_is_better

UNKNOWN = 1e9
"""Half of an interval of which nothing is known, and distance to a run that diverged; JSON has no infinity."""
DIVERGED = "diverged_epoch"


def wanted_differences(table: Table) -> Iterator[Comparison]:
    """Every comparison that some claim of the table makes."""
    rows = [row.name for row in table.rows if not row.quoted]
    for claim in table.claims:
        yield from claim.comparisons(rows)


def difference(
    table: Table, dataset: str, first: tuple[str, str], second: tuple[str, str], results: Sequence[Result], store: RunStore | None = None
) -> Difference | None:
    """Two figures over all seeds that both rows have; None where there is no such seed.

    The interval allows for the seeds by Student's t (of folds, which share training data, widened as in Nadeau & Bengio 2003), and for
    the choice of test users by what the runs left per user (`paired`), or else by the standard errors of both figures as if they were of
    different users. A row that diverged is worse than one that did not.
    """
    found = [one for one in current(table, dataset, results) if one.row in (first[0], second[0])]
    if first[0] != second[0] and (ended := _diverged(found, first, second)) is not None:
        return Difference(dataset, first, second, ended, 0.0, len({one.seed for one in found}), on="runs that diverged")
    sides = [{one.seed: one for one in found if one.row == row and figure in one.figures} for row, figure in (first, second)]
    seeds = sorted(sides[0].keys() & sides[1].keys())
    if not seeds:
        return None
    mine = [[side[seed] for seed in seeds] for side in sides]
    ids = [[one.run for one in side] for side in mine]
    name, other = (table.metric if figure == "test" else figure for figure in (first[1], second[1]))
    if name == other and not table.folds and store is not None and (both := paired(name, ids, store)) is not None:
        by_seed, users, on = both
    else:
        sign = -1 if higher_is_better(first[1], table.metric) else 1
        values = [[one.figures[figure] for one in side] for side, (_, figure) in zip(mine, (first, second), strict=True)]
        by_seed, on = sign * (np.array(values[0]) - np.array(values[1])), ""
        errors = [
            np.mean([one.figures.get(f"{what}_se", math.nan) for one in side]) for side, what in zip(mine, (name, other), strict=True)
        ]
        users = Z95 * math.hypot(*errors)
    over_seeds = over_repeats(by_seed, table.folds)
    parts = {"users": 0.0 if table.folds else users, "seeds": over_seeds}
    known = {what: half for what, half in parts.items() if math.isfinite(half) and half > 0}
    half = math.hypot(*known.values()) if known else UNKNOWN if len(seeds) == 1 or not math.isfinite(users) else 0.0
    return Difference(dataset, first, second, float(by_seed.mean()), half, len(seeds), " and ".join(known), on)


def _diverged(found: Sequence[Result], first: tuple[str, str], second: tuple[str, str]) -> float | None:
    """The difference where one of the two rows has a run that diverged and the other has none; None otherwise."""
    ended = {one.row for one in found if one.figures.get(DIVERGED)}
    lasted = {one.row for one in found if not one.figures.get(DIVERGED)}
    if first[0] in ended and second[0] in lasted - ended:
        return UNKNOWN
    return -UNKNOWN if second[0] in ended and first[0] in lasted - ended else None


@dataclass(frozen=True)
class Verdict:
    """What our figures say of one claim: `holds`, `does not hold`, `not distinguishable` or `open`."""

    claim: str
    verdict: str
    evidence: list[str]


def verdicts(table: Table, dataset: str, kept: Kept) -> list[Verdict]:
    """Each claim of the table, judged by what was measured under its rows' own settings. A claim holds if all of its comparisons do."""
    rows = [row.name for row in table.rows if not row.quoted]
    results = current(table, dataset, kept.results)
    there = {one.row for one in results}
    known = {(one.first, one.second): one for one in kept.differences if one.dataset == dataset}
    known = {(first, second): one for (first, second), one in known.items() if {first[0], second[0]} <= there}
    judged = []
    for claim in table.claims:
        if claim.only_on and dataset not in claim.only_on:
            judged.append(Verdict(claim.text, "open", [f"It is said of {' and '.join(claim.only_on)} alone."]))
            continue
        if claim.low is not None or claim.high is not None:
            said = [_bounded(claim, row, results) for row in claim.rows]
        else:
            said = [_compare(table, claim, *one, known.get((one.first, one.second))) for one in claim.comparisons(rows)]
        verdict = next((word for word in ("open", "does not hold", "not distinguishable") if any(word == one for one, _ in said)), "holds")
        judged.append(Verdict(claim.text, verdict if said else "open", [sentence for _, sentence in said]))
    return judged


def _compare(
    table: Table, claim: Claim, first: tuple[str, str], relation: str, second: tuple[str, str], found: Difference | None
) -> tuple[str, str]:
    names = first[0] if first[0] != second[0] else first[1], second[0] if first[0] != second[0] else second[1]
    if found is None:
        return "open", f"{names[0]} against {names[1]}: not measured yet"
    if abs(found.value) == UNKNOWN:
        lost, won = names if found.value > 0 else names[::-1]
        ways = {"better": found.value < 0, "not better": found.value > 0, "similar": False}
        return "holds" if ways[relation] else "does not hold", f"{lost} diverged, {won} did not"
    better, worse = found.value + found.half < 0, found.value - found.half > 0
    alike, unlike = abs(found.value) + found.half < claim.margin, abs(found.value) - found.half > claim.margin
    ways_of = {"better": (better, worse), "not better": (worse, better), "similar": (alike, unlike)}
    holds, fails = ways_of[relation]
    interval = f" ± {found.half:.4f} over {found.over or 'seeds'}" if found.half < UNKNOWN else ", no interval"
    counted = f"{found.seeds} seed{'s' * (found.seeds > 1)}" + (f", {found.on}" if found.on else "")
    if not claim.across:
        counted = f"{table.metric if claim.figure == 'test' else claim.figure}, {counted}"
    meaning = f"similar: within {claim.margin:g}" if relation == "similar" else "negative: the first is better"
    word = "holds" if holds else "does not hold" if fails else "not distinguishable"
    return word, f"{names[0]} − {names[1]}: {found.value:+.4f}{interval} ({counted}; {meaning})"


def _bounded(claim: Claim, row: str, results: Sequence[Result]) -> tuple[str, str]:
    """Whether the mean lies between the bounds; of several seeds, whether its 95 % interval does."""
    values = np.array([one.figures[claim.figure] for one in results if one.row == row and claim.figure in one.figures])
    if not len(values):
        return "open", f"{row}: not measured yet"
    mean, half = float(values.mean()), over_repeats(values, None) if len(values) > 1 else 0.0
    low, high = -math.inf if claim.low is None else claim.low, math.inf if claim.high is None else claim.high
    word = "holds" if low <= mean - half and mean + half <= high else "not distinguishable"
    if mean + half < low or mean - half > high:
        word = "does not hold"
    counted = f"{len(values)} seed{'s' * (len(values) > 1)}"
    return word, f"{row}: {mean:.4f}" + (f" ± {half:.4f}" if len(values) > 1 else "") + f" ({counted})"
