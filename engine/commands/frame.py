"""What every command stands in: the group, its options, how a mistake and a result are told."""

from __future__ import annotations

import json
import math
from typing import Any

import click

from engine.errors import InputError
from engine.settings import settings
from engine.store import Away, RunStore, opened, why_away

JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line of stdout.")


class Commands(click.Group):
    """Turns a caller's mistake into one sentence on stderr and exit code 2, a store that does not answer into one and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except InputError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(2)
        except Away as error:
            click.echo(f"Error: {why_away(error)}", err=True)
            ctx.exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Encore, a lab for autoencoder recommenders."""


LOOK_SECONDS = 0.25
"""A command is to answer at once; `store check` looks at everything."""


def open_store() -> RunStore:
    """The run store of the settings in force. Raises InputError where it cannot be opened, Damaged where it is seen to be damaged."""
    here = settings()
    return opened(here.store_url, here.artifacts, LOOK_SECONDS)


def print_json(result: dict[str, Any]) -> None:
    click.echo(json.dumps(_without_nan(result), ensure_ascii=False))


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: null stands for it."""
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
