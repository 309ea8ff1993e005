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

from engine.config import NoiseConfig, ObjectiveConfig, RefeedConfig, TrainingConfig
from engine.metrics import higher_is_better
from engine.models.sparse import ResidentRows, SparseRows
from engine.optimizers import RowAdam, make_optimizer, penalised
from engine.passes import RankingPasses, RatingPasses
from engine.plan import make_plan


class Trainable(Protocol):
    """What the loop itself needs of a model (a torch Module); what its passes need beside, `engine/passes.py` says."""

    predicts_ratings: bool

    def examples(self, ratings: sp.csr_array) -> sp.csr_array: ...
    def start_from(self, ratings: sp.csr_array) -> None: ...
    def begin_epoch(self, epoch: int) -> None: ...
    def end_epoch(self, epoch: int) -> None: ...
    @property
    def weights(self) -> list[Tensor]: ...
    @property
    def column_weights(self) -> list[Tensor]: ...
    @property
    def moves_batch_columns_only(self) -> bool: ...


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
        loss: mean of the first passes, dropout and noise included: squared error per training rating, or the model's own loss per row.
        refeed_loss: mean squared error of the re-fed passes, None where there were none.
        validation: metrics of the model as it is now.
        best: whether the monitored metric is the best so far.
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
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0, 0.0])


class Trainer:
    """Trains a model on the rows of `train`.

    Args:
        model: a torch Module that is `Trainable`, already on its device.
        train: CSR users × items.
        validate: metrics of the model on held-out ratings.
        monitor: the one of them that picks the best epoch.
    """

    def __init__(
        self,
        model: Any,
        train: sp.csr_array,
        validate: Callable[[], dict[str, float]],
        training: TrainingConfig,
        refeed: RefeedConfig,
        objective: ObjectiveConfig,
        noise: NoiseConfig | None = None,
        monitor: str = "rmse",
    ) -> None:
        self.model: Any = model
        self.validate = validate
        self.monitor, self.sign = monitor, -1 if higher_is_better(monitor) else 1
        self.training, self.refeed, noise = training, refeed, noise or NoiseConfig()
        self.device = next(model.parameters()).device
        matrix = model.examples(train)
        model.start_from(train)
        self.plan = make_plan(model, matrix, training, refeed, self.device, noise)
        self.rows = ResidentRows(matrix, self.device, row_gradients=self.plan.row_steps)
        self.taught = np.flatnonzero(self.rows.counts)
        self.passes: RatingPasses | RankingPasses = (
            RatingPasses(
                model, self.plan, self.device, refeed=refeed, objective=objective, noise=noise, rows=len(self.taught), seed=training.seed
            )
            if model.predicts_ratings
            else RankingPasses(model, self.plan, self.device)
        )
        self.optimizer = make_optimizer(model, training, self.plan.row_steps)
        self.progress = Progress()
        self.best_weights: dict[str, Tensor] = {}

    @property
    def batches(self) -> int:
        """Optimizer batches per epoch; the last one may be short."""
        return -(-len(self.taught) // self.batch_size)

    @property
    def batch_size(self) -> int:
        """Rows per batch: L-BFGS takes them all."""
        return len(self.taught) if self.training.optimizer == "lbfgs" else self.training.batch_size

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
        self.model.begin_epoch(now.epoch)
        size = self.batch_size
        started = time.perf_counter()
        for batch in self.rows.batches(order[now.batch * size :], size):
            loss, refeed_loss = self._batch(batch, refeeding)
            counted, refed = self.passes.counted(batch), self.passes.counted(batch, refed=True)
            sums += torch.stack([loss * counted, refeed_loss * refed, *loss.new_tensor([counted, refed])])
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
        self.model.end_epoch(now.epoch)
        self.model.eval()
        validation = self.validate()
        value = self.sign * validation[self.monitor]
        now.epoch, now.batch = now.epoch + 1, 0
        best = value < now.best_value or self.training.keep == "last"
        if best:
            now.best_value, now.best_epoch = value, now.epoch
            self.best_weights = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        total, refed_total, counted, refed = sums.tolist()
        seconds, now.seconds, now.sums = now.seconds, 0.0, [0.0, 0.0, 0.0, 0.0]
        refeed_loss = refed_total / refed if refeeding else None
        return EpochRecord(now.epoch, now.step, total / counted, refeed_loss, validation, best, seconds)

    def settle(self) -> None:
        """Brings every weight up to date; to be called before the model is used in the middle of an epoch."""
        if isinstance(self.optimizer, RowAdam):
            self.optimizer.settle(self.model.column_weights)

    def _batch(self, batch: SparseRows, refeeding: bool) -> tuple[Tensor, Tensor]:
        """One optimizer step per pass. Returns the first pass's mean, and the mean over the re-fed passes."""
        if isinstance(self.optimizer, RowAdam):
            self.optimizer.settle(self.model.column_weights, batch.present)
        if isinstance(self.optimizer, torch.optim.LBFGS):
            return self._line_searches(batch, self.optimizer)
        means: list[Tensor] = []
        refed: list[Tensor] = []
        for one in self.passes(batch, refeeding):
            self._step(one.loss)
            (refed if one.refed else means).append(one.shown)
        return means[0], torch.stack(refed).mean() if refed else means[0].new_zeros(())

    def _step(self, loss: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        penalised(loss, self.model, self.training).backward()
        self.optimizer.step()

    def _line_searches(self, batch: SparseRows, optimizer: torch.optim.LBFGS) -> tuple[Tensor, Tensor]:
        """An epoch of L-BFGS. Returns the mean at its beginning, and 0 for the re-fed passes, of which there are none."""
        seen: list[Tensor] = []

        def look() -> Tensor:
            optimizer.zero_grad(set_to_none=True)
            one = next(iter(self.passes(batch, False)))
            seen.append(one.shown)
            loss = penalised(one.loss, self.model, self.training)
            loss.backward()
            return loss

        optimizer.step(look)
        optimizer.state.clear()  # so that nothing but the weights needs a checkpoint
        return seen[0], seen[0].new_zeros(())

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
