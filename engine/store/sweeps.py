"""Sweeps as rows: one of its own for each, and marks on the runs that are its trials."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from engine.errors import InputError
from engine.store import names, tables
from engine.store.database import Database
from engine.store.rows import run_of, sound
from engine.store.states import ACTIVE, Run, answer

SWEEP_STATES = ("running", "paused", "stopped", "finished", "failed")
_SWEEP, _RUN = tables.sweeps.c, tables.runs.c


@dataclass(frozen=True)
class Sweep:
    """One row: a search over settings.

    Attributes:
        id: 12 hexadecimal digits.
        name: its sampler, an animal and a number.
        state: one of `SWEEP_STATES`.
        config: what it searches, see `engine.sweeps.SweepConfig`.
        metric: the validation metric that it goes by; None until its first run has told it.
        error: one sentence, of a failed one.
        created, finished: seconds since 1970.
        asked: so many trials were begun; they are numbered from 0.
        seconds: for how long it has been led, pauses not counted.
        owner: of its runs in the queue, see `Run.owner`.
        most: of its owner's runs that may wait or run; None without a limit.
    """

    id: str
    name: str
    state: str
    config: dict[str, Any]
    metric: str | None
    error: str | None
    created: float
    finished: float | None
    asked: int
    seconds: float
    owner: str
    most: int | None


class Place(NamedTuple):
    """Where in a sweep a run belongs: the sweep's id, the number of the trial and of its repetition."""

    sweep: str
    trial: int
    repeat: int


class TakenError(Exception):
    """A place of a sweep is not free, or the sweep does not run any more."""


@dataclass(frozen=True)
class TrialRun:
    """As much of a run as its sweep needs.

    Attributes:
        settings: the values of the sweep's fields.
        value: of the sweep's metric, once it has finished.
        pruned: the epoch after which the sweep stopped it, where it did, and the metric then.
        monitor: the metric that picks its epochs, once it has begun.
    """

    id: str
    name: str
    trial: int
    repeat: int
    state: str
    epoch: int
    epochs: int
    error: str | None
    finished: float | None
    settings: dict[str, Any]
    value: float | None
    pruned: tuple[int, float] | None
    monitor: str | None


_COLUMNS = [tables.sweeps.c[field.name] for field in fields(Sweep)]
_RUN_COLUMNS = [tables.runs.c[field.name] for field in fields(Run)]


