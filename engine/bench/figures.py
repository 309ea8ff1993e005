"""What a measurement says, and whether that is what was aimed at: plain values, ready for JSON, and lines for people.

Pages read this too, so nothing here needs torch.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from engine.bench.results import slowed

RMSE = (
    "Global RMSE in rating units over all held-out pairs, predictions not clipped; both contenders after the same number of batches, in "
    "random orders of their own. So early, it still swings by a hundredth or two."
)
MEMORY = (
    "Largest resident memory of the contender's own process, in 10⁹ bytes, with Python, PyTorch and the ratings: the textbook's after "
    "training, Encore's after everything, and where a longer stretch had a process of its own, the larger of the two."
)
SHARE = (
    "Operations of Encore's dense matrix products, two per multiply-add, by its seconds and the machine's bfloat16 matrix rate. Products "
    "over observed entries alone, activations, losses and optimizer steps are not counted."
)
ANSWERS = {True: "met", False: "not met", None: "not judged"}


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
        once: of Encore, a longer stretch that ran a single time: `batches`, `seconds`, `epoch_seconds`, and `rmse` after `trained`
            batches in all.
        gflop: of Encore's unit of work, 10⁹ operations: `dense` and, over observed entries alone, `sparse`.
        share: of the machine's measured matrix rate that the dense ones reach, under "bf16" and "fp32"; see SHARE.
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


def gigabytes(megabytes: float) -> float:
    """In 10⁹ bytes, to the megabyte."""
    return round(megabytes / 1e3, 3)


def lines(name: str, result: Mapping[str, Any]) -> list[str]:
    """A few lines for each measurement of a suite, and one on how well-founded they are."""
    found = [line for one in result["measurements"] for line in [_first(name, one), *(f"{'':<13}{more}" for more in _more(one))]]
    rates = " and ".join(f"{peak['gflops']:,.0f} ({kind})" for kind, peak in result["peaks"].items())
    share = slowed(result)
    return [*found, f"{'':<13}{counted(result['rounds'])}, matrix rate {rates} GFLOP/s{f': {slow_words(share)}' if share else ''}"]


def counted(rounds: int) -> str:
    """1 → "1 round", 5 → "5 rounds"."""
    return f"{rounds} round{'' if rounds == 1 else 's'}"


def slow_words(share: float) -> str:
    """What is to be said of results that `results.slowed` gives a share for."""
    return f"the matrix rate is {share:.0%} of what such a machine has reached: this one was busy or throttled"


def whole(one: Mapping[str, Any]) -> bool:
    """Whether Encore trained a whole epoch at a stretch, so that none has to be projected."""
    return bool(one["once"]) and one["once"]["batches"] == one["encore"].get("batches_per_epoch")


def best_known(one: Mapping[str, Any]) -> tuple[float, bool]:
    """Encore's seconds for the unit of work, and whether they are projected: a whole epoch that was run goes before a slice of one."""
    return (one["once"]["seconds"], False) if whole(one) else (one["encore"]["seconds"], one["encore"]["projected"])


def times(ratio: float) -> str:
    """3.498 → "3.50 ×", 13.56 → "13.6 ×"."""
    return f"{ratio:.2f} ×" if ratio < 10 else f"{ratio:,.1f} ×"


def reached(judged: Mapping[str, Any]) -> str:
    """The value of a target in the unit that its text speaks of."""
    text, value = judged["target"], judged["value"]
    if value is None:
        return "–"
    if " × " in text:
        return times(value)
    if "matrix rate" in text:
        return f"{value:.1%}".replace("%", " %")
    if text.endswith(" GB"):
        return f"{value:.2f} GB"
    return f"{value:,} batches" if " batches" in text else seconds(value)


def seconds(value: float) -> str:
    """0.0042 → "4.2 ms", 0.61 → "0.61 s", 1234 → "1,234 s"."""
    if value < 0.1:
        return f"{value * 1000:.3g} ms"
    return f"{value:.3g} s" if value < 1000 else f"{value:,.0f} s"


def about(value: float, projected: bool) -> str:
    """Seconds with ≈ before those that follow from a slice."""
    return f"{'≈ ' if projected else ''}{seconds(value)}"


def _first(name: str, one: Mapping[str, Any]) -> str:
    ratio = f"   {times(one['ratio'])}" if one["ratio"] else ""
    return f"{name:<13}{one['what']:<32} {_timing('textbook', one)}   {_timing('encore', one)}{ratio}"


def _timing(who: str, one: Mapping[str, Any]) -> str:
    title = {"textbook": "textbook", "encore": "Encore"}[who]
    if not one[who]:
        return f"{title} –"
    value, projected = best_known(one) if who == "encore" else (one[who]["seconds"], one[who]["projected"])
    return f"{title} {about(value, projected)}"


def _more(one: Mapping[str, Any]) -> list[str]:
    found = []
    textbook, encore, notes = one["textbook"] or {}, one["encore"], one["notes"]
    slices = [f"{timing['batches']:,} of {timing['batches_per_epoch']:,}" for timing in (textbook, encore) if timing.get("projected")]
    if slices:
        found.append(f"projected from {' and '.join(slices)} batches")
    if encore["peak_memory_gb"]:
        found.append(f"peak memory {_both(textbook.get('peak_memory_gb'), encore['peak_memory_gb'], '.2f')} GB")
    if encore["rmse"] or textbook.get("rmse"):
        pairs = f"on {notes['pairs']:,} held-out pairs after {notes['batches']:,} batches"
        found.append(f"RMSE {_both(textbook.get('rmse'), encore['rmse'], '.4f')} {pairs}")
    if one["share"]:
        of = " and ".join(f"{share:.1%} of the {name} rate" for name, share in one["share"].items())
        found.append(f"dense products {one['gflop']['dense']:,.0f} GFLOP, {of}; sparse {one['gflop']['sparse']:,.1f} GFLOP")
    if once := one["once"]:
        epoch = "a whole epoch" if whole(one) else f"an epoch ≈ {seconds(once['epoch_seconds'])}"
        rmse = f"; RMSE {once['rmse']:.4f} after {once['trained']:,} batches in all" if once["rmse"] else ""
        found.append(f"{once['batches']:,} batches at a stretch: {seconds(once['seconds'])}, {epoch}{rmse}")
    if "encore_p95" in notes:
        found.append(f"p95 {seconds(notes['textbook_p95'])} / {seconds(notes['encore_p95'])} of {notes['calls']:,} calls")
    found += [f"target {target['target']}: {reached(target)}, {ANSWERS[target['met']]}" for target in one["targets"]]
    return found


def _both(first: float | None, second: float | None, form: str) -> str:
    return " / ".join("–" if value is None else f"{value:{form}}" for value in (first, second))
