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
from engine.settings import settings
from engine.store import Run


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
    run = open_store().create(wanted.model_dump(mode="json"))
    background.ensure_daemon()
    _tell(run, as_json)


@main.command("runs")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@JSON
def list_runs(limit: int, as_json: bool) -> None:
    """List the newest runs."""
    store = open_store()
    background.reconcile(store)
    found = store.list(limit=limit)
    for run in found:
        click.echo(_summary(run), err=as_json)
    if as_json:
        print_json({"runs": [report(run) for run in found]})


@main.command()
@click.argument("run_id")
@JSON
def show(run_id: str, as_json: bool) -> None:
    """Show one run."""
    from engine import config

    store = open_store()
    background.reconcile(store)
    run = store.get(run_id)
    if as_json:
        print_json({**report(run), "config": run.config, "facts": run.facts})
        return
    click.echo(_summary(run))
    click.echo(config.to_toml(config.parse(run.config)))


def _asking(want: str, text: str) -> None:
    @main.command(name="resume" if want == "run" else want, help=text)
    @click.argument("run_id")
    @JSON
    def command(run_id: str, as_json: bool) -> None:
        store = open_store()
        background.reconcile(store)
        run = store.ask(store.get(run_id).id, want)
        if want == "run":
            background.ensure_daemon()
        _tell(run, as_json)


_asking("stop", "Stop a run after its current batch; its best model so far is kept, and it can be resumed.")
_asking("pause", "Pause a run and free its slot.")
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
        **empty,
        **(run.summary or {}),
    }


def _tell(run: Run, as_json: bool) -> None:
    click.echo(f"{run.name} ({run.id}) is {run.state}" + (f" and asked to {run.want}" if run.want != "run" else ""), err=as_json)
    if as_json:
        print_json({"run_id": run.id, "name": run.name, "state": run.state, "want": run.want})


def _summary(run: Run) -> str:
    test = (run.summary or {}).get("metrics", {}).get("test", {})
    numbers = "  ".join(f"{name} {value:.4f}" for name, value in test.items() if name in ("rmse", "rmse_clipped", "ndcg@10"))
    return f"{run.id}  {run.name:<22} {run.state:<9} epoch {run.epoch:<4} {numbers}{run.error or ''}"
