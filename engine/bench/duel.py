"""Two contenders in turn on the same work."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.bench.children import Child

Peaks = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Conditions:
    """How a suite is measured.

    Attributes:
        rounds: timed rounds, after one that is not counted.
        peaks: as `peak.gemm_peaks` gives them.
        tell: called with a sentence now and then.
        settings: dotted configuration fields that change Encore's side alone, such as training.path.
    """

    rounds: int
    peaks: Peaks
    tell: Callable[[str], None]
    settings: Mapping[str, Any] = field(default_factory=dict)


def alternate(
    contenders: Mapping[str, Child], method: str, arguments: Mapping[str, tuple[Any, ...]], now: Conditions
) -> dict[str, list[Any]]:
    """What each contender's method returns in each round; they take turns, and the first round of each is left out.

    Args:
        arguments: of each contender's method.
    """
    answers: dict[str, list[Any]] = {name: [] for name in contenders}
    for turn in range(now.rounds + 1):
        for name, child in contenders.items():
            answer = child.ask(method, *arguments.get(name, ()))
            if turn:
                answers[name].append(answer)
            now.tell(f"{'round ' + str(turn) if turn else 'warm-up'}: {name} {seconds_of(answer):.3g} s")
    return answers


def seconds_of(answer: Any) -> float:
    """Seconds in what a contender's method returned: the number itself, its `seconds`, or the median of several."""
    return statistics.median(answer) if isinstance(answer, list) else float(getattr(answer, "seconds", answer))
