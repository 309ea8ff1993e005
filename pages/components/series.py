"""A run's curves: fetched once, then only what is new; thinned for drawing without losing peaks."""

from __future__ import annotations

import threading

import numpy as np
import pandas as pd

from pages.components.session import store

POINTS = 1000
"""At most so many points of a line are sent to the browser."""

AXES = {"epoch": "epoch", "step": "optimizer step", "time": "training time (s)"}
_COLUMN = {"epoch": "epoch", "step": "step", "time": "seconds"}
RUNS = 16
"""Runs whose curves are kept, those that were looked at last."""
_FRAMES: dict[tuple[str, str], pd.DataFrame] = {}
_KEEPING = threading.Lock()


def fetch(run_id: str) -> pd.DataFrame:
    """All metric rows of a run so far (columns as RunStore.metrics); only rows from the last seen step on are read.

    One frame for all tabs, which nobody may change: a run of many epochs takes megabytes.
    """
    key = store().url, run_id
    frame = _FRAMES.get(key)
    if frame is None or frame.empty:
        frame = store().metrics(run_id)
    else:
        # The last step is read again: its later rows may have come since.
        last = last_step(frame)
        new = store().metrics(run_id, after_step=last - 1)
        frame = pd.concat([frame.iloc[: frame["step"].searchsorted(last)], new], ignore_index=True)
    # A look compares the names with one of them some fifty times: small numbers are compared faster than words.
    frame["name"] = frame["name"].astype("category")
    with _KEEPING:
        _FRAMES.pop(key, None)
        _FRAMES[key] = frame
        while len(_FRAMES) > RUNS:
            del _FRAMES[next(iter(_FRAMES))]
    return frame


def last_step(frame: pd.DataFrame) -> int:
    """The step of the latest row; -1 where there is none."""
    return int(frame["step"].iloc[-1]) if len(frame) else -1


def line(frame: pd.DataFrame, name: str, axis: str) -> tuple[np.ndarray, np.ndarray]:
    """One metric as x and y, float64; NaN where it diverged."""
    rows = frame[frame["name"] == name]
    return rows[_COLUMN[axis]].to_numpy(float), rows["value"].to_numpy(float)


def smoothed(y: np.ndarray, weight: float) -> np.ndarray:
    """An exponential moving average that gives each value's past this weight, 0 to below 1; gaps stay where they are."""
    averaged = pd.Series(y).ewm(alpha=1 - weight, ignore_na=True).mean().to_numpy()
    return np.where(np.isnan(y), np.nan, averaged)


def last(frame: pd.DataFrame, name: str) -> float | None:
    """The latest value of a metric, None if there is none."""
    values = frame.loc[frame["name"] == name, "value"]
    return None if values.empty else float(values.iloc[-1])


def per_epoch(frame: pd.DataFrame, name: str) -> dict[int, float]:
    """A metric by the number of the epoch at whose end it was measured."""
    rows = frame[frame["name"] == name]
    return {round(epoch): float(value) for epoch, value in zip(rows["epoch"], rows["value"], strict=True)}


def thin(x: np.ndarray, y: np.ndarray, points: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """At most `points` of a line: lowest and highest of each bucket, first and last, and every gap's NaN.

    Args:
        x, y: the line, sorted by x.
    """
    if len(x) <= points:
        return x, y
    buckets = max(1, (points - 2) // 3)
    edges = np.linspace(0, len(x), buckets + 1).astype(int)[:-1]
    label = np.searchsorted(edges, np.arange(len(x)), side="right") - 1
    low = _first_of_each(np.lexsort((np.where(np.isnan(y), np.inf, y), label)), label)
    high = _first_of_each(np.lexsort((np.where(np.isnan(y), np.inf, -y), label)), label)
    nan = np.flatnonzero(np.isnan(y))
    gaps = nan[np.unique(label[nan], return_index=True)[1]]
    keep = np.unique(np.concatenate([[0, len(x) - 1], low, high, gaps]))
    return x[keep], y[keep]


def _first_of_each(order: np.ndarray, label: np.ndarray) -> np.ndarray:
    """The first position of each bucket in an order that is sorted by bucket."""
    return order[np.unique(label[order], return_index=True)[1]]
