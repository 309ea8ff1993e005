"""The configuration of one run: everything that can change its numbers. The same field paths in TOML, `--set`, URL and stored rows."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Self, get_args

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from engine.datasets import DatasetConfig
from engine.errors import InputError, unknown
from engine.groups import GroupConfig
from engine.models import MODELS
from engine.models.configs import AutoencoderConfig, ModelConfig
from engine.preprocessing import PreprocessingConfig
from engine.splits import RandomOptions, SplitConfig


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RefeedConfig(_Section):
    """Dense re-feeding: f(x) is fed back in as a complete row (Kuchaiev & Ginsburg 2017, section 2.2)."""

    steps: int = Field(
        0, ge=0, le=10, title="Re-feeding steps", description="Extra optimizer steps per batch on the network's own output; 0 = off."
    )
    target: Literal["fixed-point", "ratings"] = Field(
        "fixed-point",
        title="Re-feeding target",
        description="fixed-point: f(f(x)) should equal f(x), every entry counts. ratings: f(f(x)) should equal the observed ratings.",
    )
    start_epoch: int = Field(1, ge=1, title="Re-feed from epoch", description="First epoch in which re-feeding is switched on.")
    noise: float = Field(
        0.0, ge=0, title="Re-feeding noise", description="Standard deviation of Gaussian noise added to the re-fed input, in rating units."
    )


class ObjectiveConfig(_Section):
    """The loss on observed ratings: masked MSE."""

    reduction: Literal["rating", "row", "sum"] = Field(
        "rating",
        title="Loss per",
        description="rating: mean over ratings. row: mean over users of their means. sum: over the batch. L2 and learning rate go by it.",
    )


class NoiseConfig(_Section):
    """Noise on the input, in training only; the target stays as it is. For models that predict ratings; the others have their own."""

    kind: Literal["none", "gaussian", "gaussian-once", "dropout", "masking"] = Field(
        "none",
        title="Noise",
        description="gaussian: on the ratings, anew each time. gaussian-once: drawn once, for unobserved entries too. "
        "dropout: inputs become 0, the others grow. masking: ratings are hidden from the input, and still a target.",
    )
    level: float = Field(
        0.1, ge=0, title="Noise level", description="Standard deviation in rating units (gaussian), or a share below 1 (dropout, masking)."
    )

    @model_validator(mode="after")
    def _shares_are_below_1(self) -> Self:
        if self.kind in ("dropout", "masking") and self.level >= 1:
            raise ValueError(f"noise.level is a share under noise.kind={self.kind}: give a number below 1, not {self.level:g}")
        return self


class TrainingConfig(_Section):
    """The optimizer and when to stop."""

    optimizer: Literal["adam", "adamw", "sgd", "lbfgs"] = Field(
        "adam",
        title="Optimizer",
        description="sgd uses the momentum below. lbfgs goes by the curvature of the loss over all rows at once, without a batch size.",
    )
    lr: float = Field(1e-3, gt=0, title="Learning rate", description="Step size of the optimizer.")
    momentum: float = Field(0.9, ge=0, lt=1, title="Momentum", description="Of sgd alone.")
    lbfgs_steps: int = Field(
        20, ge=1, title="Steps of L-BFGS", description="Of lbfgs alone: line searches per epoch. Its memory is empty at each epoch's start."
    )
    weight_decay: float = Field(
        0.0, ge=0, title="Weight decay", description="The optimizer's own decay of all parameters (decoupled in adamw)."
    )
    l2: float = Field(
        0.0,
        ge=0,
        title="L2 on weights",
        description="λ: λ/2 · Σ w² over the weight matrices, not the biases, is added to the loss of each batch.",
    )
    batch_size: int = Field(128, ge=1, title="Batch size", description="Rows (users, or items if item-based) per optimizer step.")
    epochs: int = Field(40, ge=1, title="Epochs", description="Passes over the training rows, at most.")
    patience: int = Field(
        0, ge=0, title="Patience", description="Stop after this many epochs without a better validation metric; 0 = never."
    )
    monitor: Literal["auto", "rmse", "rmse_clipped", "rmse_user_mean", "mae", "ndcg", "recall", "pairwise_random"] = Field(
        "auto",
        title="Chosen by",
        description="Validation metric that picks the best epoch, and that patience watches. auto: rmse of models that predict ratings, "
        "NDCG@k of the others.",
    )
    keep: Literal["best", "last"] = Field(
        "best", title="Keep", description="Weights that are tested: of the epoch with the best validation metric, or of the last epoch."
    )
    refit: bool = Field(
        False,
        title="Final refit",
        description="When the best epoch is known, a fresh model is trained on training and validation ratings together for that long, "
        "and that one is tested.",
    )
    seed: int = Field(0, ge=0, le=2**53 - 1, title="Seed", description="Of weights, batches, dropout and noise.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", title="Device", description="auto: a CUDA GPU where there is one.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        title="Precision",
        description="Of dense matrix products in training; weights and evaluation are always float32. "
        "auto: bfloat16 where the chip has it and the products are large.",
    )
    path: Literal["auto", "sparse", "dense"] = Field(
        "auto",
        title="Path",
        description="sparse: the first and the last layer compute observed entries only. dense: every entry. Same losses; "
        "auto: the faster one.",
    )
    row_steps: Literal["auto", "on", "off"] = Field(
        "auto",
        title="Row steps",
        description="Adam steps on the rows of items in the batch, and makes up for the others' steps when they are next needed. "
        "auto: where a batch touches few items.",
    )


class EvaluationConfig(_Section):
    """How held-out ratings are judged."""

    k: int = Field(10, ge=1, title="List length", description="Cut-off k of Recall@k, Precision@k and NDCG@k.")
    more_k: tuple[int, ...] = Field((), title="Further list lengths", description="More cut-offs of the same metrics, like 20, 50, 100.")
    pairwise: bool = Field(
        False,
        title="Pairwise accuracy",
        description="How often a held-out liked item scores higher than an unwatched one, drawn uniformly or by popularity.",
    )
    liked: float | None = Field(
        None,
        title="Liked from",
        description="A held-out item counts as a hit from this rating up; empty = four fifths of the highest rating.",
    )
    max_rank: int = Field(
        40,
        ge=1,
        title="Highest SVD rank tried",
        description="The SVD beside each run gets the rank with the best validation RMSE up to this.",
    )

    @field_validator("more_k")
    @classmethod
    def _at_least_one(cls, cutoffs: tuple[int, ...]) -> tuple[int, ...]:
        if min(cutoffs, default=1) < 1:
            raise ValueError(f"a list has at least one item, not {min(cutoffs)}")
        return cutoffs

    @property
    def cutoffs(self) -> tuple[int, ...]:
        """Every k, ascending."""
        return tuple(sorted({self.k, *self.more_k}))


class RunConfig(_Section):
    """One run. Sections nest one level deep, and every default is a sensible first try."""

    dataset: DatasetConfig = DatasetConfig()
    preprocessing: PreprocessingConfig = PreprocessingConfig()
    split: SplitConfig = RandomOptions()
    group: GroupConfig = GroupConfig()
    model: ModelConfig = AutoencoderConfig()
    refeed: RefeedConfig = RefeedConfig()
    noise: NoiseConfig = NoiseConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    @model_validator(mode="after")
    def _scores_whom_it_is_judged_on(self) -> Self:
        if self.split.kind != "users":
            return self
        if isinstance(self.model, AutoencoderConfig) and self.model.orientation == "item":
            raise ValueError("an item-based autoencoder cannot score held-out users: use another split.kind, or model.orientation=user")
        if not MODELS[self.model.name].folds_in:
            raise ValueError(f"{self.model.name} learns something for each user and cannot score held-out ones: use another split.kind")
        return self

    @model_validator(mode="after")
    def _is_chosen_by_what_it_does(self) -> Self:
        monitor = self.training.monitor
        if not MODELS[self.model.name].rates and monitor.startswith(("rmse", "mae")):
            raise ValueError(f"{self.model.name} predicts no ratings, which training.monitor={monitor} needs: use auto or ndcg")
        return self

    @model_validator(mode="after")
    def _lbfgs_sees_one_loss(self) -> Self:
        training = self.training
        if training.optimizer != "lbfgs":
            return self
        # A line search compares losses: each look must be at the same function.
        drawn = self.model.name == "vae" or getattr(self.model, "dropout", 0) or self.noise.kind not in ("none", "gaussian-once")
        if not MODELS[self.model.name].rates or drawn or self.refeed.steps:
            raise ValueError(
                "training.optimizer=lbfgs needs a model that predicts ratings without anything drawn at random: no dropout, no re-feeding, "
                "no vae, and no noise but gaussian-once"
            )
        if training.weight_decay:
            raise ValueError("training.optimizer=lbfgs has no weight decay of its own: use training.l2")
        return self

    @model_validator(mode="after")
    def _row_steps_are_possible(self) -> Self:
        training = self.training
        every_row_moves = training.optimizer != "adam" or training.weight_decay or training.l2 or self.refeed.steps
        if training.row_steps == "on" and (every_row_moves or training.path == "dense"):
            raise ValueError(
                "training.row_steps=on needs adam and the sparse path, without weight decay, L2 and re-feeding: set it to auto"
            )
        return self


KIND_FIELDS = {"split": "kind", "model": "name"}
"""Sections whose other fields depend on one field."""
LISTS = (("model", "layers"), ("evaluation", "more_k"))


def parse(values: Mapping[str, Any]) -> RunConfig:
    """A validated configuration from nested values.

    Raises:
        InputError: one sentence naming the first field that is wrong, and the nearest known name if it is unknown.
    """
    try:
        return RunConfig.model_validate(_plain(values))
    except ValidationError as error:
        raise InputError(_sentence(error)) from None


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with dotted or nested changes laid over it; where split.kind or model.name changes, the old kind's options go."""
    merged = {section: dict(values) for section, values in base.items()}
    for section, values in nest(changes).items():
        if not isinstance(values, Mapping):
            if section in RunConfig.model_fields:
                raise InputError(f"'{section}' is a section of the configuration: set its fields, like [{section}] in TOML.")
            raise unknown("section", section, RunConfig.model_fields)
        kind = KIND_FIELDS.get(section)
        if kind and kind in values and values[kind] != merged.get(section, {}).get(kind, _default_kind(section)):
            merged[section] = {}
        merged.setdefault(section, {}).update(values)
    return merged


