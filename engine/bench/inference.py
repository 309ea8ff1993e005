"""The suite of top lists: for one new user, and for everybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from engine.bench import prepared
from engine.bench.children import Child
from engine.bench.contenders import TOP
from engine.bench.duel import Conditions, alternate, contenders, works
from engine.bench.figures import Measurement, Target, Timing, gigabytes
from engine.devices import peak_memory_mb

NEWCOMERS = 200


@dataclass(frozen=True)
class Inference:
    """The suite; see `epochs.Training` for the fields."""

    name: str
    title: str
    source: str
    values: Mapping[str, Any]
    targets: Sequence[Target]
    everybody: Sequence[Target]

    def check(self) -> None:
        """Raises InputError when its ratings are not at hand."""
        prepared.available(self.source)

    def run(self, now: Conditions) -> list[Measurement]:
        """Trains both for one epoch, then asks for lists. Raises as `children.Child`."""
        with contenders(works(self.source, self.values, now, NEWCOMERS)) as pair:
            for child in pair.values():
                child.ask("train", child.ask("batches"))
            return self._measure(pair, now)

    def _measure(self, pair: dict[str, Child], now: Conditions) -> list[Measurement]:
        answers = alternate({name: partial(child.ask, "answer_newcomers") for name, child in pair.items()}, now)
        calls = {name: [one for turn in some for one in turn] for name, some in answers.items()}
        everybody = alternate({name: partial(child.ask, "answer_everybody") for name, child in pair.items()}, now)
        memory = {name: gigabytes(child.call(peak_memory_mb)) for name, child in pair.items()}
        alone, all_ = ({name: Timing(samples[name], peak_memory_gb=memory[name]) for name in pair} for samples in (calls, everybody))
        notes = {f"{name}_p95": float(np.quantile(calls[name], 0.95)) for name in pair} | {"calls": len(calls["encore"])}
        return [
            Measurement(f"top {TOP} of a new user, median", alone["encore"], alone["textbook"], self.targets, notes=notes),
            Measurement(f"top {TOP} of all users", all_["encore"], all_["textbook"], self.everybody),
        ]
