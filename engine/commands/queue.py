"""Commands that look at the queue and reorder it."""

from __future__ import annotations

from typing import Any

import click

from engine import background
from engine.commands.frame import JSON, open_store, print_json
from engine.commands.runs import list_runs


@list_runs.command("queue")
@JSON
def show_queue(as_json: bool) -> None:
    """Show the runs that wait, in the order in which they will begin; sessions take turns."""
    from engine import queue

    store = open_store()
    background.attend(store)
    turns = queue.queue(store)
    for turn in turns:
        where = "starting" if turn.starting else f"{turn.position}. for {queue.KINDS[turn.kind]}"
        click.echo(f"{turn.run.id}  {turn.run.name:<22} {where:<18} {queue.when(turn):<24} {turn.run.owner or '–'}", err=as_json)
    if not turns:
        click.echo("nobody waits", err=as_json)
    if as_json:
        print_json({"slots": list(background.slots_now()), "queue": [_told(turn) for turn in turns]})


@list_runs.command("move")
@click.argument("run_id", metavar="RUN")
@click.argument("where", type=click.Choice(["front", "up", "down"]))
@JSON
def move(run_id: str, where: Any, as_json: bool) -> None:
    """Move a run that waits to the front, or one place up or down, among those of its session."""
    from engine import queue

    store = open_store()
    run = store.get(run_id)
    store.move(run.id, where)
    order = [turn.run.id for turn in queue.queue(store)]
    place = order.index(run.id) + 1 if run.id in order else None
    click.echo(f"{run.name} ({run.id}) is number {place} of {len(order)}" if place else f"{run.name} has just begun", err=as_json)
    if as_json:
        print_json({"run_id": run.id, "name": run.name, "place": place, "waiting": len(order)})


def _told(turn: Any) -> dict[str, Any]:
    run = turn.run
    fields = {name: getattr(turn, name) for name in ("position", "kind", "starts_in", "starting")}
    return {"run_id": run.id, "name": run.name, "owner": run.owner, **fields}
