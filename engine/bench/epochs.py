"""Suites that train: an epoch, or a slice of one where it would take too long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from engine.bench import prepared
from engine.bench.children import Child, alone
from engine.bench.contenders import Encore, Textbook, Work
from engine.bench.duel import Conditions, alternate
from engine.bench.figures import MEMORY, RMSE, Measurement, Target, Timing, gigabytes
from engine.bench.generated import Shape
from engine.datasets import DATASETS
from engine.settings import settings


@dataclass(frozen=True)
class Once:
    """A longer stretch for Encore alone, after the rounds.

    Attributes:
        batches: how many; None for a whole epoch.
        within: seconds; it is left out when the rounds say that it would take longer.
    """

    batches: int | None = None
    within: float = float("inf")


@dataclass(frozen=True)
class Training:
    """A suite.

    Attributes:
        source: a dataset's name, or what is to be generated.
        values: dotted configuration fields of both contenders.
        batches: of each round; None for whole epochs.
        targets: of the epoch.
        judging: targets of predicting all held-out ratings, which is timed too unless None.
    """

    name: str
    title: str
    source: str | Shape
    values: Mapping[str, Any]
    targets: Sequence[Target]
    batches: int | None = None
    once: Once | None = None
    judging: Sequence[Target] | None = None

    def products(self) -> list[tuple[int, int, int]]:
        """Shapes m, k, n of the products of a training step, forward and backward."""
        batch, items = self.values["training.batch_size"], _items(self.source)
        widths = [items, *self.values["model.layers"]]
        return [shape for a, b in pairwise(widths) for shape in ((batch, a, b), (batch, b, a), (a, batch, b))]

    def check(self) -> None:
        """Raises InputError when its ratings are not at hand."""
        prepared.available(self.source)

    def run(self, now: Conditions) -> list[Measurement]:
        """Measures. Raises as `children.Child`."""
        now.tell("preparing the ratings")
        path = alone("preparing the ratings", prepared.prepare, self.source, settings().home / "bench")
        with ExitStack() as stack:
            textbook = stack.enter_context(Child("the textbook's loop", Textbook, Work(path, self.values)))
            encore = stack.enter_context(Child("Encore", Encore, Work(path, {**self.values, **now.settings})))
            return self._measure({"textbook": textbook, "encore": encore}, now)

    def _measure(self, pair: dict[str, Child], now: Conditions) -> list[Measurement]:
        epochs = {name: child.ask("batches") for name, child in pair.items()}
        slices = {name: self.batches or epoch for name, epoch in epochs.items()}
        samples = alternate(pair, "train", {name: (size,) for name, size in slices.items()}, now)
        timings = {name: Timing(samples[name], slices[name], epochs[name]) for name in pair}
        timings["textbook"].peak_memory_gb = gigabytes(pair["textbook"].ask("peak_memory"))
        verdicts = {name: child.ask("judge") for name, child in pair.items()}
        for name, verdict in verdicts.items():
            timings[name].rmse = verdict.rmse
        notes = {"rmse": RMSE, "memory": MEMORY, "pairs": verdicts["encore"].pairs, "batches": slices["encore"] * (now.rounds + 1)}
        found = Measurement("one epoch", timings["encore"], timings["textbook"], self.targets, notes=notes)
        if self.once:
            found.once = self._once(pair["encore"], timings["encore"], epochs["encore"], now)
        measured = [found]
        if self.judging is not None:
            answers = alternate(pair, "judge", {}, now)
            judging = {name: Timing([one.seconds for one in answers[name]]) for name in pair}
            pairs = {"pairs": verdicts["encore"].pairs}
            measured.append(Measurement("evaluation", judging["encore"], judging["textbook"], self.judging, notes=pairs))
        timings["encore"].peak_memory_gb = gigabytes(pair["encore"].ask("peak_memory"))
        self._count(found, pair["encore"], now)
        return measured

    def _once(self, encore: Child, timing: Timing, epoch: int, now: Conditions) -> dict[str, Any] | None:
        assert self.once
        batches = self.once.batches or epoch
        expected = timing.seconds / epoch * batches
        if expected > self.once.within:
            return None
        now.tell(f"{batches:,} batches of Encore, about {expected:.0f} s")
        seconds = encore.ask("train", batches)
        verdict = encore.ask("judge")
        return {"batches": batches, "seconds": seconds, "epoch_seconds": seconds / batches * epoch, "rmse": verdict.rmse}

    def _count(self, found: Measurement, encore: Child, now: Conditions) -> None:
        """Counts the operations of a round's batches, and what share of the matrix rate they were done at."""
        timing = found.encore
        assert timing.batches and timing.batches_per_epoch
        dense, sparse = (count / 1e9 * timing.batches_per_epoch / timing.batches for count in encore.ask("operations", timing.batches))
        found.gflop = {"dense": round(dense, 1), "sparse": round(sparse, 2)}
        found.share = {name: dense / timing.seconds / peak["gflops"] for name, peak in now.peaks.items()}


def _items(source: str | Shape) -> int:
    return DATASETS[source].n_items if isinstance(source, str) else source.items
