"""Which results and runs are a row's own: measured under the settings that the row has now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.config import RunConfig, flatten, parse
from engine.errors import InputError
from engine.reproduce.results import Kept, Result
from engine.store import Run, RunStore
from engine.tables import Row, Table


def configuration(table: Table, row: Row, dataset: str | None, seed: int, epochs: int | None = None) -> RunConfig:
    """The run of one row. `epochs`: instead of the table's, for a shorter look. Raises InputError."""
    values = table.config(row, dataset, seed)
    if epochs is not None:
        values = {**values, "training": {**values.get("training", {}), "epochs": epochs}}
    return parse(values)


def other_settings(table: Table, one: Result) -> dict[str, Any]:
    """What a result was measured with and its row does not say now, by field path; a field that came later counts as its default."""
    if one.row not in {row.name for row in table.rows if not row.quoted}:
        return {}
    return changed(one.settings, configuration(table, table.row(one.row), one.dataset, one.seed))


def changed(settings: dict[str, Any], config: RunConfig) -> dict[str, Any]:
    """Which of these settings, by field path, are not those of a configuration."""
    now, usual = flatten(config), flatten(RunConfig(split=type(config.split)(), model=type(config.model)()))
    then = {path: settings.get(path, usual.get(path)) for path in {**now, **settings}}
    return {path: value for path, value in sorted(then.items()) if value != now.get(path)}


def current(table: Table, dataset: str, results: Sequence[Result]) -> list[Result]:
    """The results on one dataset that say something of the rows as they are now."""
    names = {row.name for row in table.rows}
    return [one for one in results if one.dataset == dataset and one.row in names and not other_settings(table, one)]


def open_rows(table: Table, dataset: str | None, seeds: int, kept: Kept) -> list[tuple[Row, int, RunConfig]]:
    """Row, seed and configuration of what is not kept yet, or was measured under other settings; one seed after the other."""
    where = dataset or table.dataset
    done = {(one.row, one.seed) for one in current(table, where, kept.results)}
    runnable = [row for row in table.rows if not row.quoted]
    wanted = [(row, seed) for seed in range(seeds) for row in runnable if (row.name, seed) not in done]
    return [(row, seed, configuration(table, row, dataset, seed)) for row, seed in wanted]


def of_store(table: Table, dataset: str | None, store: RunStore, seeds: int) -> list[tuple[Row, int, Run]]:
    """Runs of the store that are runs of the table's rows, whatever their state, the newest of each row and seed."""
    wanted = {}
    for row in table.rows:
        for seed in range(seeds):
            if not row.quoted:
                wanted[configuration(table, row, dataset, seed).model_dump_json()] = (row, seed)
    found: dict[tuple[str, int], tuple[Row, int, Run]] = {}
    for run in store.list(limit=None):
        try:
            row, seed = wanted[parse(run.config).model_dump_json()]
        except (InputError, KeyError):
            continue
        found.setdefault((row.name, seed), (row, seed, run))
    return list(found.values())