def nest(changes: Mapping[str, Any]) -> dict[str, Any]:
    """{"model.tied": True} → {"model": {"tied": True}}; nested values pass through."""
    nested: dict[str, Any] = {}
    for path, value in changes.items():
        section, dot, field = path.partition(".")
        if dot:
            nested.setdefault(section, {})[field] = value
        elif isinstance(value, Mapping):
            nested.setdefault(section, {}).update(value)
        else:
            nested[section] = value
    return nested


def flatten(config: RunConfig) -> dict[str, Any]:
    """{"dataset.name": …, …}: every field of the configuration by its path."""
    return {f"{section}.{field}": value for section, values in config.model_dump(mode="json").items() for field, value in values.items()}


def differences(config: RunConfig, other: RunConfig | None = None) -> dict[str, Any]:
    """Fields that differ from `other` (default: from the defaults of the same split and model kind)."""
    mine = flatten(config)
    if other is None:
        other = RunConfig(split=type(config.split)(), model=type(config.model)())
        kinds = {"split.kind": RandomOptions().kind, "model.name": AutoencoderConfig().name, "dataset.name": DatasetConfig().name}
    else:
        kinds = {}
    theirs = flatten(other) | kinds
    return {path: value for path, value in mine.items() if path not in theirs or theirs[path] != value}


