"""Optimizer steps: PyTorch's fused kernels, and an Adam that leaves alone the rows that a batch does not touch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

from engine.config import TrainingConfig

LOOKS_PER_STEP = 3
"""Losses that a step of L-BFGS may look at on average before the epoch ends."""
LBFGS_MEMORY = 10
"""Earlier steps from which L-BFGS knows the curvature."""


def make_optimizer(model: Any, config: TrainingConfig, row_steps: bool = False) -> torch.optim.Optimizer:
    """The configured optimizer, fused.

    L2 on weights is added to their gradients inside the step, as the coupled weight decay of those matrices alone: λ/2 · Σ w² has
    the gradient λ · w. AdamW and L-BFGS, which have no such decay, take it in the loss (`penalised`).

    Args:
        model: a torch Module with `weights`, the matrices that L2 is taken of.
        row_steps: Adam as `RowAdam`; without decay and L2 only.
    """
    if row_steps:
        return RowAdam(model.parameters(), lr=config.lr)
    if config.optimizer == "lbfgs":
        # The usual tolerances, made for losses near 1, would end the search early on sums over a million ratings.
        return torch.optim.LBFGS(
            model.parameters(),
            lr=config.lr,
            max_iter=config.lbfgs_steps,
            max_eval=LOOKS_PER_STEP * config.lbfgs_steps,
            history_size=LBFGS_MEMORY,
            tolerance_grad=1e-9,
            tolerance_change=1e-12,
            line_search_fn="strong_wolfe",
        )
    kind: dict[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
    options = {"momentum": config.momentum} if config.optimizer == "sgd" else {}
    penalty = 0.0 if config.optimizer == "adamw" else config.l2
    matrices = {id(weight) for weight in model.weights} if penalty else set()
    groups = [{"params": [p for p in model.parameters() if id(p) not in matrices], "weight_decay": config.weight_decay}]
    if penalty:
        groups.append({"params": [p for p in model.parameters() if id(p) in matrices], "weight_decay": config.weight_decay + penalty})
    return kind[config.optimizer](groups, lr=config.lr, fused=True, **options)


def penalised(loss: Tensor, model: Any, config: TrainingConfig) -> Tensor:
    """The loss with λ/2 · Σ w² where the optimizer does not see to it."""
    if config.l2 and config.optimizer in ("adamw", "lbfgs"):
        return loss + config.l2 / 2 * sum(weight.square().sum() for weight in model.weights)
    return loss


class RowAdam(torch.optim.Optimizer):
    """Adam (Kingma & Ba 2015) whose cost goes by the rows with a gradient. A parameter's gradients are always sparse or never.

    Where a gradient is sparse, the other rows' steps are owed: without a gradient, each step shrinks the first moment m by β₁ and
    the second moment v by β₂ and moves the weight by lr · c · m / √v, where c is that step's bias correction. After k such steps
    the weight has moved by lr · m / √v · Σ_{j ≤ k} (β₁ / √β₂)^j · c_j: one number per row, kept as `owed`, that `settle` pays
    before the row is read again. The result is dense Adam's, but that in the owed steps ε is not scaled by the bias correction: it
    shrinks by √β₂ a step, as √v does.
    """

    def __init__(self, params: Any, lr: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})
        self.open: dict[Tensor, tuple[Tensor, ...]] = {}
        # Steps of each parameter with sparse gradients, once more on the host: to read a GPU's own count is to wait for the GPU.
        self.steps: dict[Tensor, int] = {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.open, self.steps = {}, {}

    @torch.no_grad()
    def settle(self, weights: list[Tensor], rows: Tensor | None = None) -> None:
        """Brings rows (int64 positions; all if None) of these parameters up to date. A sparse step on the same rows may follow."""
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for weight in group["params"]:
                state = self.state[weight]
                if not any(weight is other for other in weights) or "missed" not in state:
                    continue
                missed, owed = state["missed"], state["owed"]
                chosen = missed.nonzero().flatten() if rows is None else rows
                missed, owed = missed[chosen, None], owed[chosen, None]
                first, second = (state[name].index_select(0, chosen) for name in ("exp_avg", "exp_avg_sq"))
                values = weight.index_select(0, chosen)
                values.addcdiv_(first * owed, second.sqrt().add_(group["eps"]), value=-group["lr"])
                weight.index_copy_(0, chosen, values)
                first.mul_(beta1**missed)
                second.mul_(beta2**missed)
                state["owed"].index_fill_(0, chosen, 0)
                state["missed"].index_fill_(0, chosen, 0)
                self.open[weight] = (chosen, values, first, second)
                if rows is None:
                    self._close(weight)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One Adam step; a parameter with a sparse gradient must have been settled at the gradient's rows before it was read."""
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            parts = [self._part(weight) for weight in weights]
            values, gradients, first, second, _ = (list(column) for column in zip(*parts, strict=True))
            steps = [self.state[weight]["step"] for weight in weights]
            beta1, beta2 = group["betas"]
            adam(
                values, gradients, first, second, [], steps, fused=True, amsgrad=False, beta1=beta1, beta2=beta2,
                lr=group["lr"], weight_decay=0.0, eps=group["eps"], maximize=False,
            )  # fmt: skip
            for weight, (*_, rows) in zip(weights, parts, strict=True):
                if rows is not None:
                    self._close(weight)
                    self._owe(weight, rows, group["betas"])

    def _part(self, weight: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
        """Values, gradient and both moments to step on, and the rows that they are of (None: all)."""
        state = self.state[weight]
        assert weight.grad is not None
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=weight.device)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(weight), torch.zeros_like(weight)
        if not weight.grad.is_sparse:
            return weight, weight.grad, state["exp_avg"], state["exp_avg_sq"], None
        if "missed" not in state:
            state["missed"], state["owed"] = weight.new_zeros(len(weight)), weight.new_zeros(len(weight))
        gradient = weight.grad.coalesce()
        rows = gradient.indices()[0]
        if weight not in self.open:
            whole = (weight, state["exp_avg"], state["exp_avg_sq"])
            self.open[weight] = (rows, *(values.index_select(0, rows) for values in whole))
        _, values, first, second = self.open[weight]
        return values, gradient.values(), first, second, rows

    def _close(self, weight: Tensor) -> None:
        """Puts back the rows that were taken out."""
        if weight in self.open:
            rows, *parts = self.open.pop(weight)
            state = self.state[weight]
            for whole, part in zip((weight, state["exp_avg"], state["exp_avg_sq"]), parts, strict=True):
                whole.index_copy_(0, rows, part)

    def _owe(self, weight: Tensor, stepped: Tensor, betas: tuple[float, float]) -> None:
        """Notes the step that every other row has missed."""
        state = self.state[weight]
        beta1, beta2 = betas
        now = self.steps[weight] = self.steps[weight] + 1 if weight in self.steps else int(state["step"])
        correction = (1 - beta2**now) ** 0.5 / (1 - beta1**now)
        state["missed"] += 1
        state["owed"] += (beta1 / beta2**0.5) ** state["missed"] * correction
        state["missed"].index_fill_(0, stepped, 0)
        state["owed"].index_fill_(0, stepped, 0)
