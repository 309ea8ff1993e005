"""Commands that train, and that look after runs and the engine behind them."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any

import click

from engine import background
from engine.commands.frame import JSON, main, open_store, print_json
from engine.commands.options import assemble, configured
from engine.errors import InputError
from engine.settings import session_limit, settings
from engine.store import ACTIVE, GOES_ON, Run

OWNER = "cli"
"""In the queue, all runs of the command line take turns with those of browsers as one session's."""


@main.command()
@configured
@JSON
def train(as_json: bool, **options: Any) -> None:
    """Train in the foreground; Ctrl-C stops after the current batch and keeps a checkpoint."""
    from engine import experiment, runs

    wanted = assemble(**options)
    experiment.check(wanted)
    store = open_store()
    run = store.create(wanted.model_dump(mode="json"), queue="foreground")
    click.echo(f"run {run.id} ({run.name})", err=True)
    # Not in the handler itself: it may interrupt the very write that it would wait for.
    signal.signal(signal.SIGINT, lambda *_: threading.Thread(target=store.ask, args=(run.id, "stop")).start())
    if mistake := runs.execute(run.id, store, lambda line: click.echo(line, err=True)):
        raise mistake
    run = store.get(run.id)
    if run.state == "failed":
        raise click.ClickException(str(run.error))
    if as_json:
        print_json(report(run))
    else:
        click.echo(_summary(run))
    sys.exit(0 if run.state == "finished" else 1)


@main.command()
@configured
@JSON
def submit(as_json: bool, **options: Any) -> None:
    """Queue a run for the background engine, and start the engine where none runs."""
    from engine import experiment

    wanted = assemble(**options)
    experiment.check(wanted)
    run = open_store().create(wanted.model_dump(mode="json"), owner=OWNER, limit=session_limit())
    background.ensure_daemon()
    _tell(run, as_json)


@main.group("runs", invoke_without_command=True)
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@JSON
@click.pass_context
def list_runs(context: click.Context, limit: int, as_json: bool) -> None:
    """List the newest runs; or, by a command after it, compare runs, or mark and write on one."""
    if context.invoked_subcommand is not None:
        return
    store = open_store()
    background.attend(store)
    found = store.list(limit=limit)
    for run in found:
        click.echo(_summary(run), err=as_json)
    if as_json:
        print_json({"runs": [report(run) for run in found]})


@list_runs.command()
@click.argument("run_ids", metavar="RUN RUN...", nargs=-1, required=True)
@click.option("--metric", help="Test metric of the paired differences; RMSE where the runs have one.")
@JSON
def compare(run_ids: tuple[str, ...], metric: str | None, as_json: bool) -> None:
    """Compare runs: settings that differ, test figures, and every other run against the first, user by user."""
    from engine import comparison

    store = open_store()
    runs = [store.get(run_id) for run_id in run_ids]
    found = comparison.report(runs, store, metric)
    for line in comparison.lines(runs, found):
        click.echo(line, err=as_json)
    if as_json:
        print_json(found)


@list_runs.command()
@click.argument("run_id", metavar="RUN")
@click.option("--star/--unstar", "starred", default=None, help="Mark it, or take the mark away.")
@click.option("--tags", help="Its tags from now on, like 'baseline,lecture 3'; empty for none.")
@click.option("--note", "remark", help="Its note from now on; empty for none.")
@JSON
def edit(run_id: str, starred: bool | None, tags: str | None, remark: str | None, as_json: bool) -> None:
    """Star a run, or write tags and a note on it."""
    from engine import mirror

    if starred is None and tags is None and remark is None:
        raise InputError("Say what to change: --star, --unstar, --tags or --note.")
    store = open_store()
    listed = None if tags is None else [tag for tag in tags.split(",") if tag.strip()]
    run = store.edit(store.get(run_id).id, starred=starred, tags=listed, remark=remark)
    if tags is not None or remark is not None:
        mirror.marked(run.id, store)
    click.echo(f"{run.name} ({run.id}): {'starred' if run.starred else 'no star'}; tags: {', '.join(run.tags) or 'none'}; "
               f"note: {run.remark or 'none'}", err=as_json)  # fmt: skip
    if as_json:
        print_json({"run_id": run.id, "name": run.name, **_marks(run)})


@main.command()
@click.argument("run_id")
@JSON
def show(run_id: str, as_json: bool) -> None:
    """Show one run."""
    from engine import config

    store = open_store()
    background.attend(store)
    run = store.get(run_id)
    if as_json:
        print_json({**report(run), "config": run.config, "facts": run.facts})
        return
    click.echo(_summary(run))
    click.echo(config.to_toml(config.parse(run.config)))


def _asking(want: str, text: str) -> None:
    @main.command(name={"run": "resume"}.get(want, want), help=text)
    @click.argument("run_id")
    @JSON
    def command(run_id: str, as_json: bool) -> None:
        store = open_store()
        background.attend(store)
        run = store.ask(store.get(run_id).id, want, limit=session_limit())
        if want in GOES_ON:
            background.ensure_daemon()
        _tell(run, as_json)


_asking("stop", "Stop a run after its current batch; its best model so far is kept, and it can be resumed.")
_asking("pause", "Pause a run and free its slot.")
_asking("step", "Train one more epoch, then pause.")
_asking("run", "Resume a paused, stopped, failed or crashed run from its checkpoint.")


@main.command()
def daemon() -> None:
    """Serve the queue until idle; pages and `submit` start it by themselves."""
    background.serve(settings())


def report(run: Run) -> dict[str, Any]:
    """What scripts read of a run."""
    empty: dict[str, Any] = {"metrics": {}, "baselines": {}, "best_epoch": None, "seconds_per_epoch": None, "peak_memory_mb": None}
    return {
        "run_id": run.id,
        "name": run.name,
        "state": run.state,
        "epochs": run.epoch,
        "device": run.device,
        "error": run.error,
        **_marks(run),
        **empty,
        **(run.summary or {}),
    }


def _marks(run: Run) -> dict[str, Any]:
    return {"starred": run.starred, "tags": run.tags, "note": run.remark}


def _tell(run: Run, as_json: bool) -> None:
    # Only what waits or runs has yet to do what it was asked to.
    asked = f" and asked to {run.want}" if run.want != "run" and run.state in ACTIVE else ""
    click.echo(f"{run.name} ({run.id}) is {run.state}{asked}", err=as_json)
    if run.state == "queued" and (trouble := background.trouble()):
        click.echo(trouble, err=True)
    if as_json:
        print_json({"run_id": run.id, "name": run.name, "state": run.state, "want": run.want})


def _summary(run: Run) -> str:
    test = (run.summary or {}).get("metrics", {}).get("test", {})
    numbers = "  ".join(f"{name} {value:.4f}" for name, value in test.items() if name in ("rmse", "rmse_clipped", "ndcg@10"))
    marks = "".join(f"  #{tag}" for tag in run.tags)
    return f"{run.id}  {'★' if run.starred else ' '}{run.name:<22} {run.state:<9} epoch {run.epoch:<4} {numbers}{run.error or ''}{marks}"
