"""One training loop for every model with gradients. It knows no store, no page and no model's inside.

A model joins by the `Trainable` protocol. The trainer is a generator of what happened: a `BatchPoint` after every optimizer
step and an `EpochRecord` at every epoch's end. Between two of them its whole state can be taken and put back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from engine.config import ObjectiveConfig, RefeedConfig, TrainingConfig
from engine.losses import REDUCTIONS, squared_error
from engine.models.sparse import ResidentRows, SparseRows
from engine.optimizers import RowAdam, make_optimizer
from engine.plan import make_plan


class Trainable(Protocol):
    """What the loop needs of a model (a torch Module): rows to learn from, outputs, and the matrices that L2 is taken of."""

    def examples(self, ratings: sp.csr_array) -> sp.csr_array: ...
    def start_from(self, ratings: sp.csr_array) -> None: ...
    def last_hidden(self, x: SparseRows | Tensor) -> Tensor: ...
    def product(self, hidden: Tensor) -> Tensor: ...
    def outputs(self, product: Tensor) -> Tensor: ...
    def at_entries(self, hidden: Tensor, wanted: SparseRows, product: Tensor | None) -> Tensor: ...
    @property
    def weights(self) -> list[Tensor]: ...
    @property
    def column_weights(self) -> list[Tensor]: ...


@dataclass(frozen=True)
class BatchPoint:
    """One batch: `loss` (and `refeed_loss` where re-feeding) are 0-d tensors, so that nobody waits for the device unless he reads."""

    step: int
    epoch: float
    loss: Tensor
    refeed_loss: Tensor | None


@dataclass(frozen=True)
class EpochRecord:
    """One epoch.

    Attributes:
        epoch: 1 for the first.
        step: optimizer batches so far.
        loss: masked MSE per training rating of the first passes, dropout included.
        refeed_loss: mean squared error of the re-fed passes, None where there were none.
        validation: metrics of the model as it is now.
        best: whether the monitored metric is the lowest so far.
        seconds: of training this epoch, without validation.
    """

    epoch: int
    step: int
    loss: float
    refeed_loss: float | None
    validation: dict[str, float]
    best: bool
    seconds: float


@dataclass
class Progress:
    """Where a training stands; plain numbers, stored with each checkpoint."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    seconds: float = 0.0
    best_epoch: int = 0
    best_value: float = float("inf")
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0])


