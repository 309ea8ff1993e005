"""All tables as one page of Markdown, docs/REPRODUCED.md, made from what is kept and never written by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from engine.files import replacing
from engine.metrics import definition
from engine.reproduce import wording
from engine.reproduce.overview import datasets_of, overview
from engine.reproduce.report import report
from engine.reproduce.results import Kept, Result, read
from engine.reproduce.rows import other_settings
from engine.tables import FIGURES, Table, tables

DOCUMENT = Path(__file__).parents[2] / "docs" / "REPRODUCED.md"
SYSTEMS = {
    1: "Source system 1: implicit CDAE",
    2: "Source system 2: deep autoencoder with dense re-feeding",
    3: "Source system 3: SVD and deep autoencoder assignment",
    4: "Source system 4: app ratings",
    5: "Source system 5: AutoRec and deep AutoRec",
    "field": "The field's best models",
}
PREFACE = f"""# Published tables beside our figures

Written by `python -m engine reproduce --docs` from `assets/results/tables`; not to be edited by hand. The Reproduce page shows the same,
and fills rows by a click.

A table is filled by its command, row by row, over as many sittings as it takes; what is not measured yet is open. Ours are
{wording.OURS}. The difference, ours minus
published, stands where both are of the same data; of several seeds it is marked not distinguishable within the 95 % t interval of our
mean. A conclusion of the authors holds if every comparison behind it does: ± is the half-width of a 95 % interval, over the seeds by
Student's t, and over the test users where the runs kept what happened to each; where it covers 0, nothing can be told.
"""


def document() -> str:
    """The whole page. Raises InputError when a kept file is damaged."""
    parts = [PREFACE, *_overview()]
    system: Any = None
    for table in tables().values():
        if table.system != system:
            system = table.system
            parts.append(f"\n## {SYSTEMS[system]}\n")
        parts += _table(table)
    return "\n".join(parts).rstrip() + "\n"


def write_document() -> Path:
    """Replaces the page in docs, and returns its path."""
    with replacing(DOCUMENT) as draft:
        draft.write_text(document(), encoding="utf-8")
    return DOCUMENT


def _overview() -> Iterator[str]:
    """The short table at the top."""
    lines = [["table", "filled on", "rows measured", "claims that hold", "do not hold", "cannot be told", "open"]]
    for one in overview():
        rows = "sums" if one["exact"] else f"{one['measured']} of {one['rows']}"
        lines.append(
            [f"[{one['title']}](#{one['table']})", one["dataset"], rows, *(str(count or "–") for count in one["verdicts"].values())]
        )
    yield from _markdown(lines)


def _table(table: Table) -> Iterator[str]:
    """One table with its rows and claims on every dataset that it was filled on, and how the protocols differ."""
    kept = Kept() if table.exact else read(table)
    yield f'\n<a id="{table.name}"></a>\n\n### {table.title}\n'
    yield f"{_plain(table.shows)}\n"
    yield f"- Source: {_plain(table.source)}. Published on {_plain(table.published_on)}."
    yield f"- Their figure: {_plain(table.published_metric)}"
    if not table.exact:
        yield f"- Ours (`test`): `{table.metric}`. {definition(table.metric)}"
    for dataset in datasets_of(table, kept):
        mine = [one for one in kept.results if one.dataset == dataset]
        yield from _filled(table, dataset, mine, report(table, dataset, kept))
    yield "\nHow the protocols differ:\n"
    yield from (f"- {_plain(sentence)}" for sentence in table.protocol)


def _filled(table: Table, dataset: str, mine: Sequence[Result], found: dict[str, Any]) -> Iterator[str]:
    """Rows and claims on one dataset, with the command that measures them."""
    if not table.exact:
        yield f"\n**On {dataset}**"
        if dataset in table.datasets:
            yield f"({_plain(table.datasets[dataset].note)})"
    yield f"\n```\n{command(table, dataset, mine)}\n```\n"
    yield from _markdown(_sums(found) if table.exact else _rows(table, dataset, mine, found))
    if meanings := [
        f"`{name}`: {FIGURES[name]}" for name in _drawn(table, found) if name in FIGURES and name not in ("test", "validation")
    ]:
        yield "\n" + " ".join(meanings)
    if mine:
        yield f"\n{_conditions(mine)}"
    yield from (f"\n{_plain(sentence)}" for sentence in found["lesson"])
    if found["claims"]:
        yield "\nTheir conclusions on our figures:\n"
    for claim in found["claims"]:
        yield f"- **{claim['verdict']}**: {_plain(claim['claim'])}"
        yield from (f"  - {_plain(sentence)}" for sentence in claim["evidence"])


def command(table: Table, dataset: str, mine: Sequence[Result] = ()) -> str:
    """The command line that gives these results; for the table's own dataset and one seed where there are none."""
    where = f" --dataset {dataset}" if dataset != table.dataset else ""
    seeds = len({one.seed for one in mine})
    epochs = {other_settings(table, one).get("training.epochs") for one in mine}
    short = "".join(f" --epochs {only}" for only in epochs if len(epochs) == 1 and isinstance(only, int))
    return f"python -m engine reproduce {table.name}{where}" + (f" --seeds {seeds}" if seeds > 1 else "") + short


