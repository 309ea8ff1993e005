"""Configurations and their values as text: TOML files, command lines, links."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from engine.config.schema import RunConfig
from engine.errors import InputError

LARGEST_FILE = 1_000_000
"""Bytes of a configuration file; a whole one has some thousands."""


def to_toml(config: RunConfig) -> str:
    """TOML with every field that is set; fields without a value are left out (TOML knows no null)."""
    sections = config.model_dump(mode="json")
    return tomli_w.dumps(
        {name: {field: value for field, value in values.items() if value is not None} for name, values in sections.items()}
    )


def read_toml(path: Path) -> dict[str, Any]:
    """Nested values of a TOML file, not validated. Raises InputError when it cannot be read."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{path} is no configuration: it has {path.stat().st_size:,} bytes, of at most {LARGEST_FILE:,}.")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"There is no configuration file {path}.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not readable as TOML: {error}.") from None
    except RecursionError:
        raise InputError(f"{path} is not readable as TOML: its values are nested too deep.") from None


def parse_value(text: str) -> Any:
    """A value as typed on a command line or in a link: JSON where it is JSON, a comma list as a list, else the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # a number of thousands of digits is a ValueError too, brackets without end the other
        pass
    if "," in text:
        return [parse_value(part.strip()) for part in text.split(",") if part.strip()]
    return text


def format_value(value: Any) -> str:
    """The shortest text that `parse_value` reads as this value: 512,256 for a list of numbers, plain words for a string."""
    if isinstance(value, list | tuple) and value and all(isinstance(part, int | float) for part in value):
        text = ",".join(json.dumps(part) for part in value)
        return text if len(value) > 1 else f"[{text}]"
    if isinstance(value, str) and parse_value(value) == value and value == value.strip():  # shells and people lose space at the ends
        return value
    return json.dumps(value, ensure_ascii=False)
