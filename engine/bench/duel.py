"""Contenders in turn on the same work."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from engine.bench import prepared
from engine.bench.children import Child, alone
from engine.bench.contenders import Encore, Textbook, Work
from engine.datasets.generated import Shape
from engine.settings import settings


@dataclass(frozen=True)
class Conditions:
    """How a suite is measured.

    Attributes:
        rounds: timed rounds, after one that is not counted.
        peaks: as `machine.gemm_peaks` gives them.
        tell: called with a sentence now and then.
        settings: dotted configuration fields that change Encore's side alone, such as training.path.
    """

    rounds: int
    peaks: Mapping[str, Mapping[str, Any]]
    tell: Callable[[str], None]
    settings: Mapping[str, Any] = field(default_factory=dict)


def works(source: str | Shape, values: Mapping[str, Any], now: Conditions, newcomers: int = 0) -> dict[str, Work]:
    """The same work for "textbook" and "encore": a dataset's name or what is to be generated, and dotted configuration fields."""
    now.tell("preparing the ratings")
    path = alone("preparing the ratings", prepared.prepare, source, settings().home / "bench")
    return {name: Work(path, {**values, **own}, newcomers) for name, own in (("textbook", {}), ("encore", now.settings))}


@contextmanager
def contenders(work: Mapping[str, Work]) -> Iterator[dict[str, Child]]:
    """Both, each in a process of its own. Raises as `Child`."""
    with ExitStack() as stack:
        textbook = stack.enter_context(Child("the textbook's loop", Textbook, work["textbook"]))
        yield {"textbook": textbook, "encore": stack.enter_context(Child("Encore", Encore, work["encore"]))}


def alternate(calls: Mapping[str, Callable[[], Any]], now: Conditions) -> dict[str, list[Any]]:
    """What each call returns in each round, by name; they take turns, and the first round of each is left out."""
    answers: dict[str, list[Any]] = {name: [] for name in calls}
    for turn in range(now.rounds + 1):
        for name, call in calls.items():
            answer = call()
            if turn:
                answers[name].append(answer)
            now.tell(f"{f'round {turn}' if turn else 'warm-up'}: {name} {_seconds_of(answer):.3g} s")
    return answers


def _seconds_of(answer: Any) -> float:
    """Seconds in what a call returned: the number itself, its `seconds`, or the median of several."""
    return statistics.median(answer) if isinstance(answer, list) else float(getattr(answer, "seconds", answer))
