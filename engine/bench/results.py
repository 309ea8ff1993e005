"""Figures on disk: the repository's own, and those of this machine. Read by pages, so nothing here needs torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.files import replacing
from engine.settings import settings

RECORDED = Path(__file__).parents[2] / "assets" / "results" / "speed.json"
"""Results that come with Encore; `bench --save` writes them."""

Results = dict[str, dict[str, Any]]
"""Suite → its result: `title`, `order` among the suites, `measurements` (as `figures.Measurement.as_dict` gives them), `machine`,
`peaks`, `usual_rate` (see there), `rounds`, `date`, `settings`, `command`."""

SLOWED = 0.6
"""Share of the usual matrix rate below which a machine was busy or throttled, and its times say little."""


@dataclass(frozen=True)
class Title:
    """A suite in words, and how much it is measured on."""

    words: str
    size: str

    def __str__(self) -> str:
        return f"{self.words}: {self.size}"


TITLES = {
    "ml1m": Title("MovieLens 1M", "6,040 users, 1 M ratings"),
    "ml1m-refeed": Title("MovieLens 1M, re-fed once", "6,040 users, 1 M ratings, one fixed-point re-feeding step"),
    "small": Title("MovieLens latest small, re-fed once", "610 users, 0.1 M ratings, one fixed-point re-feeding step"),
    "inference": Title("Top lists on MovieLens 1M", "6,040 users, 1 M ratings"),
    "load": Title("Loading MovieLens 1M", "1 M ratings, from its official text"),
    "amazon": Title("Generated, Amazon's size", "240,000 users × 14,000 items, 2.6 M ratings"),
    "ml20m": Title("Generated, MovieLens 20M's size", "138,493 users × 26,744 items, 20 M ratings"),
    "netflix": Title("Generated, Netflix's size", "477,412 users × 17,768 items, 98 M ratings"),
}
"""Suite → title, for pages and the command's help; what is measured in each stands in `suites`."""


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


def usual_rate(machine: Mapping[str, Any]) -> float | None:
    """The highest bf16 matrix rate in GFLOP/s among the results of machines like this one; None where there is none."""
    kept = [one for path in (RECORDED, here()) for one in read(path).values() if alike(one.get("machine", {}), machine)]
    return max((one["peaks"]["bf16"]["gflops"] for one in kept if "bf16" in one.get("peaks", {})), default=None)


def alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two descriptions may be of the same machine."""
    return all(one.get(name) == other.get(name) for name in ("cpu", "cores", "threads", "gpu"))


def slowed(result: Mapping[str, Any]) -> float | None:
    """Share of the usual matrix rate that the machine gave, where that is so little that times say little; otherwise None."""
    usual = result.get("usual_rate")
    share = result["peaks"]["bf16"]["gflops"] / usual if usual else 1.0
    return share if share < SLOWED else None


def keep(path: Path, name: str, fresh: Mapping[str, Any]) -> int | None:
    """Writes one suite's result into a file, unless the file has one of more rounds of the same settings and machine.

    Returns:
        None when it was written, otherwise the rounds of the result that stays.
    """
    old = read(path).get(name, {})
    same = alike(old.get("machine", {}), fresh["machine"]) and old.get("settings", {}) == fresh["settings"]
    if same and old.get("rounds", 0) > fresh["rounds"]:
        return int(old["rounds"])
    merge(path, {name: fresh})
    return None


def merge(path: Path, fresh: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes results into a file, suite by suite; other suites' stay, and the file is replaced in one go."""
    suites = {**read(path), **fresh}
    text = json.dumps({"suites": suites}, ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False)
    with replacing(path) as draft:
        draft.write_text(text + "\n", encoding="utf-8")
