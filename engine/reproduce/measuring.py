"""Runs the open rows of a table and keeps what they gave."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import product

from engine.config import RunConfig
from engine.errors import InputError
from engine.reproduce.comparisons import difference, wanted_differences
from engine.reproduce.figures import result, tells
from engine.reproduce.results import Kept, Result, read, write
from engine.reproduce.rows import changed, configuration, of_store, open_rows
from engine.store import Run, RunStore
from engine.tables import Table


def with_store(table: Table, dataset: str | None, store: RunStore, seeds: int) -> Kept:
    """What is kept of a table, with the runs of the store that tell what it lacks, and the differences that these change."""
    where, kept = dataset or table.dataset, read(table)
    lacking = {(row.name, seed) for row, seed, _ in open_rows(table, dataset, seeds, kept)}
    found = [one for one in of_store(table, dataset, store, seeds) if tells(one[2]) and (one[0].name, one[1]) in lacking]
    fresh = {(row.name, seed): result(table, row, where, seed, run, store) for row, seed, run in found}
    results = [one for one in kept.results if one.dataset != where or (one.row, one.seed) not in fresh] + [*fresh.values()]
    known = {(one.dataset, one.first, one.second): one for one in kept.differences}
    touched = {row for row, _ in fresh}
    for first, _, second in wanted_differences(table):
        if {first[0], second[0]} & touched or (where, first, second) not in known:
            new = difference(table, where, first, second, results, store)
            if new is not None:
                known[where, first, second] = new
    return Kept(results, list(known.values()))


def measure(
    table: Table,
    run: Callable[[RunConfig], Run],
    store: RunStore,
    *,
    dataset: str | None = None,
    seeds: int = 1,
    minutes: float = math.inf,
    epochs: int | None = None,
    tell: Callable[[str], None] = print,
) -> Kept:
    """Runs the rows that are still open, one seed after the other, and keeps each as soon as it has finished.

    What a run of the store tells already is kept first, and not run again. With `epochs`, a shorter look, nothing is written.

    Args:
        run: executes one configuration and returns the run in its final state.
        minutes: no further row is begun after so long.
    """
    where = dataset or table.dataset
    started, touched = time.monotonic(), set[str]()
    kept = with_store(table, dataset, store, seeds) if epochs is None else read(table)
    keep = write if epochs is None else _forget
    if kept != read(table):
        keep(table, kept)
    for seed, row in product(range(seeds), table.rows):
        config = None if row.quoted else configuration(table, row, dataset, seed, epochs)
        if config is None or any(_measured(one, where, row.name, seed, config) for one in kept.results):
            continue
        if time.monotonic() - started > minutes * 60:
            tell(f"the time is over; {row.name} (seed {seed}) and what follows stay open")
            break
        tell(f"{table.name}: {row.name}, seed {seed}")
        done = run(config)
        if done.state != "finished":
            tell(f"{row.name} (seed {seed}) is {done.state}: {done.error or ''}")
        if not tells(done):
            continue
        fresh = result(table, row, where, seed, done, store)
        others = [one for one in kept.results if (one.dataset, one.row, one.seed) != (where, row.name, seed)]
        kept = Kept([*others, fresh], kept.differences)
        keep(table, kept)
        touched.add(row.name)
    kept = _compared(table, where, kept, store, touched)
    if kept.results:
        keep(table, kept)
    return kept


def _measured(one: Result, dataset: str, row: str, seed: int, config: RunConfig) -> bool:
    return (one.dataset, one.row, one.seed) == (dataset, row, seed) and not changed(one.settings, config)


def _forget(table: Table, kept: Kept) -> None:
    """Keeps nothing."""


def _compared(table: Table, dataset: str, kept: Kept, store: RunStore, touched: set[str]) -> Kept:
    """What is kept, with figures and the differences that the claims ask for computed anew where the runs are at hand.

    Of rows that were not `touched`, a difference on the same users stands where the runs behind it are in another store.
    """
    kept = Kept([_anew(table, one, store) for one in kept.results], kept.differences)
    known = {(one.dataset, one.first, one.second): one for one in kept.differences}
    for first, _, second in wanted_differences(table):
        found = difference(table, dataset, first, second, kept.results, store)
        before = known.get((dataset, first, second))
        better_known = before is not None and before.on and found is not None and not found.on and not {first[0], second[0]} & touched
        if found is not None and not better_known:
            known[dataset, first, second] = found
    return Kept(kept.results, list(known.values()))


def _anew(table: Table, one: Result, store: RunStore) -> Result:
    """A result with every figure that tables know by now, where its run is at hand: what is defined later needs no second training."""
    try:
        run, row = store.get(one.run), table.row(one.row)
    except InputError:
        return one
    if run.id != one.run or not tells(run):
        return one
    fresh = result(table, row, one.dataset, one.seed, run, store)
    return replace(one, figures={**one.figures, **fresh.figures})
