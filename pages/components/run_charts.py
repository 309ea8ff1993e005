"""The two charts of a run, wherever it is shown: held-out RMSE with the baselines, and the objective, never on one axis."""

from __future__ import annotations

from typing import Any

import pandas as pd

from engine.store import Run
from pages.components import charts, series, status
from pages.components.charts import Line, Rule

HELD_OUT_ALT = "Held-out RMSE: validation solid, train dashed, baselines as horizontal lines"
OBJECTIVE_ALT = "Training loss: first pass solid, re-feed pass dotted"


def held_out(run: Run, frame: pd.DataFrame, *, axis: str = "epoch", log: bool = False) -> dict[str, Any]:
    """Validation RMSE with its best epoch, training RMSE and the baselines, as an ECharts option.

    Args:
        frame: the run's metrics, see `series.fetch`.
        axis: one of `series.AXES`.
    """
    best = status.best_epoch(run, frame)
    x, y = series.line(frame, "validation/rmse", axis)
    epochs = frame.loc[frame["name"] == "validation/rmse", "epoch"].round().to_numpy(int)
    dot = next(((float(a), float(b)) for a, b, epoch in zip(x, y, epochs, strict=True) if epoch == best and b == b), None)
    lines = [Line("validation", x, y, dot=dot), Line("train", *series.line(frame, "train/rmse", axis), dash="dashed")]
    return charts.curves(
        lines, x_name=series.AXES[axis], y_name="RMSE (rating units)", rules=baseline_rules(run), x_end=_end(run, axis), log=log
    )


def objective(
    run: Run, frame: pd.DataFrame, *, axis: str = "epoch", log: bool = False, batches: bool = False, height: int = 250
) -> dict[str, Any]:
    """Training loss of the first and of the re-fed passes, as an ECharts option.

    Args:
        batches: draw each batch faintly behind.
    """
    passes: list[tuple[str, str, str, dict[str, Any]]] = [("ratings", "each batch", "loss", {})]
    if run.config.get("refeed", {}).get("steps"):
        passes.append(("re-feed", "each batch, re-fed", "refeed_loss", {"colour": "vermilion", "dash": "dotted"}))
    lines: list[Line] = []
    for name, behind, metric, look in passes:
        if batches:
            lines.append(Line(behind, *series.line(frame, f"batch/{metric}", axis), faint=True, **look))
        lines.append(Line(name, *series.line(frame, f"train/{metric}", axis), **look))
    return charts.curves(
        lines, x_name=series.AXES[axis], y_name="loss (squared rating units)", x_end=_end(run, axis), log=log, height=height
    )


def baseline_rules(run: Run) -> list[Rule]:
    """What stands beside a run's validation curve: bias, SVD and, for generated data, the noise floor; none before they are known."""
    facts = run.facts or {}
    fitted = facts.get("baselines", {})
    found = [
        ("user+item bias", fitted.get("bias", {}).get("validation", {}).get("rmse"), "dotted"),
        (f"SVD rank {fitted.get('svd', {}).get('rank')}", fitted.get("svd", {}).get("validation", {}).get("rmse"), "dotted"),
        ("noise floor", facts.get("noise_floor"), "dashed"),
    ]
    return [Rule(name, value, dash) for name, value, dash in found if value]


def _end(run: Run, axis: str) -> float | None:
    return float(run.epochs) if axis == "epoch" and run.epochs else None