class Trainer:
    """Trains a model on the rows of `train`.

    Args:
        model: a torch Module that is `Trainable`, already on its device.
        train: CSR users × items.
        validate: metrics of the model on held-out ratings; must hold `training.monitor`.
    """

    def __init__(
        self,
        model: Any,
        train: sp.csr_array,
        validate: Callable[[], dict[str, float]],
        training: TrainingConfig,
        refeed: RefeedConfig,
        objective: ObjectiveConfig,
    ) -> None:
        self.model: Any = model
        self.validate = validate
        self.training, self.refeed = training, refeed
        self.reduce = REDUCTIONS[objective.reduction]
        self.device = next(model.parameters()).device
        matrix = model.examples(train)
        model.start_from(train)
        self.plan = make_plan(model, matrix, training, refeed, self.device)
        self.rows = ResidentRows(matrix, self.device, row_gradients=self.plan.row_steps)
        self.taught = np.flatnonzero(self.rows.counts)
        self.optimizer = make_optimizer(model, training, self.plan.row_steps)
        self.progress = Progress()
        self.best_weights: dict[str, Tensor] = {}

    @property
    def batches(self) -> int:
        """Optimizer batches per epoch; the last one may be short."""
        return -(-len(self.taught) // self.training.batch_size)

    def __iter__(self) -> Iterator[BatchPoint | EpochRecord]:
        """Trains on until the last epoch, or until patience ends."""
        while not self.finished:
            yield from self._epoch()

    @property
    def finished(self) -> bool:
        now = self.progress
        tired = self.training.patience and now.epoch - now.best_epoch >= self.training.patience
        return now.batch == 0 and (now.epoch >= self.training.epochs or bool(tired))

    def _epoch(self) -> Iterator[BatchPoint | EpochRecord]:
        now = self.progress
        order = np.random.default_rng([self.training.seed, now.epoch]).permutation(self.taught)
        sums = torch.tensor(now.sums, dtype=torch.float64, device=self.device)
        refeeding = self.refeed.steps > 0 and now.epoch + 1 >= self.refeed.start_epoch
        self.model.train()
        size = self.training.batch_size
        started = time.perf_counter()
        for batch in self.rows.batches(order[now.batch * size :], size):
            loss, refeed_loss = self._batch(batch, refeeding)
            sums += torch.stack([loss * len(batch.values), refeed_loss * len(batch)])
            now.batch += 1
            now.step += 1
            now.seconds += time.perf_counter() - started
            now.sums = sums  # type: ignore[assignment]
            if now.batch < self.batches:
                yield BatchPoint(now.step, now.epoch + now.batch / self.batches, loss, refeed_loss if refeeding else None)
                started = time.perf_counter()
        yield self._end_epoch(sums, refeeding)

    def _end_epoch(self, sums: Tensor, refeeding: bool) -> EpochRecord:
        now = self.progress
        self.settle()
        self.model.eval()
        validation = self.validate()
        value = validation[self.training.monitor]
        now.epoch, now.batch = now.epoch + 1, 0
        best = value < now.best_value
        if best:
            now.best_value, now.best_epoch = value, now.epoch
            self.best_weights = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        squared, refed = sums.tolist()
        seconds, now.seconds, now.sums = now.seconds, 0.0, [0.0, 0.0]
        refeed_loss = refed / len(self.taught) if refeeding else None
        return EpochRecord(now.epoch, now.step, squared / int(self.rows.counts.sum()), refeed_loss, validation, best, seconds)

    def settle(self) -> None:
        """Brings every weight up to date; to be called before the model is used in the middle of an epoch."""
        if isinstance(self.optimizer, RowAdam):
            self.optimizer.settle(self.model.column_weights)

    def _batch(self, batch: SparseRows, refeeding: bool) -> tuple[Tensor, Tensor]:
        """One optimizer step on the ratings, then one per re-feeding step. Returns masked MSE per rating, and of the re-fed passes."""
        if isinstance(self.optimizer, RowAdam):
            self.optimizer.settle(self.model.column_weights, batch.present)
        weights = self.reduce(batch.counts)
        hidden = self._hidden(batch if self.plan.path == "sparse" else batch.dense(batch.values))
        product = self._product(hidden) if refeeding else None
        loss, mean = squared_error(self._at_observed(hidden, batch, product), batch.values, weights, batch.rows)
        refed = mean.new_zeros(())
        if product is None:
            self._step(loss)
            return mean, refed
        output = self.model.outputs(product).detach()
        self._step(loss)
        for left in reversed(range(self.refeed.steps)):
            output, refeed_mean = self._refeed(output, batch, weights, more=left > 0)
            refed = refed + refeed_mean / self.refeed.steps
        return mean, refed

    def _refeed(self, output: Tensor, batch: SparseRows, weights: Tensor, more: bool) -> tuple[Tensor, Tensor]:
        """One step on f(output). Returns f(output) as it was before the step, where `more` follow, and its mean squared error."""
        noisy = output + self.refeed.noise * torch.randn_like(output) if self.refeed.noise else output
        hidden = self._hidden(noisy)
        if self.refeed.target == "fixed-point":
            with self._products():
                again = self.model.outputs(self.model.product(hidden))
            counts = torch.full((len(batch),), batch.n_columns, device=self.device)
            loss, mean = squared_error(again, output, self.reduce(counts))
        else:
            loss, mean = squared_error(self._at_observed(hidden, batch, None), batch.values, weights, batch.rows)
            again = self.model.outputs(self._product(hidden)) if more else output
        self._step(loss)
        return again.detach(), mean

    def _products(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.plan.precision == "bfloat16")

    def _hidden(self, rows: SparseRows | Tensor) -> Tensor:
        with self._products():
            return self.model.last_hidden(rows)

    def _at_observed(self, hidden: Tensor, batch: SparseRows, product: Tensor | None) -> Tensor:
        """Outputs at the batch's entries, from the whole `product` where it was needed anyway."""
        with self._products():
            if self.plan.path == "sparse":
                return self.model.at_entries(hidden, batch, product)
            return self.model.outputs(self.model.product(hidden)).flatten().index_select(0, batch.cells)

    @torch.no_grad()
    def _product(self, hidden: Tensor) -> Tensor:
        """As a constant. In an autocast of its own: a shared one would hand its casts, made without gradient, on to the next use."""
        with self._products():
            return self.model.product(hidden)

    def _step(self, loss: Tensor) -> None:
        if self.training.l2 and self.training.optimizer == "adamw":
            loss = loss + self.training.l2 / 2 * sum(weight.square().sum() for weight in self.model.weights)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Everything that the next batch depends on: tensors by name, and plain values."""
        tensors: dict[str, Any] = {f"model.{name}": value.detach() for name, value in self.model.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in self.best_weights.items()}
        for index, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{slot}": value for slot, value in slots.items() if value is not None}
        tensors["rng.cpu"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["rng.cuda"] = torch.cuda.get_rng_state(self.device)
        sums = torch.as_tensor(self.progress.sums, dtype=torch.float64).tolist()
        return tensors, {**vars(self.progress), "sums": sums}

    def restore(self, tensors: dict[str, Tensor], progress: dict[str, Any]) -> None:
        """Takes back what `state` gave; training goes on as if never interrupted."""
        groups: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "optimizer": {}, "rng": {}}
        for name, value in tensors.items():
            group, _, rest = name.partition(".")
            groups[group][rest] = value
        self.model.load_state_dict(groups["model"])
        self.best_weights = {name: value.to(self.device) for name, value in groups["best"].items()}
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in groups["optimizer"].items():
            index, _, slot = name.partition(".")
            slots.setdefault(int(index), {})[slot] = value
        self.optimizer.load_state_dict({"state": slots, "param_groups": self.optimizer.state_dict()["param_groups"]})
        torch.set_rng_state(groups["rng"]["cpu"].cpu())
        if "cuda" in groups["rng"] and self.device.type == "cuda":
            torch.cuda.set_rng_state(groups["rng"]["cuda"].cpu(), self.device)
        self.progress = Progress(**progress)
