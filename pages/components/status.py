"""How a run stands: its state, the line with its progress, and the four tiles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from engine import background
from engine.store import Run
from pages.components import series, titles, words
from pages.components.cards import tile
from pages.components.frame import say

BADGES: dict[str, tuple[Any, str]] = {
    "queued": ("gray", ":material/schedule:"),
    "running": ("green", ":material/play_circle:"),
    "paused": ("orange", ":material/pause_circle:"),
    "finished": ("blue", ":material/check_circle:"),
    "stopped": ("gray", ":material/stop_circle:"),
    "failed": ("red", ":material/error:"),
    "crashed": ("red", ":material/heart_broken:"),
}
ENGINE = {
    "ready": "engine ready: a run starts at once",
    "starting": "starting the engine",
    "down": "the engine starts with the run",
}
"""What may be said of each state of the background engine."""

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
        say("error", run.error)
    elif run.state == "crashed":
        say("error", "The process that trained it is gone. Resume goes on from the last checkpoint.", icon="heart_broken")


def _progress(run: Run, frame: pd.DataFrame) -> str:
    if run.state == "queued":
        return _waiting(run)
    parts = [progress_words(run)]
    if run.state == "running" and run.epoch == 0:
        parts.append(run.note or "starting")
    if titles.trains(run.config):
        if pace := seconds_per_epoch(run, frame):
            parts.append(f"{words.duration(pace)} each")
        if run.state == "running" and (left := seconds_left(run, frame)):
            parts.append(f"{words.duration(left)} left")
    if run.state == "running" and run.want != "run":
        parts.append("pausing" if run.want == "pause" else "stopping")
    if run.state in ("paused", "stopped", "crashed"):
        parts.append("Resume goes on from the last checkpoint")
    device = run.device or (run.facts or {}).get("device")
    if device:
        parts.append(str(device).upper() if len(str(device)) < 5 else str(device))
    return " · ".join(parts)


def progress_words(run: Run) -> str:
    """How far a run is, such as "epoch 3 / 40"."""
    if titles.trains(run.config):
        return f"epoch {run.epoch} / {run.epochs}"
    return "fitted in one step" if run.epoch else "to be fitted in one step"


def _waiting(run: Run) -> str:
    if run.queue != "daemon":
        return "waiting for the process that made it"
    return "waiting for a free slot" if background.daemon_state() == "ready" else ENGINE["starting"]


def seconds_per_epoch(run: Run, frame: pd.DataFrame) -> float | None:
    """Median seconds of training per epoch, as the summary and the command line tell it; None before the first epoch's end."""
    seconds = frame.loc[frame["name"] == "train/seconds", "value"]
    return float(seconds.median()) if len(seconds) else (run.summary or {}).get("seconds_per_epoch")


def seconds_left(run: Run, frame: pd.DataFrame) -> float | None:
    """Until the last epoch's end, by the time between the ends of the latest epochs: validation takes its share of it."""
    ends = frame.loc[frame["name"] == "train/loss", "seconds"].to_numpy(float)[-11:]
    if not len(ends) or run.epochs <= run.epoch:
        return None
    pace = float(np.median(np.diff(ends))) if len(ends) > 1 else float(ends[0])
    return pace * (run.epochs - run.epoch)


def best_epoch(run: Run, frame: pd.DataFrame) -> int | None:
    """The epoch whose weights are kept, so far."""
    if run.summary:
        return run.summary.get("best_epoch")
    monitor = run.config.get("training", {}).get("monitor", "rmse")
    measured = {epoch: value for epoch, value in series.per_epoch(frame, f"validation/{monitor}").items() if not math.isnan(value)}
    return min(measured, key=measured.__getitem__) if measured else None


def tiles(run: Run, frame: pd.DataFrame) -> None:
    """Validation RMSE, train loss, best epoch, and the difference to SVD; of a model fitted in one step what there is of them."""
    per_epoch = series.per_epoch(frame, "validation/rmse")
    rmse = list(per_epoch.values())
    batch = series.last(frame, "batch/loss")
    best = best_epoch(run, frame)
    if not titles.trains(run.config):
        if rmse:
            mine, svd = st.columns(2, gap="small")
            with mine:
                tile("validation RMSE", words.measured(rmse[-1]), "", MEANING["rmse"])
            with svd:
                _against_svd(run.facts or {}, frame, best)
        return
    first, second, third, fourth = st.columns(4, gap="small")
    with first:
        label = "validation RMSE" if run.state != "finished" else "validation RMSE, last epoch"
        tile(label, words.measured(rmse[-1] if rmse else None), _change(rmse), MEANING["rmse"])
    with second:
        note = "" if batch is None else f"last batch {batch:.4f}"
        tile("train loss", words.measured(series.last(frame, "train/loss")), note, MEANING["loss"])
    with third:
        tile(
            "best epoch",
            "–" if best is None else str(best),
            "" if best is None else f"validation {per_epoch[best]:.4f}, kept" if best in per_epoch else "its weights are kept",
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
    verdict, color = titles.verdict(difference, interval)
    counted = f"{pairs:,} pairs · " if pairs else ""
    tile(label, words.signed(difference), f"{counted}±{interval:.4f} · :{color}[**{verdict}**]", MEANING["svd"])


def fitted_card(run: Run) -> None:
    """What stands in the place of curves for a model that has none."""
    with st.container(border=True):
        st.markdown(f"**{words.plain(titles.model_title(run.config))}**: {progress_words(run)}")
        st.caption("It is computed from all training ratings at once, so that there are no epochs and no curve over them.")


def final_result(run: Run) -> None:
    """One line with the test figures of a finished run beside the baselines', on the same pairs."""
    summary = run.summary or {}
    test = summary.get("metrics", {}).get("test", {})
    if not test:
        return
    if "rmse" not in test:
        measured = " · ".join(f"{words.plain(name)} {value:.4f}" for name, value in test.items())
        st.caption(f"**Test, read once:** {measured}. It predicts no ratings, so that it has no RMSE.")
        return
    parts = [f"**Test, read once:** RMSE {test['rmse']:.4f}"]
    for name, title in (("svd", "SVD"), ("bias", "user + item bias")):
        value = summary.get("baselines", {}).get(name, {}).get("rmse")
        if value is not None:
            parts.append(f"{title} {value:.4f}")
    if pair := summary.get("difference", {}).get("svd"):
        verdict, color = titles.verdict(*pair)
        counts = f"{summary['difference'].get('pairs', 0):,} pairs of {summary['difference'].get('users', 0):,} users"
        parts.append(f"against SVD {words.signed(pair[0])} ± {pair[1]:.4f} on {counts}: :{color}[{verdict}]")
    st.caption(" · ".join(parts))
