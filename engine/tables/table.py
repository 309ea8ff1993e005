"""Reads assets/tables: one TOML file per published table or figure, with the configuration behind each row.

A row's configuration is the table's preset with the row's fields laid over it; the words of a table say where its protocol
differs from ours, and its claims are data, so that they can be checked on our figures as well.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from engine.config import merge, parse
from engine.errors import unknown
from engine.presets import preset, presets
from engine.tables.claims import Claim

FOLDER = Path(__file__).parents[2] / "assets" / "tables"
INHERITED = ("system", "metric", "beside", "published_metric", "published_on", "datasets")
"""What a table takes from the one that it is `like`, where it does not say otherwise. Their protocol sentences stand before its own."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Row(_Strict):
    """One row: the fields that it changes (`set`), and what they print, by the name of the figure.

    `quoted` rows have no configuration: the model is not built here, or the table is exact. In a sweep, `x` is the row's place on the
    table's `axis`, and `line` names the line that it is a point of, where there are several.
    """

    name: str
    set: dict[str, Any] = {}
    published: dict[str, float | int] = {}
    note: str = ""
    quoted: bool = False
    x: float | None = None
    line: str = ""


class Elsewhere(_Strict):
    """Another dataset for a table: what to know of it, fields that it sets after the rows' own, and further ones of single rows."""

    note: str
    set: dict[str, Any] = {}
    rows: dict[str, dict[str, Any]] = {}


class Leak(_Strict):
    """A row whose errors of reconstruction and of prediction are put side by side, and the published one of reconstruction (MSE)."""

    row: str
    published: float


class Table(_Strict):
    """One published table or figure.

    Attributes:
        system: 1 to 5, or "field" for figures of the literature.
        source: author and section.
        shows: two sentences: what it shows, and what to look for.
        preset: whose configuration the rows change; its dataset is the one that the table is filled on unless another is asked for.
        metric: ours that is their figure, on the test part; `beside`: further ones to show with it.
        published_metric: their definition, in words.
        published_on: the dataset of the published figures, by its registered name where it is one.
        protocol: sentences on how their protocol differs from ours.
        datasets: others that the table can be filled on, with their notes.
        exact: every figure is a sum to be done, not the result of a training.
        columns: width n of a row, for which they print parameter counts.
        reach: the validation metric whose first epoch is `epochs_to_reach`.
        folds: the repetitions are the folds of a k-fold split, and not seeds alone.
        leak: what the table teaches of reconstruction and prediction, where it does.
        axis: of a sweep, what its rows vary, with the unit; other tables are no sweeps.
    """

    name: str
    title: str
    system: Literal[1, 2, 3, 4, 5, "field"]
    source: str
    shows: str
    preset: str
    metric: str = "rmse"
    beside: tuple[str, ...] = ()
    published_metric: str
    published_on: str
    protocol: tuple[str, ...] = ()
    datasets: dict[str, Elsewhere] = {}
    exact: bool = False
    columns: int | None = None
    reach: float | None = None
    folds: int | None = None
    leak: Leak | None = None
    axis: str = ""
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...] = ()

    @property
    def dataset(self) -> str:
        """The dataset that the table is filled on unless another is asked for."""
        return preset(self.preset).values["dataset"]["name"]

    def row(self, name: str) -> Row:
        """The row of this name. Raises InputError when there is none."""
        for row in self.rows:
            if row.name == name:
                return row
        raise unknown(f"row of {self.name}", name, [row.name for row in self.rows])

    def config(self, row: Row, dataset: str | None = None, seed: int = 0) -> dict[str, Any]:
        """Nested configuration values of one row, validated.

        Args:
            dataset: any; what `datasets` sets for it holds. The table's own when None.
            seed: of the training, and the number of the repetition: of k folds, the (seed mod k)-th is the test.

        Raises:
            InputError: a field is wrong.
        """
        other = self.datasets.get(dataset or "", Elsewhere(note=""))
        values = preset(self.preset).values
        for changes in (row.set, other.set, other.rows.get(row.name, {})):
            values = merge(values, changes)
        values = merge(values, {"dataset.name": dataset or self.dataset, "training.seed": seed})
        if self.folds:
            values = merge(values, {"split.folds": self.folds, "split.fold": seed % self.folds})
        parse(values)
        return values

    def configs(self, dataset: str | None = None, seed: int = 0) -> dict[str, dict[str, Any]]:
        """`config` of every row that can be run, by its name."""
        return {row.name: self.config(row, dataset, seed) for row in self.rows if not row.quoted}


@cache
def tables() -> dict[str, Table]:
    """All tables by name, in the order of their presets."""
    raw = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.toml")}
    found = [Table(name=name, **_like(values, raw)) for name, values in raw.items()]
    place = list(presets()).index
    return {table.name: table for table in sorted(found, key=lambda table: (place(table.preset), table.name))}


def table(name: str) -> Table:
    """The table of this name. Raises InputError when there is none."""
    if name not in tables():
        raise unknown("table", name, tables())
    return tables()[name]


def _like(values: dict[str, Any], raw: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A file's values with those that it inherits."""
    values = dict(values)
    if model := values.pop("like", None):
        inherited = {field: raw[model][field] for field in INHERITED if field in raw[model]}
        values = {**inherited, **values, "protocol": [*raw[model].get("protocol", ()), *values.get("protocol", ())]}
    return values
