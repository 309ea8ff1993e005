"""What is measured, by name, and what is aimed at. To add a suite, enter it here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from engine.bench.duel import Conditions
from engine.bench.epochs import Once, Training
from engine.bench.figures import Measurement, Target
from engine.bench.inference import Inference
from engine.bench.loading import Loading
from engine.bench.results import TITLES
from engine.datasets.generated import AMAZON, ML20M, NETFLIX


class Suite(Protocol):
    """What `run.measure` asks of a suite."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    def check(self) -> None:
        """Raises InputError when something that it needs is not on this machine."""

    def run(self, now: Conditions) -> Sequence[Measurement]:
        """Measures."""


NET: dict[str, Any] = {
    "model.layers": (512, 512, 1024),
    "model.activation": "selu",
    "training.batch_size": 128,
    "training.lr": 1e-3,
}
REFED = {**NET, "refeed.steps": 1}


def at_least(ratio: float) -> Target:
    return Target(f"at least {ratio:g} × as fast as the dense loop", "ratio", ratio, "least")


def within(limit: float, what: str) -> Target:
    return Target(f"{what} ≤ {f'{limit:g} s' if limit >= 0.1 else f'{limit * 1000:g} ms'}", "seconds", limit, "most")


def memory(limit: float) -> Target:
    return Target(f"peak memory ≤ {limit:g} GB", "peak_memory_gb", limit, "most")


def _title(name: str) -> str:
    return str(TITLES[name])


_ALL: tuple[Suite, ...] = (
    Training("ml1m", _title("ml1m"), "ml-1m", NET, [at_least(3)], judging=[within(0.5, "evaluation")]),
    Training(
        "ml1m-refeed",
        _title("ml1m-refeed"),
        "ml-1m",
        REFED,
        [at_least(3), Target("at least 40 % of the machine's bf16 matrix rate", "share_bf16", 0.4, "least")],
    ),
    Training("small", _title("small"), "ml-latest-small", REFED, [at_least(2.5)]),
    Inference(
        "inference",
        _title("inference"),
        "ml-1m",
        NET,
        [within(0.01, "median of one new user")],
        [within(1, "all 6,040 users")],
    ),
    Loading("load", _title("load"), [within(1, "first time")], [within(0.15, "second time")]),
    Training(
        "amazon",
        _title("amazon"),
        AMAZON,
        {**NET, "model.layers": (1024, 512, 1024)},
        [at_least(10), memory(2.5)],
        batches=60,
        once=Once(within=60),
    ),
    # To be read after one epoch: in the second these settings diverge, in bfloat16 and float32 alike, and for the textbook's loop too.
    Training(
        "ml20m",
        _title("ml20m"),
        ML20M,
        NET,
        [within(150, "epoch"), memory(4)],
        batches=40,
        once=Once(),
    ),
    Training(
        "netflix",
        _title("netflix"),
        NETFLIX,
        NET,
        [Target("at least 200 batches at a stretch", "batches", 200, "least"), memory(8)],
        batches=40,
        once=Once(batches=200),
    ),
)
SUITES: dict[str, Suite] = {suite.name: suite for suite in _ALL}
