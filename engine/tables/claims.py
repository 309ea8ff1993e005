"""The conclusions that the authors of a table draw from it, as data that can be checked on our figures as well."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, model_validator

from engine import metrics

FIGURES: dict[str, str] = {
    "test": "The table's metric on the test part.",
    "validation": "The table's metric on the validation part, at the best epoch.",
    "train": "The table's metric on the training ratings, which the model is shown: reconstruction.",
    "gap": "The table's metric on the test part minus that on the training ratings.",
    "train_last": "RMSE of training in the last epoch, as the optimizer sees it: with dropout and noise, before the epoch's steps.",
    "gap_last": "Validation RMSE of the last epoch minus the RMSE of training in it.",
    "diverged_epoch": "The epoch in which the loss stopped being a number; 0 where it never did.",
    "loss": "The model's own loss of training in the last epoch.",
    "parameters": "Weights and biases of the network.",
    "best_epoch": "The epoch with the best validation metric.",
    "epochs_to_reach": "The first epoch whose validation metric is at the table's `reach` or better; if none, one more than were run.",
    "overfit": "How much worse the validation metric of the last epoch is than that of the best one.",
    "jitter": "Mean absolute second difference of the validation metric over the last half of the epochs: how noisy the curve is.",
    "bump": "How much worse the validation metric is after the first re-fed epoch than after the epoch before.",
    "after_bump": "How much worse the best validation metric from the first re-fed epoch on is than that of the epoch before it.",
    "held_out_rmse": "Global RMSE of validation and test ratings together, of runs that chose nothing on validation.",
    "held_out_rmse_clipped": "The same with predictions clipped to the rating scale.",
    "refeed_loss": "Mean squared error of the re-fed passes in the last epoch.",
    "reconstruction_mse": "Mean squared error of f(x) at the ratings that x itself holds, held-out ones included: no prediction.",
    "fewest_ratings": "Test RMSE of the group of users with the fewest visible ratings (`by_activity`).",
    "most_ratings": "Test RMSE of the group of users with the most visible ratings (`by_activity`).",
}
"""What tables show beyond `metrics.METRICS`. Of each, lower is better."""


Relation = Literal["better", "not better", "similar"]


class Comparison(NamedTuple):
    """Two figures, each as (row, figure), and what is claimed of the first against the second."""

    first: tuple[str, str]
    relation: Relation
    second: tuple[str, str]


class Claim(BaseModel):
    """A conclusion of the authors. Rows are compared by `figure`; what is checked is one of these:

    `order`: each row is better than the next. `better` or `not_better`: each of these rows is (not) better than each of `than` (all
    others when empty). `similar`: no two of the rows differ by `margin` or more. `across`: in each of `rows`, the first figure is better
    than the second. `low`, `high`: in each of `rows`, the figure lies between them. `only_on`: datasets of which it is said, all when
    empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    text: str
    figure: str = "test"
    order: tuple[str, ...] = ()
    better: tuple[str, ...] = ()
    not_better: tuple[str, ...] = ()
    than: tuple[str, ...] = ()
    similar: tuple[str, ...] = ()
    across: tuple[str, str] | None = None
    rows: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    margin: float = 0.01
    only_on: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_check(self) -> Self:
        bounded = self.low is not None or self.high is not None
        if sum(map(bool, (self.order, self.better, self.not_better, self.similar, self.across, bounded))) != 1:
            raise ValueError(f"a claim is checked in one way: {self.text}")
        return self

    def comparisons(self, every_row: Sequence[str]) -> list[Comparison]:
        """What is claimed of pairs of figures; nothing where a figure is bounded. `every_row`: the table's rows that can be run."""
        others = self.than or [row for row in every_row if row not in self.better + self.not_better]
        pairs: list[tuple[str, Relation, str]] = []
        pairs += [(first, "better", second) for first, second in pairwise(self.order)]
        pairs += [(first, "better", second) for first in self.better for second in others]
        pairs += [(first, "not better", second) for first in self.not_better for second in others]
        pairs += [(first, "similar", second) for first, second in combinations(self.similar, 2)]
        found = [Comparison((first, self.figure), relation, (second, self.figure)) for first, relation, second in pairs]
        if self.across:
            found += [Comparison((row, self.across[0]), "better", (row, self.across[1])) for row in self.rows]
        return found


def higher_is_better(figure: str, metric: str) -> bool:
    """Whether a greater value of a figure is the better one, in a table of this metric."""
    figure = metric if figure in ("test", "validation", "train") else figure.removeprefix("validation/")
    return figure not in FIGURES and metrics.higher_is_better(figure)
