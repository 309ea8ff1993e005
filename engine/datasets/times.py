"""Moments as tables hold them, as seconds since 1970: numbers in seconds or less, dates in any usual form, typed moments."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.datasets.columns import coded
from engine.datasets.dates import Dates, dates, day_of
from engine.datasets.decimals import numbers

EARLIEST, LATEST = -8_520_336_000, 7_258_118_400
"""1700 and 2200: what lies outside is no moment at which somebody rated."""
_UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_LIMITS = (1e11, 1e14, 1e17)
"""Counted from 1970, no rating was given so many seconds, milliseconds or microseconds later."""
_SAMPLE = 1000
_PART = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@dataclass(frozen=True)
class Times:
    """Moments of a column.

    Attributes:
        seconds: since 1970, int64; 0 where unknown.
        known: whether each could be read.
        kind: how they are written, for people.
        unclear: a date that may be two days, where nothing tells which, or None.
    """

    seconds: np.ndarray
    known: np.ndarray
    kind: str
    unclear: str | None = None


def times(values: pa.ChunkedArray) -> Times | None:
    """The moments of a column, each without a time zone taken as UTC; None for a type that holds none."""
    kind = values.type
    if pa.types.is_date(kind):
        return _bounded(*_whole(values.cast(pa.timestamp("ms"))), "days", 10**3)
    if pa.types.is_timestamp(kind):
        return _bounded(*_whole(values), "moments", _PART[kind.unit])
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return _counted(*_whole(values))
    if kind == pa.uint64() or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        found = values.cast(pa.float64(), safe=False).to_numpy()
        return _counted(found, np.isfinite(found))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        return _written(values)
    return None


def _whole(values: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers, and which are given."""
    return values.cast(pa.int64()).fill_null(0).to_numpy(), values.is_valid().to_numpy()


def _written(values: pa.ChunkedArray) -> Times:
    if not pa.types.is_dictionary(values.type):
        # Not all may be whole numbers: then each distinct text is looked at.
        with suppress(pa.ArrowInvalid):
            return _counted(*_whole(values.cast(pa.int64())))
    codes, texts = coded(values)
    whole = pc.match_substring_regex(texts, "^[+-]?[0-9]{1,18}$")
    sample = numbers(texts.slice(0, _SAMPLE)).good
    # A few texts that are none do not make dates of seconds.
    if 2 * (pc.sum(whole).as_py() or 0) > len(texts):
        each = _counted(pc.if_else(whole, texts, "0").cast(pa.int64()).to_numpy(), whole.to_numpy(zero_copy_only=False))
    elif 2 * np.count_nonzero(sample) > len(sample):
        found = numbers(texts)
        each = _counted(found.values, np.isfinite(found.values))
    else:
        each = _of(dates(texts))
    return Times(each.seconds[codes], each.known[codes], each.kind, each.unclear)


def _counted(values: np.ndarray, known: np.ndarray) -> Times:
    """From numbers: days such as 20201231, or the time since 1970 in the unit that their size tells."""
    given = np.abs(values[known][: 2**20])
    size = np.median(given) if len(given) else 0
    if len(given) and given.min() >= 19000101 and given.max() <= 21001231:
        whole = np.where(known, values, 0).astype(np.int64)
        days = day_of(whole // 10000, whole // 100 % 100, whole % 100)
        if np.isnat(days)[known].mean() < 0.5:
            return _of(Dates(days, "days such as 20201231"))
    unit = next((name for name, limit in zip(_UNITS, _LIMITS, strict=False) if size < limit), "nanoseconds")
    return _bounded(values, known, f"{unit} since 1970", _UNITS[unit])


def _bounded(values: np.ndarray, known: np.ndarray, kind: str, unit: int) -> Times:
    seconds = np.floor_divide(np.where(known, values, 0), unit)
    known = known & (seconds >= EARLIEST) & (seconds < LATEST)
    return Times(np.where(known, seconds, 0).astype(np.int64), known, kind)


def _of(found: Dates) -> Times:
    each = _bounded(found.moments.astype("M8[s]").astype(np.int64), ~np.isnat(found.moments), found.kind, 1)
    return replace(each, unclear=found.unclear)
