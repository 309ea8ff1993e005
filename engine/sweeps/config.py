"""What a sweep searches and how: the base, what varies, who chooses, when it ends."""

from __future__ import annotations

import difflib
import math
import random
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import product
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from engine.config import KIND_FIELDS, RunConfig, TrainingConfig, fields, flatten, merge, parse
from engine.errors import InputError, unknown
from engine.metrics import METRICS
from engine.models import MODELS
from engine.sweeps.axes import MOST, Axis, Range, Values, not_an_axis, read_axis

USUAL_TRIALS = 20
CONTEXTS = 64
"""In so many combinations with other fields a value is tried before it is refused."""
MONITORS = tuple(name for name in get_args(TrainingConfig.model_fields["monitor"].annotation) if name != "auto")
"""Metrics that can be measured after each epoch."""
CUT_OFF = ("recall", "precision", "ndcg", "map", "novelty", "coverage")


class SweepConfig(BaseModel):
    """One sweep. A setting is one value for each field that varies; its value is the mean of the metric over its repetitions."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    base: RunConfig = RunConfig()
    axes: dict[str, Axis] = Field(title="What varies", min_length=1, max_length=12)
    sampler: Literal["grid", "random", "tpe"] = Field(
        "tpe",
        title="Settings are chosen",
        description="grid: every combination, in random order. random: each by itself, at random. tpe: at random at first, then "
        "where the earlier ones were good (tree-structured Parzen estimator).",
    )
    pruner: Literal["none", "median", "hyperband"] = Field(
        "none",
        title="Stop early",
        description="median: a run that is behind half of the others at the same epoch. hyperband: in rounds of growing length, all but "
        "the best third. A setting is judged by its first repetition, and the others begin once that has survived.",
    )
    metric: str = Field(
        "auto",
        title="Judged by",
        description="A metric of the validation ratings, such as rmse or ndcg@10; it picks the epochs too. auto: as the runs have it.",
    )
    trials: int | None = Field(
        None, ge=1, le=10_000, title="Settings at most", description="Empty: the whole grid; of the others 20, unless minutes are given."
    )
    minutes: float | None = Field(None, gt=0, title="Minutes at most", description="Then no further setting is begun.")
    seeds: int = Field(1, ge=1, le=20, title="Seeds per setting", description="Each setting is trained so often, from training.seed on.")
    folds: int = Field(
        0,
        ge=0,
        le=20,
        title="Folds",
        description="k-fold cross-validation: each setting is trained on every fold of split.kind=kfold; 0 = the base's split.",
    )
    at_a_time: int = Field(
        0, ge=0, le=64, title="Runs at a time", description="So many of its runs wait or run at once; 0 = as many as the machine has slots."
    )
    seed: int = Field(0, ge=0, le=2**32 - 1, title="Sampler's seed", description="The same seed asks for the same settings.")

    @field_validator("axes", mode="before")
    @classmethod
    def _short_forms(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        short = {str(path): {"values": one} if isinstance(one, list | tuple) else one for path, one in given.items()}
        return {path: read_axis(path, one) if isinstance(one, str) else one for path, one in short.items()}

    @field_validator("axes")
    @classmethod
    def _fit_the_schema(cls, axes: dict[str, Axis], info: ValidationInfo) -> dict[str, Axis]:
        if "base" not in info.data:
            return axes
        base = info.data["base"].model_dump(mode="json")
        return {path: _fitting(base, axes, path) for path in axes}

    @field_validator("folds")
    @classmethod
    def _more_than_one(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("one fold leaves nothing to learn from: give 2 or more, or 0 for the base's own split")
        return folds

    @model_validator(mode="after")
    def _has_a_known_metric(self) -> Self:
        bare, at, k = self.metric.partition("@")
        if self.metric == "auto":
            return self
        if bare not in METRICS:
            raise ValueError(str(unknown("metric", bare, [*METRICS, "auto"])))
        cutoffs = [str(one) for one in self.base.evaluation.cutoffs]
        if at and (bare not in CUT_OFF or k not in cutoffs):
            raise ValueError(
                f"metric {self.metric} is not measured: leave the @ out, or give one of {', '.join(cutoffs)} to recall and ndcg"
            )
        return self

    @model_validator(mode="after")
    def _can_be_chosen_and_ended(self) -> Self:
        endless = [path for path, axis in self.axes.items() if axis.choices is None]
        if self.sampler == "grid" and endless:
            raise ValueError(f"A grid needs values for {endless[0]}: list them, or give the range a step, or take random or tpe")
        size = self.combinations or 0
        if self.sampler == "grid" and size > MOST:
            raise ValueError(f"A grid has at most {MOST:,} settings, and this one {size:,}: take fewer values, or random or tpe")
        if self.pruner != "none":
            if self.metric != "auto" and self.metric.partition("@")[0] not in MONITORS:
                raise ValueError(
                    f"pruner={self.pruner} needs a metric that each epoch is judged by, which {self.metric} is not: take rmse or ndcg"
                )
            if not MODELS[self.base.model.name].trains and "model.name" not in self.axes:
                raise ValueError(f"pruner={self.pruner} stops after an epoch, and {self.base.model.name} has none: set pruner=none")
        return self

    @property
    def combinations(self) -> int | None:
        """How many there are of all values, possible or not; None where an axis has no end of them."""
        counts = [None if axis.choices is None else len(axis.choices) for axis in self.axes.values()]
        return None if None in counts else math.prod(count or 0 for count in counts)

    @property
    def repeats(self) -> int:
        """Runs of each setting: every seed on every fold."""
        return self.seeds * max(1, self.folds)

    @property
    def metric_name(self) -> str | None:
        """The validation metric by its full name; None where the first run has to tell it."""
        if self.metric == "auto":
            names = self.axes["model.name"].choices or () if "model.name" in self.axes else (self.base.model.name,)
            monitor = self.base.training.monitor
            if all(MODELS[name].rates for name in names) and monitor == "auto":
                return None
            bare: str = "ndcg" if monitor == "auto" else monitor
        else:
            bare = self.metric
        return f"{bare}@{self.base.evaluation.k}" if bare in CUT_OFF else bare

    @property
    def budget(self) -> int | None:
        """Settings at most; None where time alone ends it."""
        if self.sampler == "grid":
            return min(self.trials or MOST, len(grid(self)))
        return self.trials or (None if self.minutes else USUAL_TRIALS)

    def run_config(self, settings: Mapping[str, Any], repeat: int = 0) -> RunConfig:
        """The configuration of one repetition of a setting. Raises InputError where its values do not go together."""
        changes: dict[str, Any] = {}
        bare = (self.metric_name or "").partition("@")[0]
        if self.base.training.monitor == "auto" and bare in MONITORS:
            changes["training.monitor"] = bare
            changes |= {"evaluation.pairwise": True} if bare.startswith("pairwise") else {}
        changes["training.seed"] = self.base.training.seed + repeat % self.seeds
        if self.folds:
            split = self.base.split
            kept = {} if split.kind == "kfold" else {"split.validation": getattr(split, "validation", 0.1), "split.seed": split.seed}
            changes |= {"split.kind": "kfold", **kept, "split.folds": self.folds, "split.fold": repeat // self.seeds}
        return parse(merge(self.base.model_dump(mode="json"), {**changes, **settings}))


def parse_sweep(values: Mapping[str, Any]) -> SweepConfig:
    """A validated sweep from plain values.

    Raises:
        InputError: one sentence naming what is wrong, and the nearest known name if it is unknown.
    """
    given = dict(values)
    if "base" in given and not isinstance(given["base"], RunConfig):
        given["base"] = parse(given["base"])
    try:
        return SweepConfig.model_validate(given)
    except ValidationError as error:
        raise InputError(_sentence(error)) from None


def grid(config: SweepConfig) -> tuple[dict[str, Any], ...]:
    """Every combination of values that is possible, in the random order of the sampler's seed; empty where there are too many."""
    return _grid(config.model_dump_json())[0]


