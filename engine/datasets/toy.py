"""The 18 × 10 matrix of the deep-autoencoder assignment (source system 3): small enough to check by eye."""

from __future__ import annotations

import numpy as np
import pandas as pd

from engine.gathering import from_frame
from engine.interactions import Interactions

# 0 means "not rated".
MATRIX = np.array(
    [
        [0, 2, 0, 0, 3, 0, 0, 0, 0, 0],
        [4, 0, 0, 0, 3, 0, 0, 0, 5, 0],
        [0, 0, 0, 0, 0, 3, 0, 0, 0, 0],
        [0, 5, 0, 0, 0, 0, 0, 0, 0, 2],
        [0, 0, 0, 0, 0, 0, 0, 5, 0, 0],
        [5, 2, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 3, 0, 0, 4, 0, 5, 2],
        [0, 3, 0, 4, 0, 0, 0, 0, 0, 0],
        [0, 0, 4, 0, 0, 2, 0, 0, 0, 1],
        [0, 0, 0, 0, 5, 0, 3, 0, 2, 0],
        [1, 5, 0, 0, 0, 4, 0, 0, 0, 0],
        [0, 0, 4, 0, 5, 0, 0, 3, 0, 2],
        [1, 0, 0, 4, 0, 0, 0, 1, 0, 0],
        [0, 5, 0, 3, 0, 0, 0, 0, 4, 0],
        [4, 0, 0, 0, 4, 0, 0, 0, 0, 0],
        [0, 0, 0, 5, 0, 2, 0, 0, 0, 0],
        [0, 3, 0, 0, 0, 0, 4, 0, 0, 0],
        [3, 3, 0, 0, 0, 0, 0, 0, 0, 5],
    ]
)


def load() -> Interactions:
    """The matrix with users "1".."18" and items "1".."10", as the assignment numbers them."""
    users, items = np.nonzero(MATRIX)
    frame = pd.DataFrame({"user": users + 1, "item": items + 1, "rating": MATRIX[users, items]})
    numbers = range(1, MATRIX.shape[1] + 1)
    titles = pd.DataFrame({"title": [f"Item {number}" for number in numbers]}, index=list(numbers))
    return from_frame("toy", frame, items=titles, scale=(1, 5))
