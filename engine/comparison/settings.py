"""What runs were told: where their configurations differ, and which of them differ in the seed alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import pandas as pd

from engine.config import flatten, format_value, parse
from engine.errors import InputError
from engine.store import Run

SEED = "training.seed"


def settings_of(run: Run) -> Mapping[str, Any]:
    """Every field of a run's configuration by its path; a field that came after the run counts as its default."""
    return _settings(json.dumps(run.config, sort_keys=True))


@lru_cache(maxsize=2_000)
def _settings(config: str) -> Mapping[str, Any]:
    values = json.loads(config)
    try:
        return flatten(parse(values))
    except InputError:  # of another version: as it stands
        return {f"{section}.{field}": value for section, fields in values.items() for field, value in fields.items()}


def differing(runs: Sequence[Run]) -> dict[str, dict[str, Any]]:
    """Fields that are not alike in all runs: path → run id → value.

    Where a run's model or split has no such field, its id is missing; that alone is a difference, and so is it of `None`, not set.
    """
    known = {run.id: settings_of(run) for run in runs}
    paths = dict.fromkeys(path for settings in known.values() for path in settings)
    columns = {path: {run_id: settings[path] for run_id, settings in known.items() if path in settings} for path in paths}
    return {path: values for path, values in columns.items() if len(values) < len(known) or len({_key(v) for v in values.values()}) > 1}


def settings_table(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per run (index: id), one column per field that differs: numbers and truths as they are, all else as text.

    None where a run's model or split has no such field, or it is not set.
    """
    columns = {path: [_plain(values.get(run.id)) for run in runs] for path, values in differing(runs).items()}
    return pd.DataFrame(columns, index=[run.id for run in runs], dtype=object)


def without_seed(run: Run) -> str:
    """What a run was told except for its seed, as one text: equal for runs that differ in the seed alone."""
    return json.dumps({path: value for path, value in settings_of(run).items() if path != SEED}, sort_keys=True)


def same_but_seed(runs: Iterable[Run]) -> list[list[Run]]:
    """Runs in groups that differ in the seed alone, in the order of their first; of one seed the first run counts, others are left out."""
    groups: dict[str, dict[Any, Run]] = {}
    for run in runs:
        groups.setdefault(without_seed(run), {}).setdefault(settings_of(run).get(SEED), run)
    return [list(group.values()) for group in groups.values()]


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else format_value(value)
