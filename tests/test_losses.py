"""What squared errors are divided by, for batches of any size. The objectives themselves are written out in test_training and test_plan."""

import pytest
import torch

from engine.losses import REDUCTIONS, in_sum, per_rating, per_row

ROWS, RATINGS = 9_400, 232_000
"""A batch of all items of 232,000 users: rows times ratings of a row is more than 2³¹."""


@pytest.mark.parametrize("kind", [torch.int32, torch.int64])
def test_weights_of_a_batch_whose_counts_multiply_to_more_than_their_type_holds(kind):
    counts = torch.full((ROWS,), RATINGS, dtype=kind)
    assert per_row(counts).tolist() == pytest.approx([1 / (ROWS * RATINGS)] * ROWS)
    assert per_rating(counts).item() == pytest.approx(1 / (ROWS * RATINGS))


def test_weights_by_hand():
    counts = torch.tensor([2, 0, 5, 1], dtype=torch.int32)
    assert per_rating(counts).item() == pytest.approx(1 / 8)
    assert per_row(counts)[counts > 0].tolist() == pytest.approx([1 / 6, 1 / 15, 1 / 3]), "three rows, each with a third of the whole"
    assert in_sum(counts).item() == 1


@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_batch_without_any_rating_weighs_nothing_that_counts(name):
    counts = torch.zeros(3, dtype=torch.int32)
    weights = REDUCTIONS[name](counts)
    assert weights.ndim == 0 or not weights[counts > 0].numel()
    assert weights.ndim == 1 or weights.isfinite()
