"""The figures that tables show, from a run that has finished or diverged."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from engine.config import flatten, parse
from engine.errors import Damaged
from engine.metrics import bootstrap_rmse, epochs_to_reach, higher_is_better, rmse_of_users
from engine.reproduce.results import Result
from engine.store import Run, RunStore
from engine.tables import Row, Table


def result(table: Table, row: Row, dataset: str, seed: int, run: Run, store: RunStore) -> Result:
    """The figures of a run that `tells`, as its table wants them."""
    summary, facts = run.summary or {}, run.facts or {}
    if run.state != "finished":
        return _kept(row, dataset, seed, run, {"diverged_epoch": facts["diverged_epoch"]}, {"epochs": facts["diverged_epoch"]})
    metrics, best = summary["metrics"], summary["best_epoch"]
    figures = {name: value for name, value in metrics["test"].items() if value is not None}
    figures |= {f"validation/{name}": value for name, value in metrics["validation"].items() if value is not None}
    figures |= summary.get("reconstruction", {})
    figures |= {"test": figures.get(table.metric), "validation": figures.get(f"validation/{table.metric}")}
    figures |= {"train": figures.get(f"reconstruction_{table.metric}"), "best_epoch": best, "parameters": facts.get("parameters")}
    if figures["test"] is not None and figures["train"] is not None:
        figures["gap"] = figures["test"] - figures["train"]
    by_activity = summary.get("by_activity") or []
    if by_activity:
        figures |= {"fewest_ratings": by_activity[0]["rmse"], "most_ratings": by_activity[-1]["rmse"]}
    figures |= {"diverged_epoch": 0, **summary.get("held_out", {})} | _of_curve(table, run, store) | _of_errors(run, store)
    return _kept(row, dataset, seed, run, figures, {name: summary[name] for name in ("epochs", "seconds_per_epoch", "peak_memory_mb")})


def tells(run: Run) -> bool:
    """Whether a run's end says something of its row: it finished, or its loss stopped being a number."""
    return run.state == "finished" or (run.state == "failed" and "diverged_epoch" in (run.facts or {}))


def _kept(row: Row, dataset: str, seed: int, run: Run, figures: dict[str, Any], facts: dict[str, Any]) -> Result:
    known = run.facts or {}
    return Result(
        dataset=dataset,
        row=row.name,
        seed=seed,
        figures={name: float(value) for name, value in figures.items() if value is not None and math.isfinite(value)},
        settings=flatten(parse(run.config)),
        facts={name: known.get(name) for name in ("split_fingerprint", "sizes", "versions", "device", "threads", "plan")} | facts,
        seconds=float((run.finished or time.time()) - (run.started or run.created)),
        date=time.time(),
        run=run.id,
    )


def _of_curve(table: Table, run: Run, store: RunStore) -> dict[str, float | None]:
    """What training and the validation metric did from epoch to epoch."""
    metric = f"validation/{table.metric}"
    wanted = [metric, "validation/rmse", "train/rmse", "train/loss", "train/refeed_loss"]
    frame = store.metrics(run.id, names=[*dict.fromkeys(wanted)]).sort_values("epoch")
    last = frame.groupby("name")["value"].last()
    found: dict[str, float | None] = {"refeed_loss": last.get("train/refeed_loss"), "loss": last.get("train/loss")}
    if "train/rmse" in last:
        found |= {"train_last": last["train/rmse"], "gap_last": last.get("validation/rmse", math.nan) - last["train/rmse"]}
    curve = frame[frame["name"] == metric]
    epochs, sign = curve["epoch"].to_numpy(float).round(), -1 if higher_is_better(table.metric) else 1
    values = sign * curve["value"].to_numpy(float)  # so that lower is better
    if len(values):
        found["overfit"] = values[-1] - values.min()
    if len(late := values[len(values) // 2 :]) > 2:
        found["jitter"] = float(np.abs(np.diff(late, 2)).mean())
    if table.reach is not None and len(values):
        reached = epochs_to_reach(epochs, values, sign * table.reach)
        found["epochs_to_reach"] = epochs.max() + 1 if reached is None else reached
    start = parse(run.config).refeed.start_epoch
    before, after = values[epochs == start - 1], values[epochs >= start]
    if "train/refeed_loss" in last and len(before) and len(after):
        found |= {"bump": after[0] - before[0], "after_bump": after.min() - before[0]}
    return found


def _of_errors(run: Run, store: RunStore) -> dict[str, float]:
    """How sure the errors on the test part are, of models that predict ratings.

    Returns:
        `test_pairs` and `test_users`; the ends of the 95 % interval of rmse_clipped by the bootstrap over users, `rmse_clipped_low` and
        `_high`, infinite of a single user; `rmse_user_mean_se`, the standard error over users.
    """
    if not store.has(run.id, "errors"):
        return {}
    try:
        kept = store.load(run.id, "errors")[0]
    except Damaged:  # the run's own page names it
        return {}
    errors, users = (kept[name].numpy() for name in ("errors", "users"))
    _, low, high = bootstrap_rmse(errors, users)
    per_user = rmse_of_users(errors, users)
    found = {"test_pairs": len(errors), "test_users": len(per_user), "rmse_clipped_low": low, "rmse_clipped_high": high}
    if len(per_user) > 1:
        found["rmse_user_mean_se"] = float(per_user.std(ddof=1) / math.sqrt(len(per_user)))
    return found
