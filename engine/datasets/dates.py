"""Dates and times as people, spreadsheets and mail programs write them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

_SAMPLE = 1000
_YEAR_FIRST = r"^([0-9]{4})[./]([0-9]{1,2})[./]([0-9]{1,2})($|[^0-9].*)"
_NUMERIC = (
    r"^(?P<first>[0-9]{1,2})(?P<sign>[./-])(?P<then>[0-9]{1,2})(?P<again>[./-])(?P<year>[0-9]{4}|[0-9]{2})"
    r"(?:[ T,]+(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,][0-9]+)?)?[ ]?(?P<half>[AaPp]?)(?:\.?[Mm]\.?)?)?"
    r"(?:[ ]?(?:Z|UTC|GMT))?$"
)
_FORMS = (
    *("%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%d-%b-%y", "%m %d, %Y"),
    *("%d %b %Y %H:%M", "%d %b %Y %H:%M:%S", "%b %d, %Y %H:%M", "%b %d, %Y %H:%M:%S", "%b %d, %Y %I:%M:%S %p", "%d-%b-%Y %H:%M:%S"),
    *("%a, %d %b %Y %H:%M:%S %Z", "%a, %d %b %Y %H:%M:%S %z", "%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S %z %Y", "%a %b %d %H:%M:%S %Z %Y"),
)


@dataclass(frozen=True)
class Dates:
    """Texts as moments.

    Attributes:
        moments: datetime64[s], NaT where a text is none.
        kind: how they are written, for people.
        unclear: a date that is two days, for nothing tells whether day or month comes first; None where something does.
    """

    moments: np.ndarray
    kind: str
    unclear: str | None = None


def dates(texts: pa.Array) -> Dates:
    """Distinct texts as moments, in the one way of writing that fits most of a sample; without a time zone they are taken as UTC."""
    sample = texts.slice(0, _SAMPLE)
    best = max(["ISO8601", "numeric", *_FORMS], key=lambda way: np.count_nonzero(~np.isnat(_in_way(sample, way).moments)))
    return _in_way(texts, best)


def day_of(year: np.ndarray, month: np.ndarray, day: np.ndarray) -> np.ndarray:
    """The day of the calendar, datetime64[D]; NaT where it has none such."""
    months = (np.clip(year, 1, 9999) - 1970).astype("M8[Y]").astype("M8[M]") + (np.clip(month, 1, 12) - 1)
    days = months.astype("M8[D]") + (np.clip(day, 1, 31) - 1)
    real = (year >= 1) & (year <= 9999) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31) & (days.astype("M8[M]") == months)
    return np.where(real, days, np.datetime64("NaT", "D"))


def _in_way(texts: pa.Array, way: str) -> Dates:
    if way == "numeric":
        return _numeric(texts)
    moments = pd.to_datetime(texts.to_pandas(), format=way, utc=True, errors="coerce").dt.tz_localize(None)
    shown = pd.Timestamp("2020-12-31", tz="UTC").strftime("%Y-%m-%d" if way == "ISO8601" else way)
    return Dates(moments.to_numpy("datetime64[s]"), f"dates such as {shown}")


def _numeric(texts: pa.Array) -> Dates:
    """31.12.2020, 31/12/2020, 12/31/2020, 2020/12/31, with a clock time or without. With points, the day always comes first."""
    parts = pc.extract_regex(pc.replace_substring_regex(texts, _YEAR_FIRST, r"\3.\2.\1\4"), _NUMERIC)
    fitting = parts.is_valid().to_numpy(zero_copy_only=False)
    first, then, year = (_whole(parts, name) for name in ("first", "then", "year"))
    dotted, short = _is(parts, "sign", "."), _whole(parts, "year") < 100
    # "20-12-31" may begin with its year, or end with it.
    fitting &= _is(parts, "again", ".") == dotted
    fitting &= ~(short & _is(parts, "sign", "-"))
    slashed = fitting & ~dotted
    day_first = np.count_nonzero(first[slashed] > 12) > np.count_nonzero(then[slashed] > 12)
    open_to_both = slashed & (first != then)
    told = np.any(first[slashed] > 12) or np.any(then[slashed] > 12)
    unclear = str(texts[int(open_to_both.argmax())]) if open_to_both.any() and not told else None
    swapped = slashed & (not day_first)
    days = day_of(
        np.where(short, year + np.where(year < 69, 2000, 1900), year), np.where(swapped, first, then), np.where(swapped, then, first)
    )
    hour, minute, second = (_whole(parts, name) for name in ("hour", "minute", "second"))
    morning, evening = (_is(parts, "half", small) | _is(parts, "half", small.upper()) for small in "ap")
    hour = np.where(morning | evening, hour % 12, hour) + 12 * evening
    moments = days.astype("M8[s]") + (3600 * hour + 60 * minute + second)
    moments[~fitting | (hour > 23) | (minute > 59) | (second > 60)] = np.datetime64("NaT")
    shown = "31/12/2020" if day_first else "12/31/2020"
    return Dates(moments, f"dates such as {shown if slashed.any() else '31.12.2020'}", unclear)


def _text(parts: pa.StructArray, name: str) -> pa.Array:
    return pc.struct_field(parts, name).fill_null("")


def _whole(parts: pa.StructArray, name: str) -> np.ndarray:
    """0 where there is none."""
    text = _text(parts, name)
    return pc.if_else(pc.equal(text, ""), "0", text).cast(pa.int64()).to_numpy()


def _is(parts: pa.StructArray, name: str, what: str) -> np.ndarray:
    return pc.equal(_text(parts, name), what).to_numpy(zero_copy_only=False)
