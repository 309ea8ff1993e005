"""Suites that train: an epoch, or a slice of one where it would take too long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from engine.bench import prepared
from engine.bench.children import Child
from engine.bench.contenders import Encore, Work
from engine.bench.duel import Conditions, alternate, contenders, works
from engine.bench.figures import Measurement, Target, Timing, gigabytes
from engine.datasets.generated import Shape
from engine.devices import peak_memory_mb


@dataclass(frozen=True)
class Once:
    """A longer stretch for Encore alone, from the start, in a process of its own.

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

    def check(self) -> None:
        """Raises InputError when its ratings are not at hand."""
        prepared.available(self.source)

    def run(self, now: Conditions) -> list[Measurement]:
        """Measures. Raises as `children.Child`."""
        work = works(self.source, self.values, now)
        with contenders(work) as pair:
            measured = self._measure(pair, now)
        if self.once:
            self._once(self.once, measured[0], work["encore"], now)
        return measured

    def _measure(self, pair: dict[str, Child], now: Conditions) -> list[Measurement]:
        epochs = {name: child.ask("batches") for name, child in pair.items()}
        slices = {name: self.batches or epoch for name, epoch in epochs.items()}
        samples = alternate({name: partial(child.ask, "train", slices[name]) for name, child in pair.items()}, now)
        timings = {name: Timing(samples[name], slices[name], epochs[name]) for name in pair}
        timings["textbook"].peak_memory_gb = gigabytes(pair["textbook"].call(peak_memory_mb))
        verdicts = {name: child.ask("judge") for name, child in pair.items()}
        for name, verdict in verdicts.items():
            timings[name].rmse = verdict.rmse
        notes = {"pairs": verdicts["encore"].pairs, "batches": slices["encore"] * (now.rounds + 1)}
        found = Measurement("one epoch", timings["encore"], timings["textbook"], self.targets, notes=notes)
        measured = [found]
        if self.judging is not None:
            answers = alternate({name: partial(child.ask, "judge") for name, child in pair.items()}, now)
            judging = {name: Timing([one.seconds for one in answers[name]]) for name in pair}
            pairs = {"pairs": verdicts["encore"].pairs}
            measured.append(Measurement("evaluation", judging["encore"], judging["textbook"], self.judging, notes=pairs))
        timings["encore"].peak_memory_gb = gigabytes(pair["encore"].call(peak_memory_mb))
        self._count(found, pair["encore"], now)
        return measured

    def _count(self, found: Measurement, encore: Child, now: Conditions) -> None:
        """Counts the operations of a round's batches, and what share of the matrix rate they were done at."""
        timing = found.encore
        assert timing.batches and timing.batches_per_epoch
        dense, sparse = (count / 1e9 * timing.batches_per_epoch / timing.batches for count in encore.ask("operations", timing.batches))
        found.gflop = {"dense": dense, "sparse": sparse}
        found.share = {name: dense / timing.seconds / peak["gflops"] for name, peak in now.peaks.items()}

    def _once(self, once: Once, found: Measurement, work: Work, now: Conditions) -> None:
        """The longer stretch, where it is short enough. Its RMSE is after its own batches alone: further ones would change it."""
        epoch = found.encore.batches_per_epoch
        assert epoch
        batches = once.batches or epoch
        expected = found.encore.seconds / epoch * batches
        if expected > once.within:
            return
        now.tell(f"{batches:,} batches of Encore, about {expected:.0f} s")
        with Child("Encore", Encore, work) as encore:
            seconds, verdict = encore.ask("train", batches), encore.ask("judge")
            peak = gigabytes(encore.call(peak_memory_mb))
        found.encore.peak_memory_gb = max(found.encore.peak_memory_gb or 0.0, peak)
        about = {"batches": batches, "trained": batches, "rmse": verdict.rmse}
        found.once = {"seconds": seconds, "epoch_seconds": seconds / batches * epoch, **about}
