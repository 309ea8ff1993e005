"""Curves of several runs as their mean and spread over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Curve:
    """One metric of one run over its training: three arrays of one length, float64; `y` is NaN where it diverged."""

    epochs: np.ndarray
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True, eq=False)
class Band:
    """Mean and standard deviation (of a sample, n − 1) over several curves at each epoch that all of them reached; float64 [epochs]."""

    epochs: np.ndarray
    x: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    curves: int


def band(curves: Sequence[Curve]) -> Band:
    """Mean and spread of curves, epoch by epoch as far as all of them go; `x` is the mean of theirs, and a NaN makes its epoch NaN.

    A single curve has no spread: its `sd` is NaN.
    """
    shared = curves[0].epochs
    for other in curves[1:]:
        shared = np.intersect1d(shared, other.epochs)
    places = [np.searchsorted(one.epochs, shared) for one in curves]
    x, y = (np.array([getattr(one, name)[place] for one, place in zip(curves, places, strict=True)]) for name in ("x", "y"))
    sd = y.std(axis=0, ddof=1) if len(curves) > 1 else np.full(len(shared), np.nan)
    return Band(shared, x.mean(axis=0), y.mean(axis=0), sd, len(curves))
