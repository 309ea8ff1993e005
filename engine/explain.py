"""Why a score is what it is: what each rating of a person contributes to it, and what it would be without that rating.

Sundararajan, Taly & Yan 2017, "Axiomatic Attribution for Deep Networks" (integrated gradients, section 3). Where ratings enter a score
linearly, integrated gradients are the exact weights times values, and nothing has to be integrated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from engine.models.contract import Path, Recommender, chunks

PIECES, MOST_PIECES = 32, 1024
"""Of the line: their number is doubled until no contribution changes by more than PRECISION."""
PRECISION = 5e-5


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a score of one item is made of: base + Σ contributions = score.

    Attributes:
        items: position of each rated item, in the order of the person's row.
        contributions: of each rating, in the score's unit, float64.
        base: score of the input without these ratings.
        score: of the item, in float64 from the model's weights; a list's own is rounded to float32.
        off: the largest change of a contribution when the line was cut finer for the last time, PRECISION or less unless that ended
            at MOST_PIECES; of weights, 0. The sum is exact however coarse the pieces.
        kind: "integrated gradients" or "weights".
        meaning: whose score the base is, in words.
    """

    items: np.ndarray
    contributions: np.ndarray
    base: float
    score: float
    off: float
    kind: str
    meaning: str

    @property
    def gap(self) -> float:
        """Score less base and contributions: rounding alone, as long as the model's path is made of chords."""
        return self.score - self.base - float(self.contributions.sum())


def explain(model: Recommender, row: sp.csr_array, item: int, user: int | None = None) -> Explanation:
    """The contributions of a person's ratings to the score of one item.

    Args:
        row: what the model sees of the person, CSR [1 × items].
        user: the person's row in training; None for somebody who was not there.

    Raises:
        InputError: the model's score of an item is not made of the person's ratings, or it does not know the person.
    """
    path = model.path(row, item, user)
    if path.onward is None:
        contributions, base = path.steps[:, 0], float(path.start[0])
        return Explanation(row.indices, contributions, base, base + float(contributions.sum()), 0.0, "weights", path.base)
    return Explanation(row.indices, *_integrated(path), kind="integrated gradients", meaning=path.base)


def leave_one_out(model: Recommender, row: sp.csr_array, item: int, user: int | None, without: Sequence[int] | np.ndarray) -> np.ndarray:
    """The item's score without each of some ratings, everything else staying as it is: [len(without)], float32.

    Args:
        row, user: as in `explain`.
        without: places in the row, 0 for its first rating.

    Raises:
        InputError: the model cannot score other ratings than those of training.
    """
    places = np.asarray(without, np.int64)
    blocks = [model.score_as(_lacking(row, some), user)[:, item] for some in chunks(places, row.shape[1])]
    return np.concatenate([*blocks, np.empty(0, np.float32)])


def _lacking(row: sp.csr_array, places: np.ndarray) -> sp.csr_array:
    """The row once for each place, without the rating there [places × items]."""
    kept = np.arange(row.nnz) != places[:, None]
    entries = np.broadcast_to(np.arange(row.nnz), kept.shape)[kept]
    starts = np.arange(len(places) + 1) * (row.nnz - 1)
    return sp.csr_array((row.data[entries], row.indices[entries], starts), shape=(len(places), row.shape[1]))


def _integrated(path: Path) -> tuple[np.ndarray, float, float, float]:
    """Contributions, base, score and `off` of an Explanation.

    The line is cut into pieces, and of each the slope of the chord is taken in place of gradients at nodes: at the kinks of a SELU or
    ReLU network, quadrature needs ten times as many points, and leaves a gap.
    """
    import torch

    assert path.onward is not None
    start, direction = torch.from_numpy(path.start), torch.from_numpy(path.steps.sum(axis=0))
    pieces, former, off = PIECES, None, np.inf
    while True:
        points = torch.addcmul(start, torch.linspace(0, 1, pieces + 1, dtype=torch.float64)[:, None], direction).requires_grad_()
        scores = path.onward(points)
        (slopes,) = torch.autograd.grad(scores[:-1].sum(), points)
        contributions = path.steps @ slopes[:-1].mean(dim=0).numpy()
        if former is not None:
            off = float(np.abs(contributions - former).max(initial=0))
        if off <= PRECISION or pieces >= MOST_PIECES:
            return contributions, scores[0].item(), scores[-1].item(), off
        pieces, former = 2 * pieces, contributions
