"""How a run stands: its state, the line with its progress, and the four tiles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from engine import background
from engine.metrics import higher_is_better
from engine.store import Run
from pages.components import monitored, series, titles, waiting, words
from pages.components.cards import small, tile
from pages.components.frame import say
from pages.components.session import store

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
    "starting": "starting the engine",
    "down": "the engine starts with the run",
}
"""What may be said of the background engine while it is not ready."""

MEANING = {
    "loss": "Mean squared error per rating on the training ratings, first pass, as the optimizer sees it (dropout on).",
    "own loss": "The model's own loss, mean per user, as the optimizer sees it (dropout on).",
    "best": "The epoch with the best validation metric; its weights are kept and used for the test and for recommendations.",
    "svd": "Validation RMSE of this run at its best epoch minus that of a truncated SVD (user and item bias removed, best rank) "
    "on the same pairs. ± is the half-width of the 95 % interval over users; negative is better than SVD.",
    "svd by rank": "The validation metric of this run at its best epoch minus that of the truncated SVD beside it, for the same users; "
    f"of the pairs, those that were liked count as hits. Positive is better than SVD. {monitored.INDEPENDENT}",
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
        parts.append({"pause": "pausing", "stop": "stopping", "step": "pauses after this epoch"}[run.want])
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
    if background.daemon_state() != "ready":
        return background.trouble() or ENGINE["starting"]
    return waiting.of(run) or "waiting for a free slot"


def engine_words() -> str:
    """What may be said of the background engine as it is now; not yet plain."""
    if trouble := background.trouble():
        return trouble
    if (state := background.daemon_state()) != "ready":
        return ENGINE[state]
    if line := len(store().waiting()):
        return f"engine ready: {words.number_of(line, 'run')} in the queue"
    busy = len(store().list(("running",), queue="daemon"))
    return "engine ready: a run starts " + ("at once" if busy < len(background.slots_now()) else "when a slot is free")


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
    metric = monitored.metric(run)
    return monitored.best_epoch(metric, series.per_epoch(frame, f"validation/{metric}"))


def tiles(run: Run, frame: pd.DataFrame) -> None:
    """Validation metric, train loss, best epoch, and the difference to SVD; of a model fitted in one step what there is of them."""
    metric = monitored.metric(run)
    named = f"validation {monitored.title(metric)}"
    per_epoch = series.per_epoch(frame, f"validation/{metric}")
    measured = list(per_epoch.values())
    batch = series.last(frame, "batch/loss")
    best = best_epoch(run, frame)
    if not titles.trains(run.config):
        if measured:
            mine, svd = st.columns(2, gap="small")
            with mine:
                tile(named, words.measured(measured[-1]), "", monitored.meaning(metric))
            with svd:
                _against_svd(run, frame, best)
        return
    first, second, third, fourth = st.columns(4, gap="small")
    with first:
        label = named if run.state != "finished" else f"{named}, last epoch"
        tile(label, words.measured(measured[-1] if measured else None), _change(metric, measured), monitored.meaning(metric))
    with second:
        note = "" if batch is None else f"last batch {batch:.4f}"
        meaning = MEANING["loss" if titles.rates(run.config) else "own loss"]
        tile("train loss", words.measured(series.last(frame, "train/loss")), note, meaning)
    with third:
        tile(
            "best epoch",
            "–" if best is None else str(best),
            "" if best is None else f"validation {per_epoch[best]:.4f}, kept" if best in per_epoch else "its weights are kept",
            MEANING["best"],
        )
    with fourth:
        _against_svd(run, frame, best)


def _change(metric: str, values: list[float]) -> str:
    if len(values) < 2 or math.isnan(values[-1] - values[-2]):
        return "at each epoch's end"
    change = values[-1] - values[-2]
    color = "green" if (change > 0) == higher_is_better(metric) else "orange"
    return f":{color}[{'▼' if change < 0 else '▲'} {abs(change):.4f}] since last epoch"


def _against_svd(run: Run, frame: pd.DataFrame, best: int | None) -> None:
    facts, metric = run.facts or {}, monitored.metric(run)
    svd = facts.get("baselines", {}).get("svd", {})
    label = f"against SVD (rank {svd['rank']})" if "rank" in svd else "against SVD"
    pairs = facts.get("sizes", {}).get("validation")
    counted = f"{pairs:,} pairs · " if pairs else ""
    if higher_is_better(metric):
        # The engine measures an interval of RMSEs alone.
        names = (metric, f"{metric}_se")
        mine = {name: value for name in names if (value := series.per_epoch(frame, f"validation/{name}").get(best or 0)) is not None}
        apart, meaning = monitored.difference(metric, mine, svd.get("validation", {})), MEANING["svd by rank"]
    else:
        pair = [series.per_epoch(frame, f"difference/svd{part}").get(best or 0, math.nan) for part in ("", "_interval")]
        apart, meaning = None if any(map(math.isnan, pair)) else (pair[0], pair[1]), MEANING["svd"]
        metric = "rmse"
    if apart is None:
        tile(label, "–", "", meaning)
        return
    verdict, color = monitored.verdict(metric, apart)
    tile(label, words.signed(apart[0]), f"{counted}±{apart[1]:.4f} · :{color}[**{verdict}**]", meaning)


def fitted_card(run: Run) -> None:
    """What stands in the place of curves for a model that has none."""
    with st.container(border=True):
        st.markdown(f"**{words.plain(titles.model_title(run.config))}**: {progress_words(run)}")
        st.caption("It is computed from all training ratings at once, so that there are no epochs and no curve over them.")


def final_result(run: Run) -> None:
    """One line with the test figures of a finished run beside the baselines', on the same pairs."""
    summary = run.summary or {}
    test, baselines = summary.get("metrics", {}).get("test", {}), summary.get("baselines", {})
    metric = monitored.metric(run)
    if metric not in test:
        return
    parts = [f"**Test, read once:** {monitored.title(metric)} {test[metric]:.4f}"]
    parts += [f"{monitored.baseline_title(name, of)} {of[metric]:.4f}" for name, of in reversed(baselines.items()) if metric in of]
    pair = summary.get("difference", {}).get("svd")
    if pair and not higher_is_better(metric):
        verdict, color = titles.verdict(*pair)
        counts = f"{summary['difference'].get('pairs', 0):,} pairs of {summary['difference'].get('users', 0):,} users"
        against = "against SVD" if metric == "rmse" else "RMSE against SVD's"
        parts.append(f"{against} {words.signed(pair[0])} ± {pair[1]:.4f} on {counts}: :{color}[{verdict}]")
    elif apart := monitored.difference(metric, test, baselines.get("svd", {})):
        verdict, color = monitored.verdict(metric, apart)
        pairs = (run.facts or {}).get("sizes", {}).get("test", 0)
        parts.append(f"against SVD {words.signed(apart[0])} ± {apart[1]:.4f} on {pairs:,} pairs: :{color}[{verdict}]")
    if not titles.rates(run.config):
        parts.append("it ranks and predicts no ratings, so that it has no RMSE")
    elif "rmse" not in test:
        parts.append("all ratings are alike, so that there is no RMSE")
    small(" · ".join(parts))
