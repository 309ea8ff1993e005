"""A table with published and own figures side by side."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import numpy as np

from engine.reproduce.comparisons import verdicts
from engine.reproduce.exact import EXACT
from engine.reproduce.leak import in_words, leak
from engine.reproduce.results import Kept
from engine.reproduce.rows import current
from engine.tables import Table


def report(table: Table, dataset: str | None, kept: Kept) -> dict[str, Any]:
    """The table as rows of published and own figures, mean and standard deviation over seeds, with the verdicts: for --json and pages."""
    where = dataset or table.dataset
    sums = EXACT[table.name]() if table.exact else {}
    rows = []
    own = current(table, where, kept.results)
    for row in table.rows:
        every = [one for one in kept.results if (one.dataset, one.row) == (where, row.name)]
        # What was measured under other settings is shown where there is nothing better, but decides no claim.
        mine = [one for one in own if one.row == row.name] or every
        names = sorted({name for one in mine for name in one.figures})
        values = {name: [one.figures[name] for one in mine if name in one.figures] for name in names}
        rows.append(
            {
                "row": row.name,
                "published": row.published,
                "note": row.note,
                "open": not mine and not row.quoted,
                "other_settings": bool(mine) and mine[0] not in own,
                "diverged": sorted({int(ended) for one in mine if (ended := one.figures.get("diverged_epoch"))}),
                "seeds": len(mine),
                "mean": sums.get(row.name) or {name: float(np.mean(found)) for name, found in values.items()},
                "sd": {name: float(np.std(found, ddof=1)) for name, found in values.items() if len(found) > 1},
                "epochs": sorted({one.facts["epochs"] for one in mine}),
                "seconds": sum(one.seconds for one in mine),
                "dates": sorted({time.strftime("%Y-%m-%d", time.gmtime(one.date)) for one in mine}),
            }
        )
    said = [asdict(one) for one in verdicts(table, where, kept)]
    lesson = leak(table, rows)
    return {
        "table": table.name,
        "title": table.title,
        "dataset": where,
        "metric": table.metric,
        "rows": rows,
        "claims": said,
        "lesson": in_words(lesson) if lesson else [],
    }


def lines(report: dict[str, Any]) -> list[str]:
    """A report for a terminal."""
    found = [f"{report['title']} · {report['dataset']} · {report['metric']}"]
    for row in report["rows"]:
        theirs = "  ".join(f"{name} {value:g}" for name, value in row["published"].items())
        if row["mean"] and row["mean"] == row["published"]:
            found.append(f"  {row['row']:<32} equal: {' '.join(f'{value:g}' for value in row['published'].values())}")
            continue
        names = [name for name in row["published"] if name in row["mean"]] or ["test"]
        ours = "  ".join(f"{name} {row['mean'][name]:.4f}{_spread(row, name)}" for name in names if name in row["mean"])
        found.append(f"  {row['row']:<32} theirs {theirs or '–':<36} ours {ours or ('open' if row['open'] else '–')}")
    found += report["lesson"]
    for claim in report["claims"]:
        found.append(f"{claim['verdict']}: {claim['claim']}")
        found += [f"    {sentence}" for sentence in claim["evidence"]]
    return found


def _spread(row: dict[str, Any], name: str) -> str:
    return f" ± {row['sd'][name]:.4f}" if name in row["sd"] else ""
