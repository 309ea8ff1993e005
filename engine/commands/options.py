"""The options that describe a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.errors import InputError

if TYPE_CHECKING:
    from engine.config import RunConfig


def configured(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that describe a run, laid over each other in this order: preset, file, short options, --set."""
    options = [
        click.option("--preset", help="Start from assets/presets/NAME.toml."),
        click.option("--config", "file", type=click.Path(path_type=Path), help="A TOML file of configuration fields."),
        click.option("--dataset", help="A registered dataset or the path of a ratings file."),
        click.option("--split", help="Split scheme (split.kind)."),
        click.option("--model", help="Model (model.name)."),
        click.option("--epochs", help="training.epochs"),
        click.option("--seed", help="training.seed"),
        click.option("--set", "fields", multiple=True, metavar="PATH=VALUE", help="Set any field, like model.layers=512,256."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def assemble(
    preset: str | None,
    file: Path | None,
    dataset: str | None,
    split: str | None,
    model: str | None,
    epochs: str | None,
    seed: str | None,
    fields: tuple[str, ...],
) -> RunConfig:
    """The validated configuration that the options describe. Raises InputError."""
    from engine import config, presets

    values: dict[str, Any] = {}
    if preset:
        values = config.merge(values, presets.preset(preset).values)
    if file:
        values = config.merge(values, config.read_toml(file))
    short = {"dataset.name": dataset, "split.kind": split, "model.name": model}
    values = config.merge(values, {path: value for path, value in short.items() if value is not None})
    numbers = {"training.epochs": epochs, "training.seed": seed}
    values = config.merge(values, {path: config.parse_value(value) for path, value in numbers.items() if value is not None})
    for path, value in assigned(fields).items():
        values = config.merge(values, {path: value})
    return config.parse(values)


def assigned(fields: tuple[str, ...]) -> dict[str, Any]:
    """Dotted configuration fields from --set options. Raises InputError."""
    from engine import config

    values = {}
    for assignment in fields:
        path, equals, value = assignment.partition("=")
        if not equals or "." not in path:
            raise InputError(f"--set takes section.field=value, like training.lr=0.001, not '{assignment}'.")
        values[path.strip()] = config.parse_value(value.strip())
    return values