class Sweeps(Database):
    """Every method is one short transaction."""

    def create_sweep(
        self, config: Mapping[str, Any], kind: str, metric: str | None = None, *, owner: str = "", most: int | None = None
    ) -> Sweep:
        """Insert a sweep that runs from now on; its name begins with its kind."""
        values = {"state": "running", "config": dict(config), "metric": metric, "created": time.time(), "owner": owner, "most": most}
        for _ in range(100):
            # Not the global generator: it must not move anybody's seeded stream.
            name = f"{kind}-{names.propose().split('-')[1]}-{random.SystemRandom().randint(1, 99)}"
            row = {**values, "id": secrets.token_hex(6), "name": name}
            insert = tables.sweeps.insert().values(**row).returning(*_COLUMNS)

            def add(connection: sa.Connection, insert: Any = insert) -> Sweep:
                return Sweep(*connection.execute(insert).one())

            try:
                return self._write(add)
            except IntegrityError:  # the name is taken
                continue
        raise InputError("No free name for a sweep was found.")

    def get_sweep(self, sweep: str) -> Sweep:
        """The sweep with this id or name.

        Raises:
            InputError: there is none.
        """
        return self._read(lambda connection: _one(connection, sweep))

    def sweeps(self, states: Iterable[str] | None = None, limit: int | None = None, *, ended_after: float | None = None) -> list[Sweep]:
        """Sweeps, newest first, in any state or in these, whenever they ended or after this moment."""
        query = sa.select(*_COLUMNS).order_by(_SWEEP.number.desc()).limit(limit)
        if states is not None:
            query = query.where(_SWEEP.state.in_(tuple(states)))
        if ended_after is not None:
            query = query.where(_SWEEP.finished > ended_after)
        return self._read(lambda connection: [Sweep(*row) for row in connection.execute(query)])

    def any_sweep_runs(self) -> bool:
        """Whether some sweep is to be led."""
        query = sa.select(_SWEEP.id).where(_SWEEP.state == "running").limit(1)
        return self._read(lambda connection: connection.execute(query).first()) is not None

    def trial_runs(self, sweep: Sweep, paths: Sequence[str]) -> list[TrialRun]:
        """The runs of a sweep by trial and repetition, with the values of these fields of their configurations."""
        columns = [_RUN.id, _RUN.name, _RUN.trial, _RUN.repeat, _RUN.state, _RUN.epoch, _RUN.epochs, _RUN.error, _RUN.finished]

        def look(connection: sa.Connection) -> list[TrialRun]:
            config, facts, summary = (sound(connection, column) for column in (_RUN.config, _RUN.facts, _RUN.summary))
            value = summary["metrics", "validation", sweep.metric or ""].as_float()
            pruned = [facts["pruned", "epoch"].as_integer(), facts["pruned", "value"].as_float()]
            settings = [config[tuple(path.split("."))] for path in paths]
            query = sa.select(*columns, value, *pruned, facts["monitor"].as_string(), *settings)
            query = query.where(_RUN.sweep == sweep.id).order_by(_RUN.trial, _RUN.repeat)
            return [_trial_run(row, paths) for row in connection.execute(query)]

        return self._read(look)

    def runs_of(self, sweep_id: str) -> list[Run]:
        """The runs of a sweep in full, newest first."""
        query = sa.select(*_RUN_COLUMNS).where(_RUN.sweep == sweep_id).order_by(_RUN.number.desc())
        return self._read(lambda connection: [run_of(row) for row in connection.execute(query)])

    def by_epoch(self, run_ids: Sequence[str], name: str) -> dict[str, dict[int, float]]:
        """A metric of runs after each of their epochs, in order: run → epoch → value, without those that are no number."""
        table, found = tables.metrics.c, dict[str, dict[int, float]]()
        query = sa.select(table.run_id, table.epoch, table.value).where(table.run_id.in_(run_ids), table.name == name)
        for run_id, epoch, value in self._read(lambda connection: connection.execute(query.order_by(table.step)).all()):
            if value is not None:
                found.setdefault(run_id, {})[round(epoch)] = value
        return found

    def change_sweep(self, sweep_id: str, **values: Any) -> bool:
        """Change columns of a sweep that runs; False where it does not run any more."""
        change = tables.sweeps.update().where(_SWEEP.id == sweep_id, _SWEEP.state == "running").values(**values)
        return self._write(lambda connection: connection.execute(change).rowcount > 0)

    def end_sweep(self, sweep_id: str, state: str, error: str | None = None) -> bool:
        """End a sweep that runs as `finished` or `failed`, its runs with it; False where it does not run any more."""

        def end(connection: sa.Connection) -> bool:
            values = {"state": state, "error": error, "finished": time.time()}
            change = tables.sweeps.update().where(_SWEEP.id == sweep_id, _SWEEP.state == "running").values(**values)
            if not connection.execute(change).rowcount:
                return False
            _tell_runs(connection, sweep_id, "stop")
            return True

        return self._write(end)

    def ask_sweep(self, sweep: str, want: str) -> Sweep:
        """Tell a sweep and its runs to `run`, `pause` or `stop`; the row of one that does so already is left as it is.

        A pause or a stop reaches every run of it that waits or runs, and `run` every one that was paused or stopped by it or by a
        person, but none that was pruned.

        Raises:
            InputError: there is no such sweep, or it has ended.
        """
        wanted = {"run": "running", "pause": "paused", "stop": "stopped"}
        if want not in wanted:
            raise InputError(f"A sweep can be told to run, pause or stop, not to '{want}'.")

        def change(connection: sa.Connection) -> Sweep:
            found = _one(connection, sweep, lock=True)
            if found.state in ("finished", "failed"):
                raise InputError(f"Sweep '{found.name}' has {found.state}: start a new one to try more.")
            _tell_runs(connection, found.id, want)
            if found.state == wanted[want]:
                return found
            values = {"state": wanted[want], "finished": None if want == "run" else time.time()}
            update = tables.sweeps.update().where(_SWEEP.id == found.id).values(**values).returning(*_COLUMNS)
            return Sweep(*connection.execute(update).one())

        return self._write(change)

    def _take(self, connection: sa.Connection, place: Place) -> None:
        """Hold a place within the transaction that inserts its run; a new trial is counted. Raises TakenError."""
        change = tables.sweeps.update().where(_SWEEP.id == place.sweep, _SWEEP.state == "running", _SWEEP.asked >= place.trial)
        asked = sa.case((_SWEEP.asked == place.trial, place.trial + 1), else_=_SWEEP.asked)
        there = sa.select(_RUN.id).where(_RUN.sweep == place.sweep, _RUN.trial == place.trial, _RUN.repeat == place.repeat)
        if not connection.execute(change.values(asked=asked)).rowcount or connection.execute(there).one_or_none():
            raise TakenError(f"{place} is not free")

    def prune(self, run_id: str, epoch: int, value: float) -> None:
        """Stop a run of a sweep, and keep after which epoch that was, and its metric then; nothing happens to one that has ended."""

        def change(connection: sa.Connection) -> None:
            query = sa.select(*_RUN_COLUMNS).where(_RUN.id == run_id, _RUN.state.in_((*ACTIVE, "paused"))).with_for_update()
            row = connection.execute(query).one_or_none()
            if row is not None:
                run = run_of(row)
                values = {**answer(run, "stop"), "facts": {**(run.facts or {}), "pruned": {"epoch": epoch, "value": value}}}
                connection.execute(tables.runs.update().where(_RUN.id == run_id).values(**values))

        self._write(change)


def _tell_runs(connection: sa.Connection, sweep_id: str, want: str) -> None:
    """Tell the runs of a sweep that can hear it; those that were pruned stay as they are."""
    reached = ("paused", "stopped", "running") if want == "run" else (*ACTIVE, "paused")
    query = sa.select(*_RUN_COLUMNS).where(_RUN.sweep == sweep_id, _RUN.state.in_(reached)).with_for_update()
    for run in (run_of(row) for row in connection.execute(query).all()):
        if "pruned" not in (run.facts or {}) and (values := answer(run, want)):
            connection.execute(tables.runs.update().where(_RUN.id == run.id).values(**values))


def _one(connection: sa.Connection, sweep: str, *, lock: bool = False) -> Sweep:
    query = sa.select(*_COLUMNS).where(sa.or_(_SWEEP.id == sweep, _SWEEP.name == sweep))
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise InputError(f"There is no sweep '{sweep}'.")
    return Sweep(*row)


def _trial_run(row: Any, paths: Sequence[str]) -> TrialRun:
    run_id, name, trial, repeat, state, epoch, epochs, error, finished, value, pruned, then, monitor, *settings = row
    known = {path: one for path, one in zip(paths, settings, strict=True) if one is not None}
    value = value if state == "finished" else None
    last = None if pruned is None else (int(pruned), float(then))
    return TrialRun(run_id, name, trial, repeat, state, epoch, epochs, error, finished, known, value, last, monitor)
