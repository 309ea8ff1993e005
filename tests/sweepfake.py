"""Stands in for engine.runs in the tests of sweeps: a run whose metric follows from its settings, epoch by epoch."""

from __future__ import annotations

import math
import time
from typing import Any

from engine.processes import current
from engine.store import MetricRow, RunStore

BEST = {"model.dropout": 0.3, "training.lr": 0.01}
"""Where the planted minimum lies."""
FLOOR = 0.8
SECONDS = 0.03
"""Of an epoch, in a process of its own."""


def objective(config: dict[str, Any]) -> float:
    """A bowl over dropout and the logarithm of the learning rate, with a little of the seed and the fold in it."""
    dropout, rate = config["model"].get("dropout", 0.3), config["training"]["lr"]
    away = (dropout - BEST["model.dropout"]) ** 2 + 0.1 * math.log10(rate / BEST["training.lr"]) ** 2
    return FLOOR + away + 0.001 * config["training"]["seed"] + 0.002 * config["split"].get("fold", 0)


def at_epoch(value: float, epoch: int) -> float:
    """How the metric comes down to its value."""
    return value + 1 / epoch


def execute(run_id: str, store: RunStore) -> None:
    """Claims, writes a metric after each epoch, obeys, and ends: rates above 1 diverge at the third epoch."""
    if not store.claim(run_id, current()):
        return
    run = store.get(run_id)
    store.add_facts(run_id, {"monitor": "rmse"})
    value = objective(run.config)
    for epoch in range(run.epoch + 1, run.epochs + 1):
        time.sleep(SECONDS)
        if run.config["training"]["lr"] > 1 and epoch == 3:
            store.finish(run_id, "failed", error=f"The loss stopped being a number in epoch {epoch}: try a lower learning rate.")
            return
        store.add_metrics(run_id, [MetricRow(epoch, "validation/rmse", at_epoch(value, epoch), epoch, 0.0)])
        wish = store.beat(run_id, epoch=epoch, step=epoch)
        if wish.want != "run":
            store.finish(run_id, "paused" if wish.want == "pause" else "stopped")
            return
    store.finish(run_id, "finished", summary={"metrics": {"validation": {"rmse": value}, "test": {"rmse": value + 0.01}}})


class Steps:
    """Runs that go on an epoch at a time, all side by side, while somebody looks between two epochs."""

    def __init__(self, store: RunStore) -> None:
        self.store = store

    def turn(self, at_once: int = 2) -> bool:
        """One epoch of each run that has a slot; whether there is any."""
        for one in self.store.waiting()[: max(0, at_once - len(self.store.list(("running",))))]:
            self.store.claim(one.id, current())
            self.store.add_facts(one.id, {"monitor": "rmse"})
        running = self.store.list(("running",))
        for run in reversed(running):
            self._epoch(run)
        return bool(running)

    def _epoch(self, run: Any) -> None:
        value, epoch = objective(run.config), run.epoch + 1
        if run.want != "run":
            self.store.finish(run.id, "paused" if run.want == "pause" else "stopped")
        elif run.config["training"]["lr"] > 1 and epoch == 3:
            self.store.finish(run.id, "failed", error="The loss stopped being a number in epoch 3: try a lower learning rate.")
        else:
            self.store.add_metrics(run.id, [MetricRow(epoch, "validation/rmse", at_epoch(value, epoch), epoch, 0.0)])
            self.store.beat(run.id, epoch=epoch, step=epoch)
            if epoch == run.epochs:
                self.store.finish(run.id, "finished", summary={"metrics": {"validation": {"rmse": value}, "test": {"rmse": value + 0.01}}})
