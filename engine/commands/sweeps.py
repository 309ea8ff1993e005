"""Commands that search over settings."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from engine import background
from engine.commands.frame import JSON, main, open_store, print_json
from engine.commands.options import assemble, configured
from engine.commands.runs import OWNER
from engine.errors import InputError
from engine.settings import session_limit

if TYPE_CHECKING:
    from engine.store import RunStore, Sweep
    from engine.sweeps import SweepConfig, Trial

LOOK = 1.0
"""Seconds between two looks of `--wait`."""


@main.group("sweep")
def sweep_group() -> None:
    """Search over settings: every trial is an ordinary run of the queue."""


@sweep_group.command()
@configured
@click.option(
    "--field",
    "varied",
    multiple=True,
    metavar="PATH=VALUES",
    help="A field that varies: model.dropout=0,0.2,0.5 or training.lr='1e-4..1e-1 log'; 'model.layers=64,32; 128' for lists.",
)
@click.option("--sampler", metavar="NAME", help="How settings are chosen: grid, random or tpe (the default).")
@click.option("--pruner", metavar="NAME", help="How runs are stopped early: none (the default), median or hyperband.")
@click.option("--metric", metavar="NAME", help="Validation metric, like rmse or ndcg (default: as the runs have it).")
@click.option("--trials", metavar="N", help="Settings at most (default: the whole grid; else 20, or no limit where --minutes is given).")
@click.option("--minutes", metavar="N", help="Begin no further setting after so many minutes (default: no limit).")
@click.option("--seeds", metavar="N", help="Trainings of each setting, with the seeds from --seed on (default: 1).")
@click.option("--folds", metavar="N", help="Train each setting on every one of so many folds (default: 0, the split as it is).")
@click.option("--at-a-time", "at_a_time", metavar="N", help="Its runs that wait or run at once (default: 0, as many as there are slots).")
@click.option("--sampler-seed", "sampler_seed", metavar="N", help="The same seed asks for the same settings (default: 0).")
@click.option("--wait", is_flag=True, help="Return when it has ended, and tell how it stands meanwhile.")
@JSON
def start(
    varied: tuple[str, ...],
    sampler: str | None,
    pruner: str | None,
    metric: str | None,
    trials: str | None,
    minutes: str | None,
    seeds: str | None,
    folds: str | None,
    at_a_time: str | None,
    sampler_seed: str | None,
    wait: bool,
    as_json: bool,
    **base: Any,
) -> None:
    """Start a sweep. --preset, --set and the like say what all of its runs share, --field what varies."""
    from engine import config, sweeps
    from engine.sweeps.report import report
    from engine.sweeps.starting import outlook, start

    numbers = {"trials": trials, "minutes": minutes, "seeds": seeds, "folds": folds, "at_a_time": at_a_time, "seed": sampler_seed}
    words = {"sampler": sampler, "pruner": pruner, "metric": metric}
    given: dict[str, Any] = {name: value for name, value in words.items() if value is not None}
    given |= {name: config.parse_value(value) for name, value in numbers.items() if value is not None}
    wanted = sweeps.parse_sweep({**given, "base": assemble(**base), "axes": _axes(varied)})
    store = open_store()
    found = outlook(wanted, store.list(("finished",), limit=100), len(background.slots_now()) or 1)
    sweep = start(wanted, store, owner=OWNER, most=session_limit())
    background.ensure_daemon()
    many = "until the time is over" if found.runs is None else f"{found.settings} settings, {found.runs} runs"
    click.echo(f"{sweep.name} ({sweep.id}): {many}" + (f", about {found.seconds:.0f} s" if found.seconds else ""), err=True)
    for sentence in (*found.remarks, *([f"impossible combinations left out: {found.left_out}; {found.why}"] if found.left_out else [])):
        click.echo(sentence, err=True)
    if wait:
        sweep = _wait(sweep, wanted, store)
    told = report(sweep, wanted, sweeps.trials_of(sweep, wanted, store))
    _tell(told, as_json)
    if wait and sweep.state != "finished":
        raise SystemExit(1)


@sweep_group.command("list")
@JSON
def list_sweeps(as_json: bool) -> None:
    """List the sweeps, newest first."""
    from engine import sweeps
    from engine.sweeps.report import head, progress

    store, told = open_store(), []
    found = store.sweeps()
    if not found:
        click.echo("no sweep yet: sweep start begins one", err=as_json)
    for sweep in found:
        try:
            config = sweeps.config_of(sweep)
        except InputError as error:  # of an older version
            click.echo(f"{sweep.id}  {sweep.name:<14} {sweep.state:<9} {error}", err=True)
            continue
        told.append(head(sweep, config, sweeps.trials_of(sweep, config, store)))
        click.echo(progress(told[-1]), err=as_json)
    if as_json:
        print_json({"sweeps": told})


@sweep_group.command()
@click.argument("sweep", metavar="SWEEP")
@JSON
def show(sweep: str, as_json: bool) -> None:
    """Show a sweep: its settings, the best first."""
    from engine.sweeps.report import report

    _tell(report(*_opened(sweep)[1:]), as_json)


@sweep_group.command("compare")
@click.argument("sweep", metavar="SWEEP")
@click.argument("first", type=click.IntRange(min=0))
@click.argument("second", type=click.IntRange(min=0))
@JSON
def compare_settings(sweep: str, first: int, second: int, as_json: bool) -> None:
    """Tell whether two settings, by their numbers, really differ on the test ratings."""
    from dataclasses import asdict

    from engine.sweeps.difference import apart
    from engine.sweeps.report import difference_line

    store, opened, config, trials = _opened(sweep)
    sides = [_numbered(trials, number) for number in (first, second)]
    if opened.metric is None:
        raise InputError(f"No run of {opened.name} has begun yet, so it has no metric to compare settings by.")
    found = apart(config, opened.metric, sides[0], sides[1], store)
    if found is None:
        raise InputError(f"Settings {first} and {second} have no finished repetition in common with a test {opened.metric}.")
    click.echo(difference_line(sides[0], sides[1], found), err=as_json)
    if as_json:
        print_json({"first": first, "second": second, **asdict(found), "distinguishable": found.distinguishable})


@sweep_group.command()
@click.argument("sweep", metavar="SWEEP")
@click.argument("name", metavar="PRESET")
@click.option("--setting", type=click.IntRange(min=0), help="Number of the setting; the best one by default.")
@JSON
def keep(sweep: str, name: str, setting: int | None, as_json: bool) -> None:
    """Keep the best setting as a preset of this name, for --preset and for the pages."""
    from engine import presets
    from engine.sweeps import best_of
    from engine.sweeps.report import preset_values, preset_words

    _, opened, config, trials = _opened(sweep)
    best = best_of(trials, opened.metric) if opened.metric else None
    chosen = best if setting is None else _numbered(trials, setting)
    if chosen is None:
        raise InputError(f"No setting of {opened.name} has finished yet.")
    if not chosen.settings:
        raise InputError(f"The runs of setting {chosen.number} were deleted, and its values with them: name another one by --setting.")
    saved = presets.save(name, *preset_words(opened, config, chosen), preset_values(config, chosen))
    click.echo(f"kept setting {chosen.number} as preset {saved.name}", err=as_json)
    if as_json:
        print_json({"preset": saved.name, "setting": chosen.number, "values": saved.values})


def _asking(want: str, name: str, text: str) -> None:
    @sweep_group.command(name=name, help=text)
    @click.argument("sweep", metavar="SWEEP")
    @JSON
    def command(sweep: str, as_json: bool) -> None:
        found = open_store().ask_sweep(sweep, want)
        if want == "run":
            background.ensure_daemon()
        click.echo(f"{found.name} ({found.id}) is {found.state}", err=as_json)
        if as_json:
            print_json({"sweep_id": found.id, "name": found.name, "state": found.state})


_asking("pause", "pause", "Pause a sweep and its runs; their slots become free.")
_asking("stop", "stop", "Stop a sweep and its runs; what has finished stays, and it can be resumed.")
_asking("run", "resume", "Go on with a paused or stopped sweep, and with those of its runs that were paused or stopped.")


def _axes(varied: tuple[str, ...]) -> dict[str, str]:
    axes: dict[str, str] = {}
    for assignment in varied:
        path, equals, values = assignment.partition("=")
        if not equals:
            raise InputError(f"--field takes section.field=values, like model.dropout=0,0.2,0.5, not '{assignment}'.")
        if path.strip() in axes:
            raise InputError(f"--field {path.strip()} is given twice: list all of its values in one.")
        axes[path.strip()] = values
    return axes


def _opened(name: str) -> tuple[RunStore, Sweep, SweepConfig, list[Trial]]:
    from engine import sweeps

    store = open_store()
    background.attend(store)
    sweep = store.get_sweep(name)
    config = sweeps.config_of(sweep)
    return store, sweep, config, sweeps.trials_of(sweep, config, store)


def _numbered(trials: list[Trial], number: int) -> Trial:
    if number >= len(trials):
        known = f"they are numbered from 0 to {len(trials) - 1}" if trials else "none has begun yet"
        raise InputError(f"There is no setting {number}: {known}.")
    return trials[number]


def _wait(sweep: Sweep, config: SweepConfig, store: RunStore) -> Sweep:
    """Tells how it stands whenever that has changed, until it does not run any more."""
    from engine import sweeps
    from engine.sweeps.report import head, progress

    said = ""
    while sweep.state == "running":
        background.ensure_daemon()
        line = progress(head(sweep, config, sweeps.trials_of(sweep, config, store)))
        if line != said:
            click.echo(line, err=True)
        said = line
        time.sleep(LOOK)
        sweep = store.get_sweep(sweep.id)
    return sweep


def _tell(told: dict[str, Any], as_json: bool) -> None:
    from engine.sweeps.report import lines

    for line in lines(told):
        click.echo(line, err=as_json)
    if as_json:
        print_json(told)
