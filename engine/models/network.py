"""What all models that learn by gradient steps have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
import torch
from pydantic import BaseModel
from torch import Tensor, nn
from torch.nn import functional as F

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

    def tensors(self) -> dict[str, Any]:
        return {name: value.detach().cpu() for name, value in self.state_dict().items()}

    def restore(self, tensors: dict[str, Any]) -> None:
        self.load_state_dict(tensors)
