"""All tables at a glance: how far each is filled, and what became of its authors' conclusions."""

from __future__ import annotations

from collections import Counter
from typing import Any

from engine.reproduce.comparisons import verdicts
from engine.reproduce.results import Kept, read
from engine.reproduce.rows import current
from engine.tables import Table, tables

VERDICTS = ("holds", "does not hold", "not distinguishable", "open")


def overview() -> list[dict[str, Any]]:
    """Each table on each dataset that it was filled on (its own where on none): rows measured of all, and its verdicts counted.

    A row counts as measured under its own settings alone. Tables of sums are not computed here; `measured` counts all of their rows.
    """
    found = []
    for table in tables().values():
        kept = Kept() if table.exact else read(table)
        for dataset in datasets_of(table, kept):
            done = {one.row for one in current(table, dataset, kept.results)}
            rows = [row.name for row in table.rows if table.exact or not row.quoted]
            counted = Counter(one.verdict for one in verdicts(table, dataset, kept))
            found.append(
                {
                    "table": table.name,
                    "title": table.title,
                    "system": table.system,
                    "dataset": dataset,
                    "exact": table.exact,
                    "rows": len(rows),
                    "measured": len(rows) if table.exact else len(done & set(rows)),
                    "verdicts": {verdict: counted[verdict] for verdict in VERDICTS},
                }
            )
    return found


def datasets_of(table: Table, kept: Kept) -> list[str]:
    """The datasets that a table was filled on, its own first; its own alone where there are none."""
    filled = {one.dataset for one in kept.results}
    return [name for name in (table.dataset, *sorted(filled - {table.dataset})) if name in filled] or [table.dataset]
