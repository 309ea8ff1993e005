"""The command that looks at a person's own ratings file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from engine.commands.frame import JSON, main, print_json
from engine.commands.options import assigned
from engine.errors import InputError


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--set", "fields", multiple=True, metavar="dataset.FIELD=VALUE", help="How to read it, like dataset.faulty=leave-out.")
@click.option("--save", is_flag=True, help="Keep its ratings as a dataset, as the Data page does.")
@JSON
def look(file: Path, fields: tuple[str, ...], save: bool, as_json: bool) -> None:
    """Tell what is understood of a ratings file, and what becomes of each of its rows."""
    from engine import config, datasets
    from engine.datasets.faults import shown

    values = config.merge({}, assigned(fields))
    if other := set(values) - {"dataset"}:
        raise InputError(f"look takes fields of the section dataset only, not of {min(other)}.")
    told = config.parse(values).dataset.model_dump(exclude={"name"})
    reading = datasets.Reading.model_validate(told)
    seen = datasets.preview(file, reading=reading)
    for what, how in seen.understood.items():
        click.echo(f"{what}: {how}", err=as_json)
    columns = ", ".join(f"{role} = {shown(column)}" for role, column in seen.mapping.items() if column)
    click.echo(f"Columns: {columns or 'none was recognised'}", err=as_json)
    if seen.account:
        click.echo(str(seen.account), err=as_json)
        for line, why in seen.account.examples.items():
            click.echo(f"  line {line} {why}", err=as_json)
    for remark in seen.remarks:
        click.echo(remark, err=as_json)
    if seen.problem:
        raise InputError(seen.problem)
    name = datasets.save_upload(file.name, file.read_bytes(), reading) if save else None
    if name:
        click.echo(f"Saved as {name}", err=as_json)
    if as_json:
        account = asdict(seen.account) if seen.account else None
        found = {"understood": seen.understood, "columns": seen.mapping, "account": account, "scale": seen.scale, "name": name}
        print_json({**found, "users": seen.users, "items": seen.items, "remarks": seen.remarks})
