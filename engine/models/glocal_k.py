"""GLocal-K: SparseFC, fine-tuned on ratings that a learned global kernel has mixed with their neighbours'.

Han, Lim, Long, Burgstaller & Poon 2021, "GLocal-K: Global and Local Kernels for Recommender Systems" (CIKM). The authors' code also cuts
mixed ratings off below 0, and pools the predictions anew at each step; neither is done here, so that the convolution stays linear
and cheap.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.configs import GLocalKConfig
from engine.models.kernel import SparseFC
from engine.models.sparse import ResidentRows, SparseRows, multiply

START = 0.1


class GLocalK(SparseFC):
    """First SparseFC; from epoch `pretrain_epochs` on, x is the matrix items × users convolved with a 3 × 3 kernel.

    The dense items × users matrix is never built: a convolution and the first layer after it are linear, so the kernel is laid on
    the layer's weights. That takes three such weight matrices at a time, and the neighbours of each rating, twice the ratings, in
    memory.

    Attributes:
        mixing: what each item adds to the global kernel [items × 9].
        pooled: mean prediction of each item over the users when pre-training ended [items].
        tuning: whether it has ended, 0-d; stored with the weights, as `pooled` is.
    """

    config: GLocalKConfig
    rows: sp.csr_array
    pooled: Tensor
    tuning: Tensor

    def __init__(self, config: GLocalKConfig, n_users: int, n_items: int) -> None:
        super().__init__(config, n_users, n_items)
        self.mixing = nn.Parameter(nn.init.trunc_normal_(torch.empty(n_items, 9), std=START, a=-2 * START, b=2 * START))
        self.register_buffer("pooled", torch.zeros(n_items))
        self.register_buffer("tuning", torch.zeros((), dtype=torch.bool))
        self.around: ResidentRows | None = None
        self.last: tuple[Tensor, SparseRows] | None = None

    def start_from(self, ratings: sp.csr_array) -> None:
        super().start_from(ratings)
        self.rows = self.examples(ratings)
        self.around = ResidentRows(neighbours(self.rows), self.device)

    @torch.no_grad()
    def begin_epoch(self, epoch: int) -> None:
        """Ends the pre-training when its time has come."""
        if epoch < self.config.pretrain_epochs or self.tuning:
            return
        hidden = self._every_hidden(self.rows)
        self.pooled.copy_(hidden @ self._outward[-1].mean(dim=0) + self.decoder_bias[-1].mean())
        self.tuning.fill_(True)

    @property
    def global_kernel(self) -> Tensor:
        """3 × 3; rows are the item before, the item itself and the item after, columns the same of users."""
        return self.config.kernel_scale * (self.pooled @ self.mixing).view(3, 3)

    def _first_sums(self, x: SparseRows | Tensor, weight: Tensor, bias: Tensor, users: SparseRows | None) -> Tensor:
        """Of the first layer. An item's own ratings come from x, its neighbours' from the whole matrix."""
        if not self.tuning:
            return super()._first_sums(x, weight, bias, users)
        rows = x if isinstance(x, SparseRows) else users
        assert rows is not None
        with torch.autocast(self.device.type, enabled=False):
            before, own, after = convolved(self.global_kernel, weight)
            beside = multiply(self._around(rows), torch.cat([before, after]))
        return super()._first_sums(x, own, bias, users) + beside

    def _around(self, rows: SparseRows) -> SparseRows:
        """The neighbours' ratings of these rows; kept for the next call, because L-BFGS goes over the same rows again and again."""
        assert self.around is not None
        if self.last is None or self.last[0] is not rows.numbers:
            self.last = rows.numbers, self.around.take(rows.numbers.cpu().numpy())
        return self.last[1]

    @contextmanager
    def _among(self, rows: sp.csr_array) -> Iterator[None]:
        """For a while, neighbours are those of another matrix."""
        before = self.around
        self.around, self.last = ResidentRows(neighbours(rows), self.device), None
        try:
            yield
        finally:
            self.around, self.last = before, None

    def _every_hidden(self, inputs: sp.csr_array) -> Tensor:
        with self._among(inputs):
            return super()._every_hidden(inputs)

    def _rate_rows(self, inputs: sp.csr_array, targets: sp.csr_array) -> np.ndarray:
        with self._among(inputs):
            return super()._rate_rows(inputs, targets)


def neighbours(rows: sp.csr_array) -> sp.csr_array:
    """Beside each other, the row before and the row after each one, empty where there is none [rows × 2 columns]."""
    none = sp.csr_array((1, rows.shape[1]), dtype=rows.dtype)
    return sp.hstack([sp.vstack([none, rows[:-1]]), sp.vstack([rows[1:], none])]).tocsr()


def convolved(kernel: Tensor, weight: Tensor) -> Tensor:
    """Three matrices, such that X₋ F₀ + X F₁ + X₊ F₂ = conv(X) W, X₋ and X₊ being X moved down and up by a row [3 × columns × width].

    conv(X)[i, j] = Σ_ab kernel[a, b] · X[i + a − 1, j + b − 1], 0 outside: conv2d with padding 1. So F_a = Σ_b kernel[a, b] · W moved
    by b − 1 rows.
    """
    longer = F.pad(weight, (0, 0, 1, 1))
    moved = torch.stack([longer[2 - b : 2 - b + len(weight)] for b in range(3)])
    return (kernel @ moved.view(3, -1)).view(moved.shape)
