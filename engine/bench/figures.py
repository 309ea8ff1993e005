"""What a measurement says, and whether that is what was aimed at. Plain values, ready for JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

RMSE = (
    "Global RMSE in rating units over all held-out pairs, predictions not clipped; both contenders after the same number of batches, in "
    "random orders of their own. So early, it still swings by a hundredth or two."
)
MEMORY = (
    "Largest resident memory of the contender's own process, in 10⁹ bytes, with Python, PyTorch and the ratings: the textbook's after "
    "training, Encore's after everything."
)


@dataclass(frozen=True)
class Target:
    """What a figure of a measurement should be; see `Measurement.figures` for the names."""

    text: str
    figure: str
    bound: float
    side: Literal["least", "most"]

    def met(self, value: float | None) -> bool | None:
        """Whether the value keeps the bound; None where it was not measured."""
        if value is None:
            return None
        return value >= self.bound if self.side == "least" else value <= self.bound


@dataclass
class Timing:
    """How long one contender took for the unit of work (an epoch, a top list, ...).

    Attributes:
        samples: seconds of each round, as measured.
        batches, batches_per_epoch: where a round is a slice of an epoch: how much of it.
        peak_memory_gb, rmse: see MEMORY and RMSE.
    """

    samples: list[float]
    batches: int | None = None
    batches_per_epoch: int | None = None
    peak_memory_gb: float | None = None
    rmse: float | None = None

    @property
    def projected(self) -> bool:
        """Whether a slice was timed, and the seconds of an epoch follow from it."""
        return self.batches != self.batches_per_epoch

    @property
    def seconds(self) -> float:
        """Median of the samples, for the whole unit of work."""
        median = statistics.median(self.samples)
        if not self.projected:
            return median
        assert self.batches and self.batches_per_epoch
        return median / self.batches * self.batches_per_epoch

    def as_dict(self) -> dict[str, Any]:
        """Its fields with `seconds` and `projected`."""
        return {"seconds": self.seconds, "projected": self.projected, **asdict(self)}


@dataclass
class Measurement:
    """One line of the results.

    Attributes:
        what: the unit of work.
        once: of Encore, a longer stretch that ran a single time: `batches`, `seconds`, `epoch_seconds`, `rmse` after it.
        gflop: of Encore's unit of work, `dense` and `sparse`; 10⁹ operations.
        share: of the machine's measured matrix rate that the dense ones reach, under "bf16" and "fp32".
        notes: other figures worth keeping.
    """

    what: str
    encore: Timing
    textbook: Timing | None = None
    targets: Sequence[Target] = ()
    once: dict[str, Any] | None = None
    gflop: dict[str, float] | None = None
    share: dict[str, float] | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """How many times as fast as the textbook's way."""
        return self.textbook.seconds / self.encore.seconds if self.textbook else None

    def figures(self) -> dict[str, float | None]:
        """Everything a target may speak of."""
        once = self.once or {}
        whole = once.get("batches") == self.encore.batches_per_epoch
        return {
            "ratio": self.ratio,
            "seconds": once["seconds"] if once and whole else self.encore.seconds,
            "share_bf16": self.share["bf16"] if self.share else None,
            "peak_memory_gb": self.encore.peak_memory_gb,
            "batches": once.get("batches", 0) if once else None,
        }

    def as_dict(self) -> dict[str, Any]:
        """As it stands in the JSON: `met` is None when no target could be judged."""
        known = self.figures()
        judged = [{"target": one.text, "value": known[one.figure], "met": one.met(known[one.figure])} for one in self.targets]
        answers = [one["met"] for one in judged if one["met"] is not None]
        return {
            "what": self.what,
            "textbook": self.textbook.as_dict() if self.textbook else None,
            "encore": self.encore.as_dict(),
            "ratio": self.ratio,
            "once": self.once,
            "gflop": self.gflop,
            "share": self.share,
            "notes": self.notes,
            "targets": judged,
            "target": "; ".join(one.text for one in self.targets),
            "met": all(answers) if answers else None,
        }


def gigabytes(size: int) -> float:
    """Bytes in 10⁹, to the megabyte."""
    return round(size / 1e9, 3)
