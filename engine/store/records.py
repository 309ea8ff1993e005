"""What a run writes as it trains: points of curves, top lists, log lines."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from engine.files import no_room
from engine.store import tables
from engine.store.database import LAST_MOMENT, Database

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger("encore.store")
_METRICS = {"step": "int64", "name": "str", "value": "float64", "epoch": "float64", "seconds": "float64"}
_KINDS: tuple[Any, ...] = (int, str, (float, int, type(None)), (float, int), (float, int))


class MetricRow(NamedTuple):
    """One measured value: at optimizer step `step`, after `epoch` epochs (a fraction within one) and `seconds` of training."""

    step: int
    name: str
    value: float
    epoch: float
    seconds: float


class Records(Database):
    """Rows under a run's id. Reading never waits for a writer."""

    def __init__(self, url: str, *, patience: float = 0.0, create: bool = True) -> None:
        super().__init__(url, patience=patience, create=create)
        self._unwritten: dict[str, list[MetricRow]] = {}

    def add_metrics(self, run_id: str, rows: Iterable[MetricRow]) -> bool:
        """Insert rows, or replace those of the same step and name: to write them twice is harmless.

        A database that does not take them, even after retries, does not end the training: the rows are kept in memory,
        reported in the process's log, and written with the next call, with `save` or with `finish`.

        Returns:
            Whether everything is in the database now.

        Raises:
            OperationalError: the disk is full.
        """
        pending = self._unwritten.setdefault(run_id, [])
        # Plain numbers, for a database driver takes no numpy ones.
        pending.extend(MetricRow(int(row[0]), row[1], float(row[2]), float(row[3]), float(row[4])) for row in rows)
        # The last one wins within a batch too, which PostgreSQL asks for.
        values = {
            (row.step, row.name): {**row._asdict(), "run_id": run_id, "value": None if math.isnan(row.value) else row.value}
            for row in pending
        }
        if not values:
            return True
        try:
            self._upsert(tables.metrics, list(values.values()))
        except OperationalError as error:
            if no_room(error):
                raise
            _log.warning("%d metric rows of run %s wait for the database: %s", len(pending), run_id, error.orig)
            return False
        pending.clear()
        return True

    def _written(self, run_id: str) -> bool:
        """Write the points that still wait, for the last time; whether all are in the database."""
        if self._unwritten.get(run_id):
            with suppress(OperationalError):
                self.add_metrics(run_id, [])
        return not self._unwritten.pop(run_id, None)

    def metrics(self, run_id: str, after_step: int = -1, names: Collection[str] | None = None) -> pd.DataFrame:
        """Columns step, name, value, epoch, seconds; the rows after a step, sorted by step and name."""

        table = tables.metrics.c
        query = sa.select(table.step, table.name, table.value, table.epoch, table.seconds)
        query = query.where(table.run_id == run_id, table.step > after_step).order_by(table.step)
        if names is not None:
            query = query.where(table.name.in_(tuple(names)))
        rows = self._read(lambda connection: connection.execute(query).all())
        try:
            return _curve(rows)
        except (ValueError, TypeError, OverflowError):
            whole = [row for row in rows if all(isinstance(value, kinds) for value, kinds in zip(row, _KINDS, strict=True))]
            _log.warning("%d metric rows of run %s are damaged and left out", len(rows) - len(whole), run_id)
            return _curve(whole)

    def add_list(self, run_id: str, epoch: int, model: str, user_id: str, items: Sequence[dict[str, Any]]) -> None:
        """Keep the top list that a model gave a user after an epoch; one of the same epoch, model and user is replaced."""
        self._upsert(tables.lists, [{"run_id": run_id, "epoch": epoch, "model": model, "user_id": user_id, "items": [*items]}])

    def lists(self, run_id: str, user_id: str | None = None, last: int | None = None) -> Sequence[dict[str, Any]]:
        """Top lists by epoch, as {"epoch", "model", "user_id", "items"}; with `last`, the latest so many per model and user."""
        table = tables.lists.c
        place = sa.func.row_number().over(partition_by=(table.model, table.user_id), order_by=table.epoch.desc())
        inner = sa.select(table.epoch, table.model, table.user_id, table["items"], place.label("place")).where(table.run_id == run_id)
        if user_id is not None:
            inner = inner.where(table.user_id == user_id)
        found = inner.subquery().c
        query = sa.select(found.epoch, found.model, found.user_id, found["items"]).order_by(found.epoch)
        if last is not None:
            query = query.where(found.place <= last)
        rows = self._read(lambda connection: [dict(row) for row in connection.execute(query).mappings()])
        whole = [row for row in rows if isinstance(row["epoch"], int) and _is_list(row["items"])]  # bits flip
        return sorted(whole, key=itemgetter("epoch", "model", "user_id"))

    def log(self, run_id: str, text: str) -> None:
        """Append a line to the run's log."""
        self._write(lambda connection: connection.execute(tables.logs.insert().values(run_id=run_id, time=time.time(), text=text)))

    def logs(self, run_id: str, last: int = 50) -> Sequence[tuple[float, str]]:
        """The latest lines of the run's log, oldest first: (seconds since 1970, text)."""
        table = tables.logs.c
        query = sa.select(table.time, table.text).where(table.run_id == run_id).order_by(table.number.desc()).limit(last)
        rows = self._read(lambda connection: [(row.time, row.text) for row in connection.execute(query)][::-1])
        return [(moment, text) for moment, text in rows if isinstance(text, str) and _is_moment(moment)]  # bits flip


def _curve(rows: Sequence[Any]) -> pd.DataFrame:
    """Metric rows in order; by name not in the query, for each database has an alphabet of its own."""
    import pandas as pd

    return pd.DataFrame(sorted(rows, key=itemgetter(0, 1)), columns=[*_METRICS]).astype(_METRICS)


def _is_list(items: Any) -> bool:
    """Whether these are titles of a list, each with its score."""
    return isinstance(items, list) and all(isinstance(item, dict) and item.keys() >= {"item"} for item in items)


def _is_moment(value: Any) -> bool:
    return isinstance(value, float) and 0 <= value < LAST_MOMENT
