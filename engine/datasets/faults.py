"""Rows of a file that cannot be used, and the account of all its rows: none goes missing unsaid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

EXAMPLES = 20
"""So many of the rows that are left out are named one by one."""
_SHOWN = 60
_COUNTS = {"last": "the latest counts", "mean": "their mean counts", "error": "refused"}


class Faults:
    """Which rows cannot be used, each for the first reason that was found."""

    def __init__(self, rows: int) -> None:
        self.reason = np.zeros(rows, np.uint8)
        self.kinds: list[tuple[str, Callable[[int], str]]] = []

    def add(self, bad: np.ndarray, kind: str, tell: Callable[[int], str]) -> None:
        """More of them.

        Args:
            bad: bool per row.
            kind: such as "without a rating".
            tell: what is wrong with a row, such as "has no rating".
        """
        fresh = bad & (self.reason == 0)
        if fresh.any():
            self.kinds.append((kind, tell))
            self.reason[fresh] = len(self.kinds)

    def counts(self) -> dict[str, int]:
        """Kind → rows."""
        found = np.bincount(self.reason, minlength=len(self.kinds) + 1)[1:].tolist()
        return {kind: count for (kind, _tell), count in zip(self.kinds, found, strict=True)}

    def first(self, count: int) -> dict[int, str]:
        """The first rows that cannot be used → what is wrong with each."""
        return {row: self.kinds[self.reason[row] - 1][1](row) for row in np.flatnonzero(self.reason)[:count].tolist()}


@dataclass(frozen=True)
class Account:
    """What became of the rows of a file: rows = kept + merged + left out.

    Attributes:
        rows: below the column names; blank lines are none.
        kept: ratings of the dataset, one for each pair of user and item.
        merged: further rows of these pairs.
        rule: what counts of a pair that was rated again; see `Reading.duplicates`.
        left_out: why rows were left out → how many.
        examples: lines of the first of them → what is wrong with each.
    """

    rows: int
    kept: int
    merged: int = 0
    rule: str = "last"
    left_out: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)

    @property
    def unusable(self) -> int:
        """How many rows are left out."""
        return sum(self.left_out.values())

    def __str__(self) -> str:
        """Such as "7 rows = 4 ratings + 1 of a pair that came before (the latest counts) + 2 unusable (2 without a user)"."""
        said = [f"{_counted(self.rows, 'row')} = {_counted(self.kept, 'rating')}"]
        if self.merged:
            said.append(f"{self.merged:,} of a pair that came before ({_COUNTS[self.rule]})")
        if self.left_out:
            said.append(f"{self.unusable:,} unusable ({', '.join(f'{count:,} {kind}' for kind, count in self.left_out.items())})")
        return " + ".join(said)


def shown(text: object) -> str:
    """A value of a file in a sentence: on one line, and not longer than one."""
    plain = " ".join("".join(sign if sign.isprintable() else " " for sign in str(text)).split())
    return plain if len(plain) <= _SHOWN else f"{plain[:_SHOWN]}…"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
