"""Ready configurations, one TOML file each in assets/presets: a title, two sentences on what it shows, and the fields that it sets."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from engine.errors import unknown

FOLDER = Path(__file__).parents[1] / "assets" / "presets"
DEMO = "demo"


@dataclass(frozen=True)
class Preset:
    """A named configuration.

    Attributes:
        name: file name without its ending; what `--preset` takes.
        title: what a menu shows.
        shows: two sentences: what it shows, and what to look for.
        values: nested configuration values; fields that it leaves out have their defaults.
    """

    name: str
    title: str
    shows: str
    values: dict[str, Any]


@cache
def presets() -> dict[str, Preset]:
    """All presets by name, in the order of their files' `order`."""
    found = []
    for path in FOLDER.glob("*.toml"):
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        order, title, shows = values.pop("order"), values.pop("title"), values.pop("shows")
        found.append((order, Preset(path.stem, title, shows, values)))
    return {preset.name: preset for _, preset in sorted(found, key=lambda pair: (pair[0], pair[1].name))}


def preset(name: str) -> Preset:
    """The preset of this name. Raises InputError when there is none."""
    if name not in presets():
        raise unknown("preset", name, presets())
    return presets()[name]
