"""Commands that measure: published tables, and speed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from engine.commands.frame import JSON, main, open_store, print_json
from engine.commands.options import assigned
from engine.store import Run

if TYPE_CHECKING:
    from engine.config import RunConfig


@main.command()
@click.argument("name", metavar="TABLE", required=False)
@click.option("--dataset", help="Another dataset than the table's own.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Repetitions of each row.")
@click.option("--budget", type=click.FloatRange(min=0), metavar="MINUTES", help="Begin no further row after so long; 0 = only show.")
@click.option("--epochs", type=click.IntRange(min=1), help="Instead of the table's, for a shorter look; printed and not kept.")
@click.option("--docs", is_flag=True, help="Without TABLE: write docs/REPRODUCED.md from what is kept.")
@JSON
def reproduce(
    name: str | None, dataset: str | None, seeds: int, budget: float | None, epochs: int | None, docs: bool, as_json: bool
) -> None:
    """Fill a published table with our own figures; without TABLE, list the tables.

    Rows that are kept already are not run again, so a table can be filled over several sittings. docs/REPRODUCED.md is written anew.
    """
    from engine import experiment, reproduce, runs, tables

    if docs and name is None:
        click.echo(f"wrote {reproduce.write_document()}")
        return
    if name is None:
        for table in tables.tables().values():
            click.echo(f"{table.name:<32} {table.title}")
        return
    table, store = tables.table(name), open_store()

    def run(wanted: RunConfig) -> Run:
        experiment.check(wanted)
        made = store.create(wanted.model_dump(mode="json"), queue="foreground")
        runs.execute(made.id, store)
        return store.get(made.id)

    kept = reproduce.read(table)
    if not table.exact and budget != 0:
        minutes = math.inf if budget is None else budget
        kept = reproduce.measure(
            table, run, store, dataset=dataset, seeds=seeds, minutes=minutes, epochs=epochs, tell=lambda line: click.echo(line, err=True)
        )
        if epochs is None:
            reproduce.write_document()
    found = reproduce.report(table, dataset, kept)
    for line in reproduce.lines(found):
        click.echo(line, err=as_json)
    if as_json:
        print_json(found)


@main.command()
@click.option(
    "--suite",
    "names",
    multiple=True,
    metavar="NAME",
    help="What to measure; may be repeated. Without it all, for the better part of an hour.",
)
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Timed rounds of each contender, in turn.")
@click.option("--set", "fields", multiple=True, metavar="PATH=VALUE", help="Set a field of Encore's side alone, like training.path=dense.")
@click.option("--save", is_flag=True, help="Keep the results in assets/results/speed.json too.")
@JSON
def bench(names: tuple[str, ...], rounds: int, fields: tuple[str, ...], save: bool, as_json: bool) -> None:
    """Measure Encore's speed beside the textbook's dense loop, on this machine. Stop other work first: it is timed too.

    \b
    Suites:
      ml1m         MovieLens 1M: an epoch, and predicting held-out ratings
      ml1m-refeed  MovieLens 1M, re-fed once: an epoch
      small        MovieLens latest small, re-fed once: an epoch
      inference    top lists on MovieLens 1M
      load         MovieLens 1M from its official text
      amazon       generated, 240,000 × 14,000, 2.6 M ratings
      ml20m        generated, 138,493 × 26,744, 20 M ratings
      netflix      generated, 477,412 × 17,768, 98 M ratings

    Results are kept for the Speed page, suite by suite; fewer rounds do not replace more.
    """
    from engine.bench import figures, run
    from engine.bench.children import ChildError

    def done(name: str, result: dict[str, Any]) -> None:
        for line in figures.lines(name, result):
            click.echo(line, err=as_json)

    try:
        found = run.measure(names, rounds, assigned(fields), lambda line: click.echo(line, err=True), done, save)
    except ChildError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        print_json(found)