def impossible(config: SweepConfig) -> tuple[int, str]:
    """How many combinations of a grid do not go together, and why the first of them does not; they are left out."""
    _, count, why = _grid(config.model_dump_json())
    return count, why


@lru_cache(maxsize=16)
def _grid(text: str) -> tuple[tuple[dict[str, Any], ...], int, str]:
    config = SweepConfig.model_validate_json(text)
    found, wrong, why = [], 0, ""
    if config.combinations is None or config.combinations > MOST:
        return (), 0, ""
    for values in product(*(axis.choices or () for axis in config.axes.values())):
        settings = dict(zip(config.axes, values, strict=True))
        try:
            config.run_config(settings)
            found.append(settings)
        except InputError as error:
            wrong, why = wrong + 1, why or str(error)
    random.Random(config.seed).shuffle(found)
    return tuple(found), wrong, why


def _fitting(base: dict[str, Any], axes: Mapping[str, Values | Range], path: str) -> Values | Range:
    """An axis with its values as the schema has them. Raises InputError where one of them fits in no combination with the others."""
    if (refusal := not_an_axis(path)) is not None:
        raise refusal
    if path not in (known := dict(fields())):
        raise unknown("field", path, known)
    axis = axes[path]
    if isinstance(axis, Values):
        return Values(values=tuple(_usable(base, axes, path, value) for value in axis.values))
    low, high = (_usable(base, axes, path, value) for value in (axis.low, axis.high))
    if not all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high)):
        raise InputError(f"{path} takes no range, because it is no number: list its values.")
    return Range(low=low, high=high, log=axis.log, step=axis.step)


def _usable(base: dict[str, Any], axes: Mapping[str, Values | Range], path: str, value: Any) -> Any:
    refusal = None
    for others in _contexts(axes, path):
        try:
            return flatten(parse(merge(base, {**others, path: value})))[path]
        except InputError as error:
            refusal = refusal or error
    assert refusal is not None
    raise refusal


def _contexts(axes: Mapping[str, Values | Range], path: str) -> Iterator[dict[str, Any]]:
    """Values of other axes in which one may have a meaning: none of them, then kinds, then any, some at random."""
    yield {}
    others = {name: axis.values if isinstance(axis, Values) else (axis.low, axis.high) for name, axis in axes.items() if name != path}
    kinds = {name: values for name, values in others.items() if KIND_FIELDS.get(name.partition(".")[0]) == name.partition(".")[2]}
    if kinds:
        yield from (dict(zip(kinds, values, strict=True)) for values in product(*kinds.values()))
    draw = random.Random(0)
    for _ in range(CONTEXTS if others else 0):
        yield {name: draw.choice(values) for name, values in others.items()}


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    where = [str(part) for part in first["loc"] if str(part) not in ("values", "range")]
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(where[-1], SweepConfig.model_fields, n=1)
        return f"Unknown field '{'.'.join(where)}' of a sweep." + (f" Did you mean '{near[0]}'?" if near else "")
    if where == ["axes"] and first["type"] in ("missing", "too_short"):
        return "Nothing varies: name at least one field with its values."
    if first["type"] != "value_error" or where not in ([], ["axes"]):
        given = first.get("input")
        shown = f" (not {given!r})" if isinstance(given, str | int | float) else ""
        message = f"{'.'.join(where)}: {message[0].lower()}{message[1:]}{shown}"
    return message if message[-1] in ".?" else f"{message}."