def _drawn(table: Table, found: dict[str, Any]) -> list[str]:
    """Figures that some row has."""
    rows = found["rows"]
    return [name for name in wording.figures(table) if any(name in row["published"] or name in row["mean"] for row in rows)]


def _rows(table: Table, dataset: str, mine: Sequence[Result], found: dict[str, Any]) -> list[list[str]]:
    """The rows of a table with their heading; columns without a figure are left out."""
    compared = wording.comparable(table, dataset)
    rows = found["rows"]
    columns: dict[str, list[str]] = {"row": [_plain(row["row"]) for row in rows]}
    quoted = {row.name for row in table.rows if row.quoted}
    columns["runs"] = ["quoted" if row["row"] in quoted else "open" if row["open"] else _diverged(row) for row in rows]
    for name in _drawn(table, found):
        columns[f"{name}, published"] = [
            wording.printed(row["published"][name]) if name in row["published"] else "" for row in found["rows"]
        ]
        columns[f"{name}, ours"] = [wording.own(table, name, row) or "" for row in rows]
        columns["difference, " + name] = [(wording.difference(table, name, row) or "") if compared else "" for row in rows]
    for name in ("test_pairs", "test_users"):
        columns[name.replace("_", " ")] = [f"{row['mean'][name]:,.0f}" if name in row["mean"] else "" for row in rows]
    columns["seeds"] = [str(row["seeds"] or "") for row in rows]
    columns["epochs"] = [", ".join(map(str, row["epochs"])) for row in rows]
    columns["date"] = [row["dates"][-1] if row["dates"] else "" for row in rows]
    others = {one.row: other_settings(table, one) for one in mine}
    columns["other settings"] = [
        ", ".join(f"`{path}` {value}" for path, value in sorted(others.get(row["row"], {}).items())) for row in rows
    ]
    columns["note"] = [_plain(row["note"]) for row in rows]
    kept = {heading: cells for heading, cells in columns.items() if any(cells)}
    return [[*kept], *(list(cells) for cells in zip(*kept.values(), strict=True))]


def _diverged(row: dict[str, Any]) -> str:
    return f"diverged in epoch {', '.join(map(str, row['diverged']))}" if row["diverged"] else ""


def _sums(found: dict[str, Any]) -> list[list[str]]:
    lines = [["row", "published", "ours", "ours is"]]
    for row in found["rows"]:
        theirs, ours = (" ".join(f"{values[name]:g}" for name in row["published"]) for values in (row["published"], row["mean"]))
        lines.append([row["row"], theirs, ours, "equal" if theirs == ours else "not equal"])
    return lines


def _conditions(mine: Sequence[Result]) -> str:
    """Where and with what the figures were measured, and how long it took."""
    facts = [one.facts for one in mine]
    devices = ", ".join(sorted({str(one.get("device")) for one in facts}))
    threads = ", ".join(map(str, sorted({one["threads"] for one in facts if one.get("threads")})))
    versions = ", ".join(sorted({f"torch {(one.get('versions') or {}).get('torch', '?')}" for one in facts}))
    minutes = sum(one.seconds for one in mine) / 60
    return f"Measured on {devices} ({threads} threads) with {versions}; {len(mine)} runs, {minutes:,.1f} minutes in all."


def _markdown(lines: Sequence[Sequence[str]]) -> Iterator[str]:
    head, *body = lines
    yield f"| {' | '.join(head)} |"
    yield "|" + " --- |" * len(head)
    yield from (f"| {' | '.join(cells)} |" for cells in body)


def _plain(text: str) -> str:
    """Text with what Markdown would read as markup made harmless; `code` stays."""
    parts = re.split("(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"[*|<>\[\]~]|\b_|_\b", r"\\\g<0>", part) for part in parts)
