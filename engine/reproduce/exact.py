"""Tables whose figures are sums to be done: no training, no chance, equal to the last digit or wrong."""

from __future__ import annotations

from collections.abc import Callable

from engine.datasets import DatasetConfig, load
from engine.decomposition import decompose_dataset

Figures = dict[str, dict[str, float]]
"""Row → figure → value."""


def toy_from_three_singular_values() -> Figures:
    """The reconstruction of the toy matrix, rounded as they print it."""
    found = decompose_dataset(load(DatasetConfig(name="toy")), 3, "none")["reconstruction"]
    return {
        f"user {user}": {f"item {item}": float(round(value)) + 0.0 for item, value in enumerate(row, 1)}
        for user, row in enumerate(found, 1)
    }


def masked_loss_of_one_user() -> Figures:
    """Ratings 3 and 4, outputs 0.25 and 0.7, under two reductions."""
    import torch  # not above: pages read this module, and draw without torch

    from engine.losses import REDUCTIONS, squared_error

    ratings, outputs, counts = torch.tensor([3.0, 4.0]), torch.tensor([0.25, 0.7]), torch.tensor([2])
    losses = {name: squared_error(outputs, ratings, REDUCTIONS[name](counts), torch.tensor([0, 0]))[0] for name in ("sum", "rating")}
    return {name: {"loss": round(float(loss), 5)} for name, loss in losses.items()}


EXACT: dict[str, Callable[[], Figures]] = {"3-svd-toy": toy_from_three_singular_values, "3-masked-mse": masked_loss_of_one_user}
"""Name of an exact table → our figures."""
