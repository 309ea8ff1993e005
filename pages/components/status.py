"""How a run stands: its state, the line with its progress, and the four tiles."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import streamlit as st

from engine import background
from engine.store import Run
from pages.components import series, words
from pages.components.cards import tile

BADGES: dict[str, tuple[Any, str]] = {
    "queued": ("gray", ":material/schedule:"),
    "running": ("green", ":material/play_circle:"),
    "paused": ("orange", ":material/pause_circle:"),
    "finished": ("blue", ":material/check_circle:"),
    "stopped": ("gray", ":material/stop_circle:"),
    "failed": ("red", ":material/error:"),
    "crashed": ("red", ":material/heart_broken:"),
}
MEANING = {
    "rmse": "Root mean squared error on the validation ratings, which the model has not seen: √ mean (predicted − actual)², "
    "in rating units.",
    "loss": "Mean squared error per rating on the training ratings, first pass, as the optimizer sees it (dropout on).",
    "best": "The epoch with the best validation metric; its weights are kept and used for the test and for recommendations.",
    "svd": "Validation RMSE of this run at its best epoch minus that of a truncated SVD (user and item bias removed, best rank) "
    "on the same pairs. ± is the half-width of the 95 % interval over users; negative is better than SVD.",
}


def state_badge(run: Run) -> None:
    """The run's state as a coloured badge with a symbol."""
    color, icon = BADGES[run.state]
    st.badge(run.state, color=color, icon=icon)


def status_line(run: Run, frame: pd.DataFrame) -> None:
    """State, name, epoch, pace, time left and device of a run, with a progress bar."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        state_badge(run)
        st.markdown(f"**{words.plain(run.name)}**", width="content")
        st.caption(words.plain(_progress(run, frame)), width="content")
        done = min(1.0, run.epoch / run.epochs) if run.epochs else 0.0
        st.progress(1.0 if run.state == "finished" else done, width=120)
    if run.error:
        st.error(run.error, icon=":material/error:")
    elif run.state == "crashed":
        st.error("The process that trained it is gone. Resume goes on from the last checkpoint.", icon=":material/heart_broken:")


def _progress(run: Run, frame: pd.DataFrame) -> str:
    if run.state == "queued":
        return _waiting(run)
    pace = seconds_per_epoch(frame)
    parts = [f"epoch {run.epoch} / {run.epochs}"]
    if run.state == "running" and run.epoch == 0:
        parts.append(run.note or "starting")
    if pace:
        parts.append(f"{words.duration(pace)} each")
        if run.state == "running" and run.epochs > run.epoch:
            parts.append(f"{words.duration(pace * (run.epochs - run.epoch))} left")
    if run.state == "running" and run.want != "run":
        parts.append("pausing" if run.want == "pause" else "stopping")
    if run.state in ("paused", "stopped", "crashed"):
        parts.append("Resume goes on from the last checkpoint")
    device = run.device or (run.facts or {}).get("device")
    if device:
        parts.append(str(device).upper() if len(str(device)) < 5 else str(device))
    return " · ".join(parts)


def _waiting(run: Run) -> str:
    if run.queue != "daemon":
        return "waiting for the process that made it"
    return {"down": "starting the engine", "starting": "starting the engine"}.get(background.daemon_state(), "waiting for a free slot")


def seconds_per_epoch(frame: pd.DataFrame) -> float | None:
    """Median time between the ends of the latest epochs."""
    ends = frame.loc[frame["name"] == "train/loss", "seconds"].to_numpy(float)[-11:]
    if len(ends) == 0:
        return None
    if len(ends) == 1:
        return float(ends[0])
    return float(pd.Series(ends).diff().median())


def best_epoch(run: Run, frame: pd.DataFrame) -> int | None:
    """The epoch whose weights are kept, so far."""
    if run.summary:
        return run.summary.get("best_epoch")
    monitor = run.config.get("training", {}).get("monitor", "rmse")
    measured = {epoch: value for epoch, value in series.per_epoch(frame, f"validation/{monitor}").items() if not math.isnan(value)}
    return min(measured, key=measured.__getitem__) if measured else None


def tiles(run: Run, frame: pd.DataFrame) -> None:
    """Validation RMSE, train loss, best epoch, and the difference to SVD."""
    first, second, third, fourth = st.columns(4, gap="small")
    rmse = list(series.per_epoch(frame, "validation/rmse").values())
    batch = series.last(frame, "batch/loss")
    best = best_epoch(run, frame)
    with first:
        tile("validation RMSE", words.measured(rmse[-1] if rmse else None), _change(rmse), MEANING["rmse"])
    with second:
        note = "" if batch is None else f"last batch {batch:.4f}"
        tile("train loss", words.measured(series.last(frame, "train/loss")), note, MEANING["loss"])
    with third:
        tile(
            "best epoch",
            "–" if best is None else str(best),
            "" if best is None else "its weights are kept",
            MEANING["best"],
        )
    with fourth:
        _against_svd(run.facts or {}, frame, best)


def _change(values: list[float]) -> str:
    if len(values) < 2 or math.isnan(values[-1] - values[-2]):
        return "at each epoch's end"
    change = values[-1] - values[-2]
    color, arrow = ("green", "▼") if change < 0 else ("orange", "▲")
    return f":{color}[{arrow} {abs(change):.4f}] since last epoch"


def _against_svd(facts: dict[str, Any], frame: pd.DataFrame, best: int | None) -> None:
    rank = facts.get("baselines", {}).get("svd", {}).get("rank")
    difference = series.per_epoch(frame, "difference/svd").get(best or 0, math.nan)
    interval = series.per_epoch(frame, "difference/svd_interval").get(best or 0, math.nan)
    pairs = facts.get("sizes", {}).get("validation")
    label = f"against SVD (rank {rank})" if rank else "against SVD"
    if math.isnan(difference) or math.isnan(interval):
        tile(label, "–", "", MEANING["svd"])
        return
    verdict, color = verdict_against_svd(difference, interval)
    counted = f"{pairs:,} pairs · " if pairs else ""
    tile(label, words.signed(difference), f"{counted}±{interval:.4f} · :{color}[**{verdict}**]", MEANING["svd"])


def verdict_against_svd(difference: float, interval: float) -> tuple[str, Any]:
    """What may be said of a difference of RMSEs (negative: better than SVD), and its colour."""
    if abs(difference) <= interval:
        return "not distinguishable", "gray"
    return ("distinguishable", "green") if difference < 0 else ("SVD wins", "orange")


def final_result(run: Run) -> None:
    """One line with the test figures of a finished run beside the baselines', on the same pairs."""
    summary = run.summary or {}
    test = summary.get("metrics", {}).get("test", {})
    if "rmse" not in test:
        return
    parts = [f"**Test, read once:** RMSE {test['rmse']:.4f}"]
    for name, title in (("svd", "SVD"), ("bias", "user + item bias")):
        value = summary.get("baselines", {}).get(name, {}).get("rmse")
        if value is not None:
            parts.append(f"{title} {value:.4f}")
    if pair := summary.get("difference", {}).get("svd"):
        verdict, color = verdict_against_svd(*pair)
        counts = f"{summary['difference'].get('pairs', 0):,} pairs of {summary['difference'].get('users', 0):,} users"
        parts.append(f"against SVD {words.signed(pair[0])} ± {pair[1]:.4f} on {counts}: :{color}[{verdict}]")
    st.caption(" · ".join(parts))
