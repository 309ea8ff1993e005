"""Ready configurations, one TOML file each: a title, two sentences on what it shows, and the fields that it sets.

Encore's own are in assets/presets; what people save goes into the folder `presets` of ENCORE_HOME.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import tomli_w

from engine.config import parse
from engine.errors import InputError, unknown
from engine.files import replacing
from engine.settings import settings

NAME = "[a-z0-9][a-z0-9-]{0,47}"
FOLDER = Path(__file__).parents[1] / "assets" / "presets"
DEMO = "demo"
LAST = 1_000
"""Place of a saved preset: after Encore's own."""


@dataclass(frozen=True)
class Preset:
    """A named configuration.

    Attributes:
        name: file name without its ending; what `--preset` takes.
        title: what a menu shows.
        shows: two sentences: what it shows, and what to look for.
        values: nested configuration values; fields that it leaves out have their defaults.
        saved: whether a person saved it; the others come with Encore.
    """

    name: str
    title: str
    shows: str
    values: dict[str, Any]
    saved: bool = False


def presets() -> dict[str, Preset]:
    """All presets by name, in the order of their files' `order`; saved ones last."""
    return _read(stamp())


def preset(name: str) -> Preset:
    """The preset of this name. Raises InputError when there is none."""
    known = presets()
    if name not in known:
        raise unknown("preset", name, known)
    return known[name]


def stamp() -> tuple[tuple[str, int], ...]:
    """Changes when a preset comes, goes or is written anew: for what is computed from all of them."""
    return tuple((str(path), path.stat().st_mtime_ns) for folder in (FOLDER, saved()) for path in sorted(folder.glob("*.toml")))


def to_text(title: str, shows: str, values: Mapping[str, Any], order: int = LAST) -> str:
    """A preset's file."""
    kept = {name: {field: value for field, value in some.items() if value is not None} for name, some in values.items()}
    return tomli_w.dumps({"order": order, "title": title, "shows": shows, **kept})


def save(name: str, title: str, shows: str, values: Mapping[str, Any]) -> Preset:
    """Keep a configuration as a preset of one's own.

    Args:
        values: nested configuration values.

    Raises:
        InputError: the name is none, or there is such a preset already, or the values are no configuration.
    """
    if not re.fullmatch(NAME, name):
        raise InputError(f"'{name}' is no name of a preset: write up to 48 lower-case letters, digits and '-'.")
    if name in presets():
        raise InputError(f"There is a preset '{name}' already: choose another name.")
    parse(values)
    try:
        with replacing(saved() / f"{name}.toml") as draft:
            draft.write_text(to_text(title, shows, values), encoding="utf-8")
    except OSError as error:
        raise InputError(f"The preset '{name}' cannot be written to {saved()}: {error.strerror}.") from error
    return preset(name)


def saved() -> Path:
    """The folder of presets of one's own."""
    return settings().home / "presets"


@lru_cache(maxsize=8)
def _read(files: tuple[tuple[str, int], ...]) -> dict[str, Preset]:
    found = []
    for file, _ in files:
        path = Path(file)
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
            order, title, shows = values.pop("order"), values.pop("title"), values.pop("shows")
        except (OSError, ValueError, KeyError):
            if path.parent == FOLDER:
                raise
            continue  # a file that somebody put there is no preset; it shall not take the others away
        found.append((order, Preset(path.stem, title, shows, values, path.parent != FOLDER)))
    return {preset.name: preset for _, preset in sorted(found, key=lambda pair: (pair[1].saved, pair[0], pair[1].name))}
