"""The lesson of source system 3: the same network's error on what it is shown, and on what it is not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.tables import Table


@dataclass(frozen=True)
class TwoErrors:
    """One network, judged twice; means over the seeds.

    Attributes:
        published: their error of reconstruction, as a mean square.
        reconstruction_mse: every rating is input and target, held-out ones included, as theirs.
        rmse, rmse_clipped: of `pairs` unseen ratings of `users` users, predictions as they are and clipped to the scale.
        interval: 95 %, of rmse_clipped, by the bootstrap over users; None where it is not known, as of a single user.
    """

    row: str
    published: float
    reconstruction_mse: float
    rmse: float
    rmse_clipped: float
    pairs: int
    users: int
    interval: tuple[float, float] | None


def leak(table: Table, rows: Sequence[Mapping[str, Any]]) -> TwoErrors | None:
    """Both errors from the rows of a report, of all held-out pairs where nothing was chosen on any; None before they are measured."""
    if table.leak is None:
        return None
    mean: Mapping[str, float] = next((row["mean"] for row in rows if row["row"] == table.leak.row), {})
    prefix = "held_out_" if "held_out_rmse" in mean else ""
    error, clipped = f"{prefix}rmse", f"{prefix}rmse_clipped"
    pairs, users = (f"{prefix or 'test_'}{what}" for what in ("pairs", "users"))
    if not {"reconstruction_mse", error, clipped, pairs} <= mean.keys():
        return None
    ends = (mean[f"{clipped}_low"], mean[f"{clipped}_high"]) if f"{clipped}_low" in mean else None
    errors = mean["reconstruction_mse"], mean[error], mean[clipped]
    return TwoErrors(table.leak.row, table.leak.published, *errors, round(mean[pairs]), round(mean[users]), ends)


def in_words(found: TwoErrors) -> list[str]:
    """Why the published figure is no prediction, with our two numbers."""
    ends = "" if found.interval is None else f" (95 % interval {found.interval[0]:.2f} to {found.interval[1]:.2f}, over users)"
    theirs, ours = found.published, found.reconstruction_mse
    return [
        f"The published {theirs:.3f} and our {ours:.3f} ({found.row}) are mean squared errors of reconstruction, as RMSEs "
        f"{math.sqrt(theirs):.2f} and {math.sqrt(ours):.2f}: the file that they call validation holds every training rating, and it is the "
        "network's input as well as its target. It is asked for nothing that it is not given.",
        f"Asked for {found.pairs:,} later ratings of {found.users:,} users that it is not shown, the same network has an RMSE of "
        f"{found.rmse:.2f}, and {found.rmse_clipped:.2f} with predictions clipped to the rating scale{ends}. That is its error as a "
        "recommender.",
    ]
