"""What was measured of a table, on disk: assets/results/tables, one JSON file per table."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import InputError
from engine.files import replacing
from engine.tables import Table

FOLDER = Path(__file__).parents[2] / "assets" / "results" / "tables"


@dataclass(frozen=True)
class Result:
    """One row, measured once.

    Attributes:
        figures: by name: the metrics on the test part, those of `tables.FIGURES`, `validation/…` and `…_se`. Of a run that diverged,
            `diverged_epoch` alone.
        settings: every field of the configuration by its path, so that a default that changes later is noticed.
        facts: split fingerprint, sizes, versions, device, threads.
        date: seconds since 1970.
        run: id in the store that it was measured in.
    """

    dataset: str
    row: str
    seed: int
    figures: dict[str, float]
    settings: dict[str, Any]
    facts: dict[str, Any]
    seconds: float
    date: float
    run: str = ""


@dataclass(frozen=True)
class Difference:
    """Figure of one row minus that of another, negative where the first is better, and the half-width of its 95 % interval.

    Attributes:
        seeds: how many repetitions stand behind it.
        over: what the interval allows for: "seeds", "users", "users and seeds", or "" where nothing is known and it is endless.
        on: what both rows were compared on, where that is known: "101 pairs", "604 users".
    """

    dataset: str
    first: tuple[str, str]
    second: tuple[str, str]
    value: float
    half: float
    seeds: int
    over: str = ""
    on: str = ""


@dataclass(frozen=True)
class Kept:
    """What a table's file holds."""

    results: list[Result] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)


def read(table: Table) -> Kept:
    """What is kept of a table; nothing where it was never filled. Raises InputError when the file is damaged."""
    path = FOLDER / f"{table.name}.json"
    if not path.exists():
        return Kept()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        pairs = [Difference(**{**one, "first": tuple(one["first"]), "second": tuple(one["second"])}) for one in content["differences"]]
        return Kept([Result(**one) for one in content["results"]], pairs)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise InputError(f"The kept results of {table.name} are damaged ({error}): restore {path.name}, or delete it.") from None


def write(table: Table, kept: Kept) -> None:
    """Replaces a table's file."""
    content = {
        "table": table.name,
        "results": [asdict(one) for one in kept.results],
        "differences": [asdict(one) for one in kept.differences],
    }
    with replacing(FOLDER / f"{table.name}.json") as draft:
        draft.write_text(json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")
