"""The configuration of one run: everything that can change its numbers. The same field paths in TOML, `--set`, URL and stored rows."""

from engine.config.schema import EvaluationConfig, NoiseConfig, ObjectiveConfig, RefeedConfig, RunConfig, TrainingConfig
from engine.config.text import format_value, parse_value, read_toml, to_toml
from engine.config.values import KIND_FIELDS, differences, fields, flatten, merge, nest, parse

__all__ = [
    "KIND_FIELDS",
    "EvaluationConfig",
    "NoiseConfig",
    "ObjectiveConfig",
    "RefeedConfig",
    "RunConfig",
    "TrainingConfig",
    "differences",
    "fields",
    "flatten",
    "format_value",
    "merge",
    "nest",
    "parse",
    "parse_value",
    "read_toml",
    "to_toml",
]
