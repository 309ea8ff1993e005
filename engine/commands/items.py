"""The command that tells what a model has learned of items."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from engine.commands.frame import JSON, main, open_store, print_json
from engine.errors import InputError
from engine.spreadsheets import to_csv


@main.command()
@click.argument("run_id", metavar="RUN", required=False)
@click.option("--dataset", help="Instead of a run: the SVD of all ratings of this dataset.")
@click.option("--item", help="Id or title of an item, whose neighbours are told.")
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True, help="Neighbours.")
@click.option("--fewest", type=click.IntRange(min=1), default=20, show_default=True, help="Ratings of an item that is looked at.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the map to this CSV file: one row per item, with its place.")
@JSON
def items(run_id: str | None, dataset: str | None, item: str | None, top: int, fewest: int, output: Path | None, as_json: bool) -> None:
    """Map the items by what a model has learned of them (the most rated ones, in two principal directions), and find neighbours."""
    from engine.item_map import distances, item_map, neighbours, principal

    if (run_id is None) == (dataset is None):
        raise InputError("Say whose factors: either a RUN or --dataset NAME.")
    if run_id is not None:
        from engine import experiment

        trained = experiment.load_model(open_store().get(run_id).id, open_store())
        factors, data = trained.model.item_factors(trained.split.visible), trained.split.interactions
    else:
        from engine.datasets import DatasetConfig, load
        from engine.decomposition import spectrum

        data = load(DatasetConfig(name=str(dataset)))
        factors = spectrum(data, "bias").model.item_factors(data.ratings)
    shown = item_map(factors, data).at_least(fewest)
    flat = principal(shown.factors)
    told = {"items": len(shown.table), "of": shown.there, "width": shown.factors.shape[1], "shares": [*flat.shares]}
    click.echo(f"{told['items']:,} of {told['of']:,} items; two directions hold {sum(flat.shares):.1%} of the variance", err=as_json)
    if output is not None:
        try:
            output.write_text(to_csv(shown.table.assign(x=flat.places[:, 0], y=flat.places[:, 1])), encoding="utf-8", newline="")
        except OSError as error:
            raise InputError(f"--output: {output} cannot be written ({error.strerror}).") from error
    near = []
    if item is not None:
        table = shown.table
        rows = np.flatnonzero((table["item"].astype(str) == item) | (table["title"].str.casefold() == item.casefold()))
        if not len(rows):
            raise InputError(f"'{item}' is no item with {fewest} ratings or more: write its id or its whole title, or lower --fewest.")
        found, cosines = neighbours(shown.factors, int(rows[0]), top)
        apart = distances(shown.factors, int(rows[0]), found)
        for place, cosine, distance in zip(found, cosines, apart, strict=True):
            one = table.iloc[place]
            near.append({"item": str(one["item"]), "title": str(one["title"]), "cosine": float(cosine), "distance": float(distance)})
            click.echo(f"{cosine:6.3f}  {one['title']}", err=as_json)
    if as_json:
        print_json({**told, "neighbours": near})
