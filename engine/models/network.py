"""What all models that learn by gradient steps have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from pydantic import BaseModel
from torch import Tensor, nn
from torch.nn import functional as F

from engine.models.chords import chord
from engine.models.contract import Recommender, Scorer, chunks
from engine.models.sparse import ResidentRows, SparseRows

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "selu": F.selu,
    "elu": F.elu,
    "relu": F.relu,
    "relu6": F.relu6,
    "lrelu": F.leaky_relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "swish": F.silu,
    "linear": lambda x: x,
}


class Dense(NamedTuple):
    """A dense layer on activated sums: weight [outputs × inputs] and bias [outputs]."""

    activation: str
    weight: Tensor
    bias: Tensor

    def only(self, outputs: list[int] | slice) -> Dense:
        """The same with these outputs alone."""
        return self._replace(weight=self.weight[outputs], bias=self.bias[outputs])


class Network(nn.Module, Recommender):
    """A torch Module that learns from rows of a matrix, a batch of them at a time."""

    trains: ClassVar[bool] = True

    def __init__(self, config: BaseModel, n_users: int, n_items: int) -> None:
        nn.Module.__init__(self)
        Recommender.__init__(self, config, n_users, n_items)

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def examples(self, ratings: sp.csr_array) -> sp.csr_array:
        """Rows to learn from: one per user."""
        return ratings

    def score_rows(self, score: Callable[[SparseRows], Tensor], visible: sp.csr_array) -> Scorer:
        """A scorer of users by `score`, which gives of a batch the scores of every item [rows × items]."""
        everyone = ResidentRows(visible, self.device)

        @torch.inference_mode()
        def of_users(users: np.ndarray) -> np.ndarray:
            blocks = [score(everyone.take(part)).cpu() for part in chunks(users, self.n_items)]
            return torch.cat(blocks).numpy() if blocks else np.empty((0, self.n_items), np.float32)

        return of_users

    @torch.inference_mode()
    def score_as(self, rows: sp.csr_array, user: int | None) -> np.ndarray:
        self.eval()
        return torch.cat([self(self.rows_of(rows[some], user)).cpu() for some in chunks(np.arange(rows.shape[0]), self.n_items)]).numpy()

    def rows_of(self, rows: sp.csr_array, user: int | None) -> SparseRows:
        """Rows that are all this user's, or those of somebody whom training did not know, as a batch."""
        batch = ResidentRows(rows, self.device).take(np.arange(rows.shape[0]))
        batch.of_rows = 0
        if user is not None:
            batch.numbers, batch.of_rows = torch.full_like(batch.numbers, user), self.n_users
        return batch

    def tensors(self) -> dict[str, Any]:
        return {name: value.detach().cpu() for name, value in self.state_dict().items()}

    def restore(self, tensors: dict[str, Any]) -> None:
        self.load_state_dict(tensors)


def onward(layers: Iterable[Dense], last_activation: str = "linear") -> Callable[[Tensor], Tensor]:
    """From sums [points × width] to the single output of the last layer [points], in float64 on the CPU, for a `Path`."""
    exact = [(ACTIVATIONS[one.activation], as_exact(one.weight), as_exact(one.bias)) for one in layers]

    def output(points: Tensor) -> Tensor:
        for activate, weight, bias in exact:
            points = F.linear(chord(activate, points), weight, bias)
        return chord(ACTIVATIONS[last_activation], points)[:, 0]

    return output


def as_exact(tensor: Tensor) -> Tensor:
    """A copy in float64 on the CPU, without gradient."""
    return tensor.detach().cpu().double()
