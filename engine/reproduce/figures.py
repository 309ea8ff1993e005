"""The figures that tables show, from a finished run."""

from __future__ import annotations

import math
import time

import numpy as np

from engine.config import differences, parse
from engine.metrics import bootstrap_rmse, epochs_to_reach
from engine.reproduce.results import Result
from engine.store import Run, RunStore
from engine.tables import Row, Table


def result(table: Table, row: Row, dataset: str, seed: int, run: Run, store: RunStore) -> Result:
    """The figures of a finished run, as its table wants them."""
    summary, facts = run.summary or {}, run.facts or {}
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
    figures |= _of_curve(table, run, store) | _of_errors(run, store)
    return Result(
        dataset=dataset,
        row=row.name,
        seed=seed,
        figures={name: float(value) for name, value in figures.items() if value is not None and math.isfinite(value)},
        settings=differences(parse(run.config)),
        facts={name: facts.get(name) for name in ("split_fingerprint", "sizes", "versions", "device", "threads", "plan")}
        | {"epochs": summary["epochs"], "seconds_per_epoch": summary["seconds_per_epoch"], "peak_memory_mb": summary["peak_memory_mb"]},
        seconds=float((run.finished or time.time()) - (run.started or run.created)),
        date=time.time(),
        run=run.id,
    )


def _of_curve(table: Table, run: Run, store: RunStore) -> dict[str, float | None]:
    """What the validation metric did from epoch to epoch."""
    frame = store.metrics(run.id, names=[f"validation/{table.metric}", "train/refeed_loss"])
    curve = frame[frame["name"] == f"validation/{table.metric}"].sort_values("epoch")
    values, epochs = curve["value"].to_numpy(float), curve["epoch"].to_numpy(float).round()
    refed = frame[frame["name"] == "train/refeed_loss"].sort_values("epoch")
    found: dict[str, float | None] = {"refeed_loss": refed["value"].iloc[-1] if len(refed) else None}
    if len(values):
        found["overfit"] = values[-1] - values.min()
    if len(values) > 2:
        found["jitter"] = float(np.abs(np.diff(values, 2)).mean())
    if table.reach is not None:
        found["epochs_to_reach"] = epochs_to_reach(epochs, values, table.reach)
    start = parse(run.config).refeed.start_epoch
    before, after = values[epochs == start - 1], values[epochs >= start]
    if len(refed) and len(before) and len(after):
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
    errors, users = (store.load(run.id, "errors")[0][name].numpy() for name in ("errors", "users"))
    _, low, high = bootstrap_rmse(errors, users)
    per_user = user_rmse(errors, users)
    found = {"test_pairs": len(errors), "test_users": len(per_user), "rmse_clipped_low": low, "rmse_clipped_high": high}
    if len(per_user) > 1:
        found["rmse_user_mean_se"] = float(per_user.std(ddof=1) / math.sqrt(len(per_user)))
    return found


def user_rmse(errors: np.ndarray, users: np.ndarray) -> np.ndarray:
    """The RMSE of each user who has pairs, in the order of their labels."""
    counts = np.bincount(users)
    squares = np.bincount(users, weights=np.square(errors, dtype=np.float64))
    return np.sqrt(squares[counts > 0] / counts[counts > 0])
