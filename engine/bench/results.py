"""Figures on disk: the repository's own, and those of this machine. Read by pages, so nothing here needs torch."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.settings import settings

RECORDED = Path(__file__).parents[2] / "assets" / "results" / "speed.json"
"""Results that come with Encore; `bench --save` writes them."""

Results = dict[str, dict[str, Any]]
"""Suite → its result: `title`, `order` among the suites, `measurements` (as `figures.Measurement.as_dict` gives them), `machine`,
`peaks`, `rounds`, `date`, `command`."""


def here() -> Path:
    """Where every measurement on this machine is kept."""
    return settings().home / "bench" / "speed.json"


def read(path: Path) -> Results:
    """The results in a file, in the order of the suites; none where there is no such file, or it is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    suites = content.get("suites") if isinstance(content, dict) else None
    if not isinstance(suites, dict):
        return {}
    return dict(sorted(suites.items(), key=lambda named: named[1].get("order", len(suites))))


def merge(path: Path, fresh: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes results into a file, suite by suite; other suites' stay, and the file is replaced in one go."""
    suites = {**read(path), **fresh}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        text = json.dumps({"suites": suites}, ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
