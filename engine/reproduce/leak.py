"""The lesson of source system 3: the same network's error on what it is shown, and on what it is not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.tables import Table

SHOWN = {"3-leaky": "as published (leaky)", "3-honest": "deep AE, time 0.98"}
"""Table → the row whose two errors are put side by side."""
PUBLISHED = 0.1473668098449707
"""Their “valid loss” after epoch 40 (assignment 12, printed output)."""


@dataclass(frozen=True)
class Leak:
    """One network, judged twice; means over the seeds.

    Attributes:
        reconstruction_mse: every rating is input and target, held-out ones included, as theirs.
        rmse, rmse_clipped: of `pairs` unseen ratings of `users` users, predictions as they are and clipped to the scale.
        interval: 95 %, of rmse_clipped, by the bootstrap over users; None where it is not known, as of a single user.
    """

    row: str
    reconstruction_mse: float
    rmse: float
    rmse_clipped: float
    pairs: int
    users: int
    interval: tuple[float, float] | None


def leak(table: Table, rows: Sequence[Mapping[str, Any]]) -> Leak | None:
    """Both errors from the rows of a report; None for other tables, and before they are measured."""
    name = SHOWN.get(table.name)
    mean: Mapping[str, float] = next((row["mean"] for row in rows if row["row"] == name), {})
    if name is None or not {"reconstruction_mse", "rmse", "rmse_clipped", "test_pairs"} <= mean.keys():
        return None
    ends = (mean["rmse_clipped_low"], mean["rmse_clipped_high"]) if "rmse_clipped_low" in mean else None
    counts = (round(mean["test_pairs"]), round(mean["test_users"]))
    return Leak(name, mean["reconstruction_mse"], mean["rmse"], mean["rmse_clipped"], *counts, ends)


def in_words(found: Leak) -> list[str]:
    """Why the published figure is no prediction, with our two numbers."""
    ends = "" if found.interval is None else f" (95 % interval {found.interval[0]:.2f} to {found.interval[1]:.2f}, over users)"
    return [
        f"The published {PUBLISHED:.3f} and our {found.reconstruction_mse:.3f} ({found.row}) are mean squared errors of reconstruction, as "
        f"RMSEs {math.sqrt(PUBLISHED):.2f} and {math.sqrt(found.reconstruction_mse):.2f}: the file that they call validation holds every "
        "training rating, and it is the network's input as well as its target. It is asked for nothing that it is not given.",
        f"Asked for {found.pairs:,} later ratings of {found.users:,} users that it is not shown, the same network has an RMSE of "
        f"{found.rmse:.2f}, and {found.rmse_clipped:.2f} with predictions clipped to the rating scale{ends}. That is its error as a "
        "recommender, and of so few users it is uncertain.",
    ]
