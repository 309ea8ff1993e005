"""A command's worth of measuring: the machine first, then suite by suite, each kept as soon as it is done."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from engine import config
from engine.bench import figures, machine, results
from engine.bench.children import Child
from engine.bench.duel import Conditions
from engine.bench.suites import SUITES, Suite
from engine.errors import InputError, unknown

Tell = Callable[[str], None]


def choose(names: Sequence[str], tell: Tell) -> list[Suite]:
    """The suites of these names; without names all whose ratings are on this machine.

    Raises:
        InputError: there is no such suite, or it was named and its ratings are not at hand.
    """
    for name in names:
        if name not in SUITES:
            raise unknown("suite", name, SUITES)
    chosen = []
    for suite in [SUITES[name] for name in dict.fromkeys(names)] or SUITES.values():
        try:
            suite.check()
        except InputError as error:
            if names:
                raise
            tell(f"{suite.name} is left out: {error}")
            continue
        chosen.append(suite)
    return chosen


def measure(
    names: Sequence[str],
    rounds: int,
    values: Mapping[str, Any],
    tell: Tell,
    done: Callable[[str, dict[str, Any]], None],
    save: bool = False,
) -> dict[str, Any]:
    """Measures suites and keeps their results: this machine's always, the repository's with `save`.

    Args:
        values: dotted configuration fields that change Encore's side.
        tell: called with a sentence now and then.
        done: called with each suite's name and result.

    Returns:
        `machine`, `peaks` and `suites`, ready for JSON.

    Raises:
        InputError: a suite or field is unknown, ratings are missing, or `save` comes with `values`.
        ChildError: a measured process failed.
    """
    config.parse(config.merge({}, values))
    if save and values:
        raise InputError("--save keeps results with the usual settings: leave --set out, or --save.")
    suites = choose(names, tell)
    tell("looking at the machine and its matrix rate")
    with Child("the look at the machine") as child:
        about, peaks = child.call(machine.describe), child.call(machine.gemm_peaks, machine.SQUARES)
    usual = results.usual_rate(about)
    if share := results.slowed({"peaks": peaks, "usual_rate": usual}):
        tell(f"Warning: {figures.slow_words(share)}. Stop other work and measure again; targets missed now say little.")
    found = {}
    for suite in suites:
        now = Conditions(rounds, peaks, lambda line, name=suite.name: tell(f"{name}: {line}"), values)  # type: ignore[misc]
        found[suite.name] = {
            "title": suite.title,
            "order": list(SUITES).index(suite.name),
            "measurements": [one.as_dict() for one in suite.run(now)],
            "machine": about,
            "peaks": peaks,
            "usual_rate": usual,
            "rounds": rounds,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "settings": dict(values),
            "command": command(suite.name, rounds, values),
        }
        for path in [results.here(), *([results.RECORDED] if save else [])]:
            if more := results.keep(path, suite.name, found[suite.name]):
                tell(f"{suite.name}: {path} keeps its figures of {more} rounds; these of {rounds} are not written. Use --rounds {more}.")
        done(suite.name, found[suite.name])
    return {"machine": about, "peaks": peaks, "suites": found}


def command(name: str, rounds: int, values: Mapping[str, Any]) -> str:
    """What measures a suite again."""
    fields = [part for path, value in values.items() for part in ("--set", f"{path}={config.format_value(value)}")]
    return shlex.join([".venv/bin/python", "-m", "engine", "bench", "--suite", name, "--rounds", str(rounds), *fields, "--json"])
