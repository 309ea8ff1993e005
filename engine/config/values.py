"""Configurations from plain values, laid over each other, compared and told apart; a mistake becomes one sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from engine.config.schema import RunConfig
from engine.datasets import DatasetConfig
from engine.errors import InputError, shortened, unknown
from engine.models.configs import AutoencoderConfig
from engine.splits import RandomOptions

KIND_FIELDS = {"split": "kind", "model": "name"}
"""Sections whose other fields depend on one field."""
LARGEST, LONGEST, DEEPEST = 2**53 - 1, 1_000, 8
"""The largest number that every form and database holds; the longest text or list; how deep values may be nested."""
LISTS = (("model", "layers"), ("evaluation", "more_k"))


def parse(values: Mapping[str, Any]) -> RunConfig:
    """A validated configuration from nested values.

    Raises:
        InputError: one sentence naming the first field that is wrong, and the nearest known name if it is unknown.
    """
    _require_bounds(values)
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


def _require_bounds(value: Any, path: str = "", depth: int = 0) -> None:
    """Refuses what no database, link or form can hold, before anything is made of it."""
    if depth > DEEPEST:
        raise InputError(f"{shortened(path)}: values are nested {DEEPEST} deep at most.")
    if isinstance(value, int) and abs(value) > LARGEST:
        raise InputError(f"{shortened(path)}: numbers go up to {LARGEST:,}.")
    if isinstance(value, str) and (len(value) > LONGEST or (not value.isascii() and any("\ud800" <= sign <= "\udfff" for sign in value))):
        raise InputError(f"{shortened(path)}: a text has at most {LONGEST:,} characters, and none that stands for half of one.")
    if isinstance(value, list | tuple | Mapping) and len(value) > LONGEST:
        raise InputError(f"{shortened(path)}: a list has at most {LONGEST:,} values, not {len(value):,}.")
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, inner in pairs:
        _require_bounds(inner, f"{path}.{key}" if path and isinstance(value, Mapping) else path or str(key), depth + 1)


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
        return f"Unknown field '{shortened(path)}'." + (f" Did you mean '{near[0]}'?" if near else f" Sections: {', '.join(sections)}.")
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
