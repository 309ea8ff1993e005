"""The charts of a run, wherever it is shown: the held-out metric with the baselines, the objective, never on one axis, and who is
served how well."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from engine.store import Run
from pages.components import charts, monitored, series, status, titles
from pages.components.charts import Line, Rule
from pages.components.plots import Bars, bars

OBJECTIVE_ALT = "Training loss: first pass solid, re-feed pass dotted"


def held_out_title(run: Run) -> str:
    """What the upper chart is called."""
    return f"Held-out {monitored.title(monitored.metric(run))}"


def held_out_alt(run: Run) -> str:
    """What is drawn in the upper chart."""
    train = ", train dashed" if monitored.metric(run) in monitored.WITH_NOISE_FLOOR else ""
    return f"{held_out_title(run)}: validation solid{train}, baselines as horizontal lines"


def held_out_rows(run: Run, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of a run's metrics that the upper chart draws."""
    metric = monitored.metric(run)
    drawn = [f"validation/{metric}", *(["train/rmse"] if metric in monitored.WITH_NOISE_FLOOR else [])]
    return frame[frame["name"].isin(drawn)]


def held_out(run: Run, frame: pd.DataFrame, *, axis: str = "epoch", log: bool = False, smooth: float = 0.0) -> dict[str, Any]:
    """The monitored validation metric with its best epoch, the training RMSE and the baselines, as an ECharts option.

    Args:
        frame: the run's metrics, see `series.fetch`.
        axis: one of `series.AXES`.
        smooth: weight of the past in the drawn line, 0 to below 1; the measured one then stands faint behind it.
    """
    best, metric = status.best_epoch(run, frame), monitored.metric(run)
    name = f"validation/{metric}"
    x, y = series.line(frame, name, axis)
    epochs = frame.loc[frame["name"] == name, "epoch"].round().to_numpy(int)
    dot = next(((float(a), float(b)) for a, b, epoch in zip(x, y, epochs, strict=True) if epoch == best and b == b), None)
    lines = _smoothed([Line("validation", x, y, dot=dot)], smooth)
    if metric in monitored.WITH_NOISE_FLOOR:
        lines += _smoothed([Line("train", *series.line(frame, "train/rmse", axis), dash="dashed")], smooth)
    return charts.curves(
        lines, x_name=series.AXES[axis], y_name=monitored.axis(metric), rules=baseline_rules(run), x_end=_end(run, axis), log=log
    )


def objective(
    run: Run,
    frame: pd.DataFrame,
    *,
    axis: str = "epoch",
    log: bool = False,
    smooth: float = 0.0,
    batches: bool = False,
    height: int = 250,
) -> dict[str, Any]:
    """Training loss of the first and of the re-fed passes, as an ECharts option.

    Args:
        smooth: as in `held_out`.
        batches: draw each batch faintly behind.
    """
    passes: list[tuple[str, str, str, dict[str, Any]]] = [("ratings" if titles.rates(run.config) else "users", "each batch", "loss", {})]
    if run.config.get("refeed", {}).get("steps"):
        passes.append(("re-feed", "each batch, re-fed", "refeed_loss", {"colour": "vermilion", "dash": "dotted"}))
    lines: list[Line] = []
    for name, behind, metric, look in passes:
        if batches:
            lines.append(Line(behind, *series.line(frame, f"batch/{metric}", axis), faint=True, **look))
        lines += _smoothed([Line(name, *series.line(frame, f"train/{metric}", axis), **look)], smooth)
    unit = "loss (squared rating units)" if titles.rates(run.config) else "loss (mean per user)"
    return charts.curves(lines, x_name=series.AXES[axis], y_name=unit, x_end=_end(run, axis), log=log, height=height)


def baseline_rules(run: Run, metric: str | None = None) -> list[Rule]:
    """What stands beside a run's validation curve: the baselines and, for generated data, the noise floor; none before they are known.

    Args:
        metric: of the curve; the one that picks the run's epoch when None.
    """
    facts, metric = run.facts or {}, metric or monitored.metric(run)
    fitted = facts.get("baselines", {})
    found = [(monitored.baseline_title(name, known), known.get("validation", {}).get(metric), "dotted") for name, known in fitted.items()]
    if metric in monitored.WITH_NOISE_FLOOR:
        found.append(("noise floor", facts.get("noise_floor"), "dashed"))
    return [Rule(name, value, dash) for name, value, dash in found if value is not None]


def by_activity(groups: list[dict[str, Any]]) -> dict[str, Any]:
    """Test error by how many ratings of a user the model was shown, as an ECharts option; `groups` as `engine.evaluation.by_activity`."""
    names = [f"{activity(group)}\n{group['users']:,} users\n{group['pairs']:,} pairs" for group in groups]
    drawn = [Bars("test RMSE", [round(group["rmse"], 3) for group in groups])]
    option = bars(names, drawn, x_name="ratings of a user that the model sees", y_name="RMSE (rating units)", number="%.3f")
    option["xAxis"] |= {"nameGap": 60, "axisLabel": {**option["xAxis"]["axisLabel"], "lineHeight": 15}}
    option["grid"] |= {"bottom": 30}
    option["series"][0]["label"] = {"show": True, "position": "top", "color": charts.palette()["ink"]}
    return option


def activity(group: dict[str, Any]) -> str:
    """A group of users by their visible ratings, such as "20–49"."""
    return f"{group['from']:,}–{group['to']:,}" if group["to"] else f"from {group['from']:,}"


def _smoothed(lines: list[Line], weight: float) -> list[Line]:
    """Each line smoothed, with its measured values faintly behind; the ring stays where it was measured."""
    if not weight:
        return lines
    behind = [replace(line, name=f"{line.name}, measured", faint=True, dot=None) for line in lines]
    return [*behind, *(replace(line, y=series.smoothed(line.y, weight)) for line in lines)]


def _end(run: Run, axis: str) -> float | None:
    return float(run.epochs) if axis == "epoch" and run.epochs else None
