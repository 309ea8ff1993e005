"""Figures as pages and the docs write them: which of a table's are shown, with how many digits, and how ours differ from theirs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from scipy.stats import t

from engine.metrics import Z95
from engine.tables import Table, higher_is_better

COUNTED = ("parameters", "best_epoch", "epochs_to_reach")
"""Figures that are whole numbers, of which more is not worse."""

SHOWN = ("reconstruction_mse", "refeed_loss", "train", "train_last", "loss")
"""Figures of what the network is shown, of which less is not better."""

OURS = "mean ± standard deviation over the seeds, [95 % interval] or (se: standard error) over the test users where it is known"
"""How `own` is to be read."""


def comparable(table: Table, dataset: str) -> bool:
    """Whether published and own figures are of the same data; otherwise their difference would tell of the data."""
    return table.exact or table.published_on == dataset


def figures(table: Table) -> list[str]:
    """What the table prints, what it is about, and what its claims are of, each once."""
    printed = [name for row in table.rows for name in row.published]
    claimed = [name for claim in table.claims for name in (claim.across or (claim.figure,))]
    main = [] if "test" in printed or table.exact else ["test"]
    aside = [name for name in table.beside if name != table.metric]
    twice = {"test"} if table.metric in printed else set()
    return [name for name in dict.fromkeys([*printed, *main, *claimed, *aside]) if name not in twice]


def number(figure: str, value: float) -> str:
    """An own figure: counts in full, everything else with four digits."""
    return f"{value:,.0f}" if figure in COUNTED else f"{value:.4f}"


def printed(value: float) -> str:
    """A published figure as it was printed, with six digits at most."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def own(table: Table, figure: str, row: Mapping[str, Any]) -> str | None:
    """Our figure of a row of a report, read as `OURS`, such as "0.9000 ± 0.0100 [0.8500, 0.9500]"; None where there is none."""
    if figure not in row["mean"]:
        return None
    mean, name = row["mean"], measured_by(table, figure)
    spread = f" ± {row['sd'][figure]:.4f}" if figure in row["sd"] else ""
    if f"{name}_low" in mean:
        spread += f" [{mean[f'{name}_low']:.4f}, {mean[f'{name}_high']:.4f}]"
    elif f"{name}_se" in mean:
        spread += f" (se {mean[f'{name}_se']:.4f})"
    return number(figure, mean[figure]) + spread


def interval(table: Table, figure: str, row: Mapping[str, Any]) -> tuple[float, float] | None:
    """Ends of the 95 % interval over users of a row's figure; None where it is not known."""
    mean, name = row["mean"], measured_by(table, figure)
    if f"{name}_low" in mean:
        return mean[f"{name}_low"], mean[f"{name}_high"]
    if figure in mean and f"{name}_se" in mean:
        half = Z95 * mean[f"{name}_se"]
        return mean[figure] - half, mean[figure] + half
    return None


def measured_by(table: Table, figure: str) -> str:
    """The metric behind a figure: the table's own behind its test and validation figures."""
    return {"test": table.metric, "validation": f"validation/{table.metric}"}.get(figure, figure)


def difference(table: Table, figure: str, row: Mapping[str, Any]) -> str | None:
    """Ours minus theirs with an arrow and a word, such as "▼ −0.0028 better"; None where a side is missing.

    Of several seeds, a difference within the 95 % t interval of our mean is not distinguishable.
    """
    if figure not in row["published"] or figure not in row["mean"]:
        return None
    value = row["mean"][figure] - row["published"][figure]
    if number(figure, abs(value)) == number(figure, 0):
        return "= equal"
    word = "better" if (value > 0) == higher_is_better(figure, table.metric) else "worse"
    if figure in SHOWN:
        word = "higher" if value > 0 else "lower"
    elif figure in COUNTED:
        word = "more" if value > 0 else "fewer"
    elif figure in row["sd"]:
        half = float(t.ppf(0.975, row["seeds"] - 1)) * row["sd"][figure] / math.sqrt(row["seeds"])
        word = "not distinguishable" if abs(value) <= half else word
    sign = "▲ +" if value > 0 else "▼ −"
    return f"{sign}{number(figure, abs(value))} {word}"
