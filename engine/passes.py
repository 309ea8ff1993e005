"""The passes of one batch: what is computed and which losses are stepped on, without the steps themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from engine.config import NoiseConfig, ObjectiveConfig, RefeedConfig
from engine.losses import REDUCTIONS, squared_error
from engine.models.sparse import SparseRows
from engine.noise import disturb
from engine.plan import Plan


class Pass(NamedTuple):
    """One optimizer step's worth: the loss to descend, and the mean that is shown (0-d, without gradient)."""

    loss: Tensor
    shown: Tensor
    refed: bool = False


class RatingNetwork(Protocol):
    """What the passes need of a model that predicts ratings (a torch Module)."""

    def default(self, x: SparseRows, kept: Tensor | None = None) -> Tensor | None: ...
    def filled(self, x: SparseRows) -> Tensor: ...
    def last_hidden(self, x: SparseRows | Tensor, users: SparseRows | None = None) -> Tensor: ...
    def product(self, hidden: Tensor) -> Tensor: ...
    def outputs(self, product: Tensor) -> Tensor: ...
    def at_entries(self, hidden: Tensor, wanted: SparseRows, product: Tensor | None) -> Tensor: ...
    def penalty(self, share: float) -> Tensor | None: ...


class RankingPasses:
    """One pass per batch, whose loss is the model's own: the mean over its rows."""

    def __init__(self, model: Any, plan: Plan, device: torch.device) -> None:
        self.model, self.plan, self.device = model, plan, device

    def counted(self, batch: SparseRows, refed: bool = False) -> int:
        """What the shown mean is a mean over: rows."""
        return len(batch)

    def __call__(self, batch: SparseRows, refeeding: bool) -> Iterator[Pass]:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.plan.precision == "bfloat16"):
            loss = self.model.batch_loss(batch)
        yield Pass(loss, loss.detach())


class RatingPasses:
    """One pass on the observed ratings, and where re-feeding is on further ones on the network's own output.

    Args:
        rows: number of rows that are taught; a batch's share of them is its share of the model's own penalty.
        seed: of noise that is drawn once.
    """

    def __init__(
        self,
        model: RatingNetwork,
        plan: Plan,
        device: torch.device,
        *,
        refeed: RefeedConfig,
        objective: ObjectiveConfig,
        noise: NoiseConfig,
        rows: int,
        seed: int,
    ) -> None:
        self.model, self.plan, self.device = model, plan, device
        self.refeed, self.noise = refeed, noise
        self.rows, self.seed = rows, seed
        self.reduce = REDUCTIONS[objective.reduction]

    def counted(self, batch: SparseRows, refed: bool = False) -> int:
        """What the shown mean is a mean over: observed entries, or all of the rows' where a re-fed pass counts them all."""
        return len(batch) * batch.n_columns if refed and self.refeed.target == "fixed-point" else len(batch.values)

    def __call__(self, batch: SparseRows, refeeding: bool) -> Iterator[Pass]:
        weights = self.reduce(batch.counts)
        entering = disturb(batch, self.noise, self.model, self.seed)
        if self.plan.path == "dense" and isinstance(entering, SparseRows):
            entering = self.model.filled(entering)
        hidden = self._hidden(entering, batch)
        product = self._product(hidden) if refeeding else None
        loss, mean = squared_error(self._at_observed(hidden, batch, product), batch.values, weights, batch.rows)
        output = None if product is None else self.model.outputs(product).detach()
        yield Pass(self._penalised(loss, batch), mean)
        if output is None:
            return
        for left in reversed(range(self.refeed.steps)):
            again, loss, mean = self._refed(output, batch, weights, more=left > 0)
            yield Pass(self._penalised(loss, batch), mean, refed=True)
            output = again

    def _refed(self, output: Tensor, batch: SparseRows, weights: Tensor, more: bool) -> tuple[Tensor, Tensor, Tensor]:
        """f(output) as it is before the step (needed only where `more` follow), the loss on it, and its mean squared error."""
        noisy = output + self.refeed.noise * torch.randn_like(output) if self.refeed.noise else output
        hidden = self._hidden(noisy, batch)
        if self.refeed.target == "fixed-point":
            with self._products():
                again = self.model.outputs(self.model.product(hidden))
            counts = torch.full((len(batch),), batch.n_columns, device=self.device)
            return again.detach(), *squared_error(again, output, self.reduce(counts))
        again = self.model.outputs(self._product(hidden)) if more else output
        return again.detach(), *squared_error(self._at_observed(hidden, batch, None), batch.values, weights, batch.rows)

    def _penalised(self, loss: Tensor, batch: SparseRows) -> Tensor:
        penalty = self.model.penalty(len(batch) / self.rows)
        return loss if penalty is None else loss + penalty

    def _products(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.plan.precision == "bfloat16")

    def _hidden(self, rows: SparseRows | Tensor, batch: SparseRows) -> Tensor:
        with self._products():
            return self.model.last_hidden(rows, batch)

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
