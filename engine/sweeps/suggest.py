"""A first idea of how a field could vary, and the other way of saying the same."""

from __future__ import annotations

from types import NoneType
from typing import Any, Literal, get_args, get_origin

from engine.config import KIND_FIELDS, RunConfig, fields, flatten, format_value
from engine.errors import InputError
from engine.sweeps.axes import Range, Values, write_axis
from engine.sweeps.config import parse_sweep

FEW = 12
"""So many values of a stepped range are listed one by one."""
SHARES = (0.0, 0.2, 0.4, 0.6)


def suggested(base: RunConfig, path: str) -> str:
    """A way to vary a field about its value in `base`, as text; "" where none comes to mind that the schema takes."""
    now = flatten(base).get(path)
    for text in _ideas(path, now):
        try:
            parse_sweep({"base": base, "axes": {path: text}})
        except InputError:
            continue
        return text
    return ""


def options(path: str) -> list[Any]:
    """The values of a field that has a few by name, or is on or off; none of any other. A kind's are spread over its section."""
    section, _, name = path.partition(".")
    if KIND_FIELDS.get(section) == name:
        return [str(kind.model_fields[name].default) for kind in get_args(RunConfig.model_fields[section].annotation)]
    kind = plain_type(path)
    return [True, False] if kind is bool else [*get_args(kind)] if get_origin(kind) is Literal else []


def plain_type(path: str) -> Any:
    """A field's type, without what says that it may be left empty."""
    annotation = dict(fields())[path].annotation
    kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
    return kinds[0] if NoneType in get_args(annotation) else annotation


def as_range(axis: Values | Range) -> Range:
    """Listed numbers as a range from the least to the greatest."""
    return axis if isinstance(axis, Range) else Range(low=min(axis.values), high=max(axis.values))


def as_values(axis: Values | Range) -> Values:
    """A range as a list: all of its values where they are few, else its ends and the middle."""
    if isinstance(axis, Values):
        return axis
    if axis.choices is not None and len(axis.choices) <= FEW:
        return Values(values=axis.choices)
    middle = (axis.low * axis.high) ** 0.5 if axis.log else (axis.low + axis.high) / 2
    whole = round(middle) if axis.whole else float(f"{middle:.4g}")
    return Values(values=tuple(dict.fromkeys((axis.low, whole, axis.high))))


def _ideas(path: str, now: Any) -> list[str]:
    if named := options(path):
        others = [one for one in named if one != now]
        return [", ".join(format_value(one) for one in (now, other)) for other in others] if now in named else []
    if isinstance(now, list):
        return [write_axis(Values(values=([max(1, one // 2) for one in now], now)))] if now and now != [1] else []
    if not isinstance(now, int | float):
        return []
    rules = dict(fields())[path].metadata
    if any(getattr(rule, "lt", None) == 1 for rule in rules):
        return [", ".join(format_value(one) for one in SHARES), "0.1, 0.2, 0.3"]
    if plain_type(path) is int:
        return [f"{max(1, now // 2)}, {now}, {now * 2}" if now > 1 else "0, 1, 2", "1, 2, 4"]
    return [f"{now / 10:g}..{now * 10:g} log" if now > 0 else "0, 0.001, 0.01", "0..1"]