def to_toml(config: RunConfig) -> str:
    """TOML with every field that is set; fields without a value are left out (TOML knows no null)."""
    sections = config.model_dump(mode="json")
    return tomli_w.dumps(
        {name: {field: value for field, value in values.items() if value is not None} for name, values in sections.items()}
    )


def read_toml(path: Path) -> dict[str, Any]:
    """Nested values of a TOML file, not validated. Raises InputError when it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"There is no configuration file {path}.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path} is not readable as TOML: {error}.") from None


def parse_value(text: str) -> Any:
    """A value as typed on a command line or in a link: JSON where it is JSON, a comma list as a list, else the text itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        pass
    if "," in text:
        return [parse_value(part.strip()) for part in text.split(",") if part.strip()]
    return text


def format_value(value: Any) -> str:
    """The shortest text that `parse_value` reads as this value: 512,256 for a list of numbers, plain words for a string."""
    if isinstance(value, list | tuple) and value and all(isinstance(part, int | float) for part in value):
        text = ",".join(json.dumps(part) for part in value)
        return text if len(value) > 1 else f"[{text}]"
    if isinstance(value, str) and parse_value(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def fields() -> Iterator[tuple[str, Any]]:
    """Every field path that some configuration may have, with its pydantic FieldInfo."""
    seen = set()
    for section, info in RunConfig.model_fields.items():
        for kind in _kinds(info.annotation):
            for name, field in kind.model_fields.items():
                if f"{section}.{name}" not in seen:
                    seen.add(f"{section}.{name}")
                    yield f"{section}.{name}", field


def _kinds(annotation: Any) -> list[type[BaseModel]]:
    return list(get_args(annotation)) or [annotation]


def _default_kind(section: str) -> str:
    return getattr(RunConfig.model_fields[section].default, KIND_FIELDS[section])


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fills in the default kind, and turns a single number into a list where one is due."""
    plain = {section: dict(content) if isinstance(content, Mapping) else content for section, content in values.items()}
    for section, kind in KIND_FIELDS.items():
        content = plain.get(section)
        if isinstance(content, dict):
            content.setdefault(kind, _default_kind(section))
    for section, field in LISTS:
        content = plain.get(section)
        if isinstance(content, dict) and isinstance(content.get(field), int):
            content[field] = [content[field]]
    return plain


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    kind_names = {
        name for union in ("split", "model") for kind in _kinds(RunConfig.model_fields[union].annotation) for name in _kind_values(kind)
    }
    location = [str(part) for part in first["loc"] if str(part) not in kind_names or len(first["loc"]) == 1]
    path = ".".join(location)
    known = [name for name, _ in fields()]
    if first["type"] == "extra_forbidden":
        if path in known:
            section = location[0]
            return (
                f"'{path}' does not apply to this {section}: choose another {section}.{KIND_FIELDS.get(section, 'name')} or leave it out."
            )
        sections = list(RunConfig.model_fields)
        near = difflib.get_close_matches(path, known + sections, n=1)
        return f"Unknown field '{path}'." + (f" Did you mean '{near[0]}'?" if near else f" Sections: {', '.join(sections)}.")
    if first["type"] == "union_tag_invalid":
        section = location[0]
        names = [name for kind in _kinds(RunConfig.model_fields[section].annotation) for name in _kind_values(kind)]
        given = str(first["ctx"]["tag"])
        near = difflib.get_close_matches(given, names, n=1)
        what = {"split": "split", "model": "model"}[section]
        return f"Unknown {what} '{given}'." + (f" Did you mean '{near[0]}'?" if near else f" Known: {', '.join(names)}.")
    message = (
        first["msg"]
        .removeprefix("Value error, ")
        .replace("Tuple", "list")
        .replace("tuple", "list")
        .removesuffix(" after validation, not 0")
    )
    given = first.get("input")
    shown = (
        f" (not {given!r})" if isinstance(given, str | int | float) and not isinstance(given, bool) and repr(given) not in message else ""
    )
    return (f"{path}: " if path else "") + f"{message[0].lower() if path else message[0].upper()}{message[1:]}{shown}."


def _kind_values(kind: type[BaseModel]) -> list[str]:
    return [str(kind.model_fields[field].default) for field in KIND_FIELDS.values() if field in kind.model_fields]
