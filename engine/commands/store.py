"""Commands that look after what Encore keeps."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from filelock import FileLock, Timeout

from engine import background, disk, upkeep
from engine.background.place import place
from engine.commands.frame import JSON, main, open_store, print_json
from engine.errors import Damaged, InputError
from engine.settings import Settings, settings
from engine.store import RunStore
from engine.store.artifacts import is_id

FILE = click.argument("file", type=click.Path(path_type=Path))


@main.group("store")
def look_after() -> None:
    """Check, back up, restore and clean up runs, their artifacts, uploads and presets."""


@look_after.command()
@JSON
def check(as_json: bool) -> None:
    """Compare everything that is kept with what it was when it was written. Exit code 1: something is damaged."""
    here = settings()
    try:
        found = upkeep.check(RunStore(here.store_url, here.artifacts), here)
    except Damaged as error:
        found = [upkeep.Finding("database", "run store", str(error))]
    for one in found:
        click.echo(one.sentence, err=as_json)
    if not found:
        click.echo("Everything is as it was written.", err=as_json)
    if as_json:
        print_json({"damaged": [one._asdict() for one in found]})
    sys.exit(1 if found else 0)


@look_after.command()
@FILE
@click.option("--force", is_flag=True, help="Replace FILE where there is one already.")
@JSON
def backup(file: Path, force: bool, as_json: bool) -> None:
    """Copy the database, the artifacts of all runs, the uploads and your own presets into FILE, a zip; runs may go on meanwhile."""
    here = settings()
    if file.exists() and not force:
        raise InputError(f"There is a file {file} already: name another one, or replace it with --force.")
    told = upkeep.back_up(RunStore(here.store_url, here.artifacts), here, file)
    held = f"{told['runs']:,} runs, {told['artifacts']:,} artifacts, {told['uploads']:,} files of uploads and {told['presets']:,} presets"
    click.echo(f"{held} are in {file} ({disk.size(told['bytes'])})", err=as_json)
    for name in told["left_out"]:
        click.echo(f"left out, for it is damaged: {name}", err=as_json)
    if as_json:
        print_json(told)


@look_after.command()
@FILE
@click.option("--run", "run", help="Put back the artifacts of this run alone, by its id; everything else stays.")
@JSON
def restore(file: Path, run: str | None, as_json: bool) -> None:
    """Put a backup back. The database that is there now is kept beside it under another name."""
    here = settings()
    if run is None:
        with _without_engine(here):
            found = upkeep.put_back(file, here)
    else:
        found = upkeep.put_back(file, here, run if is_id(run) else open_store().get(run).id)
    click.echo(f"{found['files']:,} files were put back from {file}", err=as_json)
    if found["former"]:
        click.echo(f"the database that was there is now {found['former']}", err=as_json)
    if run is None and (waiting := len(open_store().waiting())):
        click.echo(f"{waiting:,} of its runs wait, and are trained as soon as the app or a command that lists runs is started", err=as_json)
    if as_json:
        print_json(found)


@contextlib.contextmanager
def _without_engine(here: Settings) -> Iterator[None]:
    """No engine serves the store, and none begins before the block ends. Raises InputError where one is at work."""
    told = background.daemon_process(here)
    lock = FileLock(place(here).lock, fallback_to_soft=False)
    if told is not None:
        raise InputError(f"The engine is at work (process {told}): pause or stop its runs and end it by `kill {told}`, then restore.")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError("An engine that begins or ends, or another restore, is at work on this store: try again in a moment.") from None
    try:
        yield
    finally:
        lock.release()


@look_after.command()
@click.option("--preview", is_flag=True, help="Only list what would go.")
@click.option("--former", is_flag=True, help="Also databases that a restore has replaced.")
@click.option("--orphans", is_flag=True, help="Also artifacts of no run in this store; of another store that shares the folder, too.")
@click.option("--weights-older", "days", type=click.FloatRange(min=0), metavar="DAYS", help="Also weights of runs that ended earlier.")
@JSON
def clean(preview: bool, former: bool, orphans: bool, days: float | None, as_json: bool) -> None:
    """Remove what nobody would miss: caches, drafts of killed processes, damaged artifacts that were set aside."""
    here, kinds = settings(), [*upkeep.USUAL]
    kinds += [kind for kind, wanted in (("former", former), ("orphans", orphans), ("weights", days is not None)) if wanted]
    some = upkeep.scraps(open_store(), here, kinds, days)
    for one in some:
        click.echo(f"{disk.size(one.bytes):>9}  {one.kind:<8}  {one.about}", err=as_json)
    total = sum(one.bytes for one in some)
    freed = 0 if preview else upkeep.remove(some)
    quota = f" of at most {disk.size(here.quota)}" if here.quota else ""
    held = f"Encore's folder holds {disk.size(disk.taken(here.home))}{quota}"
    click.echo(f"{disk.size(total)} {'would become' if preview else 'became'} free; {held}", err=as_json)
    if as_json:
        listed: list[dict[str, Any]] = [{"kind": one.kind, "bytes": one.bytes, "about": one.about, "path": str(one.path)} for one in some]
        print_json({"preview": preview, "bytes": total, "freed": freed, "found": listed})
