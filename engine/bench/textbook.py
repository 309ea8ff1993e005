"""The dense loop that textbooks and course work train autoencoder recommenders with, written down as they have it.

Rows of the users × items matrix with a 0 where nothing was rated, from a `DataLoader`; linear layers; the loss masked by
`labels != 0`; Adam as it comes. Dense re-feeding as in Kuchaiev & Ginsburg 2017: a second step in which f(f(x)) should equal f(x).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from engine.interactions import pieces

DENSE_BYTES = 2e9
"""A larger dense matrix is not built; its rows become dense batch by batch."""

ACTIVATIONS: dict[str, type[nn.Module]] = {"selu": nn.SELU, "elu": nn.ELU, "relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


class DenseRows(Dataset[Tensor]):
    """The rows of a matrix, dense float32 [items]."""

    def __init__(self, matrix: sp.csr_array) -> None:
        self.rows = torch.from_numpy(matrix.toarray())

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> Tensor:
        return self.rows[row]


class DensifiedRows(Dataset[Tensor]):
    """The same of a matrix that is too large when dense: whole batches are cut out of the CSR matrix."""

    def __init__(self, matrix: sp.csr_array) -> None:
        self.matrix = matrix

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    def __getitems__(self, rows: list[int]) -> Tensor:
        return torch.from_numpy(self.matrix[rows].toarray())


def row_loader(matrix: sp.csr_array, batch_size: int, shuffle: bool) -> DataLoader[Tensor]:
    """Batches of dense rows [batch × items]."""
    if matrix.shape[0] * matrix.shape[1] * 4 <= DENSE_BYTES:
        return DataLoader(DenseRows(matrix), batch_size=batch_size, shuffle=shuffle)
    return DataLoader(DensifiedRows(matrix), batch_size=batch_size, shuffle=shuffle, collate_fn=_as_it_is)


def network(items: int, layers: Sequence[int], activation: str, start: np.ndarray | None = None) -> nn.Sequential:
    """items → layers → mirrored back → items; no activation after the last; Xavier weights, zero biases.

    Args:
        start: biases of the outputs instead of zeros [items].
    """
    widths = [items, *layers, *list(layers)[-2::-1], items]
    parts: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        linear = nn.Linear(inputs, outputs)
        nn.init.xavier_uniform_(linear.weight)
        nn.init.zeros_(linear.bias)
        parts += [linear, ACTIVATIONS[activation]()]
    if start is not None:
        linear.bias.data.copy_(torch.from_numpy(start))
    return nn.Sequential(*parts[:-1])


def item_means(matrix: sp.csr_array, pull: float) -> np.ndarray:
    """Mean rating of each item, drawn towards that of all by `pull` ratings' worth [items]."""
    sums, counts = np.full(matrix.shape[1], pull * matrix.data.mean(), float), np.full(matrix.shape[1], pull)
    for piece in pieces(matrix.nnz):
        sums += np.bincount(matrix.indices[piece], matrix.data[piece], matrix.shape[1])
        counts += np.bincount(matrix.indices[piece], minlength=matrix.shape[1])
    return sums / counts


def masked_mse(outputs: Tensor, labels: Tensor) -> Tensor:
    """Squared errors where the label is not 0, divided by their number."""
    mask = (labels != 0).float()
    return (mask * (labels - outputs) * (labels - outputs)).sum() / mask.sum().clamp(min=1)


def losses(
    model: nn.Module, loader: DataLoader[Tensor], optimizer: torch.optim.Optimizer, refeeds: int, device: torch.device
) -> Iterator[float]:
    """Trains for ever; the loss of each batch."""
    while True:
        for batch in loader:
            model.train()
            inputs = batch.to(device)
            optimizer.zero_grad()
            outputs = model(inputs)
            loss = masked_mse(outputs, inputs)
            loss.backward()
            optimizer.step()
            for _ in range(refeeds):
                inputs = outputs.detach()
                optimizer.zero_grad()
                outputs = model(inputs)
                again = masked_mse(outputs, inputs)
                again.backward()
                optimizer.step()
            yield loss.item()


@torch.no_grad()
def squared_errors(model: nn.Module, visible: DataLoader[Tensor], targets: DataLoader[Tensor], device: torch.device) -> tuple[float, int]:
    """Sum of squared errors where `targets` is not 0, and their number; every output of every user is computed."""
    model.eval()
    total, pairs = 0.0, 0
    for inputs, wanted in zip(visible, targets, strict=True):
        labels = wanted.to(device)
        mask = labels != 0
        total += float((mask * (model(inputs.to(device)) - labels) ** 2).sum())
        pairs += int(mask.sum())
    return total, pairs


def _as_it_is(batch: Any) -> Any:
    return batch
