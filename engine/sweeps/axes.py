"""What varies in a sweep: a field of the configuration with a list of values, or with a range of numbers."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, get_origin

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from engine.config import fields, format_value, parse_value
from engine.config.values import LARGEST
from engine.errors import InputError, unknown

MOST = 2_000
"""Most settings that a grid may have, and most values of one axis."""
LEAST = 1e-100
"""Where a logarithmic range may begin: its factors would leave the numbers of a computer below."""
REPEATED = {"training.seed": "seeds", "split.fold": "folds"}
"""Fields that repeat a setting instead of being one → the sweep's own field for it."""
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\s*\.\.\s*({_NUMBER})((?:\s+log|\s+step\s+{_NUMBER})*)", re.IGNORECASE)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Values(_Part):
    """These values, each of them different."""

    values: tuple[Any, ...] = Field(title="Values")

    @model_validator(mode="after")
    def _differ(self) -> Values:
        if len({format_value(value) for value in self.values}) < max(2, len(self.values)):
            raise ValueError("a field that varies needs two different values or more, each of them once")
        if len(self.values) > MOST:
            raise ValueError(f"a field has at most {MOST:,} values, not {len(self.values):,}")
        return self

    @property
    def choices(self) -> tuple[Any, ...]:
        """All values; numbers ascending."""
        return tuple(sorted(self.values)) if self.ordered else self.values

    @property
    def ordered(self) -> bool:
        """Whether they are numbers, so that one lies between others."""
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)


class Range(_Part):
    """Numbers from `low` to `high`, both included: any of them, or those that a step leads to from `low`."""

    low: int | float = Field(title="From")
    high: int | float = Field(title="To")
    log: bool = Field(False, title="Logarithmic", description="Each order of magnitude is as likely as the next, as suits learning rates.")
    step: int | float | None = Field(
        None,
        gt=0,
        title="Step",
        description="From one value to the next; on a logarithmic range a factor. A grid needs one.",
    )

    @model_validator(mode="after")
    def _has_width(self) -> Range:
        if max(abs(self.low), abs(self.high)) > LARGEST:
            raise ValueError(f"numbers go up to {LARGEST:,}")
        if self.low >= self.high:
            raise ValueError(f"a range goes from a lower to a higher number, not from {self.low:g} to {self.high:g}")
        if self.log and self.low < LEAST:
            raise ValueError(f"a logarithmic range begins above 0, at {LEAST:g} or more, not at {self.low:g}")
        if self.log and self.step is not None and self.step <= 1:
            raise ValueError(f"the step of a logarithmic range is a factor above 1, like 10, not {self.step:g}")
        if self._count() > MOST:
            raise ValueError(f"a field has at most {MOST:,} values, and this range has {self._count():,}: make the step longer")
        return self

    @property
    def whole(self) -> bool:
        """Whether it is of whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def ordered(self) -> bool:
        """Numbers lie in order."""
        return True

    @property
    def choices(self) -> tuple[Any, ...] | None:
        """All values, ascending; None where there is any number of them, or more than a grid may have."""
        step = self.step or (1 if self.whole and not self.log else None)
        if step is None or (self.step is None and self.high - self.low >= MOST):
            return None
        places = range(self._count() if self.step else int(self.high - self.low) + 1)
        found = [self.low * step**place if self.log else self.low + step * place for place in places]
        return tuple(dict.fromkeys(round(one) if self.whole else float(f"{one:.10g}") for one in found))

    def _count(self) -> int:
        """Values that the step leads to; 0 without a step."""
        if self.step is None:
            return 0
        width = (math.log(self.high) - math.log(self.low)) / math.log(self.step) if self.log else (self.high - self.low) / self.step
        return math.floor(min(width, float(LARGEST)) + 1e-9) + 1


def _which(given: Any) -> str:
    return "range" if isinstance(given, Range) or (isinstance(given, dict) and given.keys() & Range.model_fields.keys()) else "values"


Axis = Annotated[Annotated[Values, Tag("values")] | Annotated[Range, Tag("range")], Discriminator(_which)]


def read_axis(path: str, text: str) -> Values | Range:
    """An axis as people write it: "0, 0.2, 0.5", "selu, tanh", "0.0001..0.1 log", "0..0.6 step 0.2"; lists apart by ";".

    Raises:
        InputError: there is no such field, or the text is no axis.
    """
    known = dict(fields())
    if path not in known:
        raise unknown("field", path, known)
    several = get_origin(known[path].annotation) is tuple
    try:
        return _read(text, several)
    except ValidationError as error:
        one = not re.search(r"[,;]|\.\.", text) and not text.strip().isidentifier()
        between = f", with {'semicolons' if several else 'commas'} between them" if one else ""
        raise InputError(f"{path}: {error.errors()[0]['msg'].removeprefix('Value error, ')}{between}.") from None


def _read(text: str, several: bool) -> Values | Range:
    """`several`: each value is a list."""
    found = _RANGE.fullmatch(text.strip())
    if found:
        options = found[3].lower().split()
        step = options[options.index("step") + 1] if "step" in options else None
        values = {"low": parse_value(found[1]), "high": parse_value(found[2]), "log": "log" in options}
        return Range.model_validate(values if step is None else values | {"step": parse_value(step)})
    if ";" in text or several:
        parts = [parse_value(part.strip()) for part in text.split(";") if part.strip()]
        # JSON of all lists at once, as "[[64, 32], [128]]".
        nested = len(parts) == 1 and isinstance(parts[0], list) and all(isinstance(one, list) for one in parts[0])
        return Values(values=tuple(parts[0] if nested else parts))
    parsed = parse_value(text)
    return Values(values=tuple(parsed) if isinstance(parsed, list) else (parsed,))


def write_axis(axis: Values | Range) -> str:
    """The text that `read_axis` reads as this axis."""
    if isinstance(axis, Range):
        step = "" if axis.step is None else f" step {axis.step!r}"
        return f"{axis.low!r}..{axis.high!r}{' log' if axis.log else ''}{step}"
    lists = any(isinstance(value, list | tuple) for value in axis.values)
    return ("; " if lists else ", ").join(format_value(value) for value in axis.values)


def not_an_axis(path: str) -> InputError | None:
    """Why a field cannot vary, where it cannot."""
    if path in REPEATED:
        own = REPEATED[path]
        return InputError(f"{path} repeats a setting instead of being one: leave it out and set {own}, for example {own}=3.")
    return None
