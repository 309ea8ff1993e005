"""Commands that take runs out of Encore: into a folder of their own, and to MLflow."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import click

from engine.commands.frame import JSON, main, open_store, print_json
from engine.errors import InputError
from engine.settings import settings
from engine.store import RunStore


@main.command()
@click.argument("run_id", metavar="RUN")
@click.option("-o", "--output", "folder", type=click.Path(path_type=Path), required=True, metavar="FOLDER", help="A new folder.")
@JSON
def export(run_id: str, folder: Path, as_json: bool) -> None:
    """Write a run as a folder: configuration, curves, weights, ids, and a script that scores by them without Encore."""
    from engine import export as exports

    run = exports.export(run_id, open_store(), folder)
    files = sorted(file.name for file in folder.iterdir())
    click.echo(f"{run.name} is in {folder}; {folder / 'score.py'} scores by it", err=as_json)
    if as_json:
        print_json({"run_id": run.id, "name": run.name, "folder": str(folder), "files": files})


@main.command()
@click.option("--artifacts", type=click.Path(path_type=Path), help="Folder of the runs' artifacts, where it is not the home folder's.")
def mirror(artifacts: Path | None) -> None:
    """Send the runs that wait for it to MLflow, until nothing is left to tell; runs start it by themselves."""
    from engine.mirror import VARIABLE, serve

    if not os.environ.get(VARIABLE):
        raise InputError(f"{VARIABLE} is not set: let it name an MLflow server, like http://127.0.0.1:5000.")
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)
    here = settings()
    serve(RunStore(here.store_url, artifacts or here.artifacts))
