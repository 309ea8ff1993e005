"""A sweep as a script reads it, and in lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from engine.config import differences, format_value, parse
from engine.presets import to_text
from engine.store import Sweep
from engine.sweeps.analysis import ranked
from engine.sweeps.config import SweepConfig
from engine.sweeps.difference import Apart
from engine.sweeps.trials import OPEN, Trial, best_of

SHOWN = 20
"""Settings that are listed for people."""


def report(sweep: Sweep, config: SweepConfig, trials: Sequence[Trial]) -> dict[str, Any]:
    """State, the best setting, and every setting in order of its value with its runs."""
    metric = sweep.metric or ""
    best = best_of(trials, metric) if metric else None
    return {
        **head(sweep, config, trials),
        "best": None if best is None else _trial(best),
        "config": config.model_dump(mode="json"),
        "trials": [_trial(trial) for trial in (ranked(trials, metric) if metric else trials)],
    }


def head(sweep: Sweep, config: SweepConfig, trials: Sequence[Trial]) -> dict[str, Any]:
    """How far a sweep is, without its trials."""
    best = best_of(trials, sweep.metric) if sweep.metric else None
    counts = {state: sum(trial.state == state for trial in trials) for state in dict.fromkeys(trial.state for trial in trials)}
    return {
        "sweep_id": sweep.id,
        "name": sweep.name,
        "state": sweep.state,
        "error": sweep.error,
        "sampler": config.sampler,
        "pruner": config.pruner,
        "metric": sweep.metric,
        "fields": [*config.axes],
        "asked": sweep.asked,
        "budget": config.budget,
        "repeats": config.repeats,
        "seconds": sweep.seconds,
        "counts": counts,
        "best_value": None if best is None else best.mean,
    }


def lines(found: dict[str, Any]) -> Iterator[str]:
    """The same for people; `found` as `report` gives it."""
    yield progress(found)
    metric = found["metric"] or "value"
    for one in found["trials"][:SHOWN]:
        settings = "  ".join(f"{path}={format_value(value)}" for path, value in one["settings"].items())
        spread = "" if one["sd"] is None else f" ± {one['sd']:.4f}"
        value = one["state"] if one["mean"] is None else f"{metric} {one['mean']:.4f}{spread}"
        yield f"{one['number']:>4}  {value:<26}  {settings}" + (f"  {one['error']}" if one["error"] else "")
    if len(found["trials"]) > SHOWN:
        yield f"      and {len(found['trials']) - SHOWN} more: --json lists them all"


def progress(found: dict[str, Any]) -> str:
    """One line on how far a sweep is; `found` as `head` gives it."""
    done = sum(count for state, count in found["counts"].items() if state not in OPEN)
    of = "" if found["budget"] is None else f" of {found['budget']}"
    counts = ", ".join(f"{count} {state}" for state, count in found["counts"].items())
    best = "" if found["best_value"] is None else f"  best {found['metric']} {found['best_value']:.4f}"
    error = f"  {found['error']}" if found["error"] else ""
    return f"{found['sweep_id']}  {found['name']:<14} {found['state']:<9} {done}{of} settings ({counts or 'none begun'}){best}{error}"


def difference_line(first: Trial, second: Trial, found: Apart) -> str:
    """What may be said of two settings."""
    how = f" ± {found.half:.4f} (95 % over {found.over})" if found.over else ", of which nothing tells whether it is chance"
    on = f", on {found.on}" if found.on else ""
    if found.distinguishable:
        verdict = f"setting {first.number if found.first_is_better else second.number} is better"
    else:
        verdict = "not distinguishable"
    return f"setting {first.number} − setting {second.number}: test {found.metric} {found.value:+.4f}{how}{on}: {verdict}"


def preset_values(config: SweepConfig, trial: Trial) -> dict[str, Any]:
    """The configuration of a setting's first repetition without its fold, nested, as far as it differs from the defaults."""
    values = config.model_copy(update={"folds": 0}).run_config(trial.settings)
    nested: dict[str, Any] = {}
    for path, value in differences(values).items():
        section, _, field = path.partition(".")
        nested.setdefault(section, {})[field] = value
    assert parse(nested) == values
    return nested


def preset_text(sweep: Sweep, config: SweepConfig, trial: Trial) -> str:
    """A setting as a preset's file."""
    return to_text(*preset_words(sweep, config, trial), preset_values(config, trial))


def preset_words(sweep: Sweep, config: SweepConfig, trial: Trial) -> tuple[str, str]:
    """Title of a setting as a preset, and what it shows."""
    settings = ", ".join(f"{path.partition('.')[2].replace('_', ' ')} {format_value(value)}" for path, value in trial.settings.items())
    value = "" if trial.mean is None else f" Validation {sweep.metric} {trial.mean:.4f}" + (f" ± {trial.sd:.4f}." if trial.sd else ".")
    return f"{sweep.name}: {settings}", f"Setting {trial.number} of the {config.sampler} sweep {sweep.name}.{value}"


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state,
        "settings": dict(trial.settings),
        "mean": trial.mean,
        "sd": trial.sd,
        "values": trial.values,
        "error": trial.error,
        "runs": [run.id for run in trial.runs],
    }
