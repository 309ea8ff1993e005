"""The run store: the only door to the database and to the artifacts. Safe for many processes and threads.

Every method is one short transaction. Only the process that claimed a run can beat and finish it: once the run was
taken from that process (it was thought dead, or was killed), its `beat` answers "stop" and its `finish` does nothing.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError

from engine.errors import InputError
from engine.processes import Identity, current
from engine.store import artifacts, marks, names, tables
from engine.store.line import Line
from engine.store.rows import run_of, usable
from engine.store.shelf import Shelf
from engine.store.states import ACTIVE, GOES_ON, STATES, STRIKES, Run, Wish, answer
from engine.store.sweeps import Place, Sweeps

Runs = list[Run]
_COLUMNS = [tables.runs.c[field.name] for field in fields(Run)]
_RUN = tables.runs.c


class RunStore(Shelf, Line, Sweeps):
    """Runs, their rows and their artifacts, the line of those that wait, and sweeps.

    Args:
        url: an SQLAlchemy URL: `sqlite:////abs/path.db`, `postgresql+psycopg://...`.
        artifacts: the folder of the runs' folders.
        patience: as of `Database`.
        create: as of `Database`.

    Raises:
        InputError: the URL is no store's, cannot be opened, or a newer Encore wrote it.
    """

    def __init__(self, url: str, artifacts: Path, *, patience: float = 0.0, create: bool = True) -> None:
        super().__init__(url, artifacts, patience=patience, create=create)
        self._claims: dict[str, Identity] = {}

    # --- runs: made, read, deleted ---

    def create(
        self,
        config: dict[str, Any],
        *,
        queue: str = "daemon",
        watch_user: str | None = None,
        want: str = "run",
        owner: str = "",
        limit: int | None = None,
        place: Place | None = None,
    ) -> Run:
        """Insert a queued run. A foreground run is bound to this process, which is to claim it.

        Args:
            owner: who takes turns with others in the queue, see `Run.owner`.
            limit: of the owner's runs that wait or run, this one included.
            place: in a sweep, where it belongs to one.

        Raises:
            InputError: the owner has that many already.
            TakenError: the place is not free, or its sweep does not run any more.
        """
        training = config.get("training")
        values: dict[str, Any] = {
            "id": secrets.token_hex(6),
            "state": "queued",
            "config": config,
            "want": want,
            "queue": queue,
            "created": time.time(),
            "epochs": (training.get("epochs") if isinstance(training, dict) else None) or 0,
            "watch_user": watch_user,
            "owner": owner,
        }
        if queue == "foreground":
            values.update(_owner(current()))
        values |= place._asdict() if place else {}

        def insert(connection: sa.Connection) -> Run:
            self._check_room(connection, owner, limit)
            if place:
                self._take(connection, place)
            return run_of(connection.execute(tables.runs.insert().values(**values).returning(*_COLUMNS)).one())

        for _ in range(100):
            values["name"] = names.propose()
            try:
                return self._write(insert)
            except IntegrityError:  # the name is taken, or the connection was lost just after the run had been inserted
                if (run := self.find(values["id"])) is not None:
                    return run
        raise InputError("No free run name was found: delete runs that are no longer needed.")

    def get(self, run: str) -> Run:
        """The run with this id or name.

        Raises:
            InputError: there is none.
        """
        return self._read(lambda connection: self._get(connection, run))

    def find(self, run: str) -> Run | None:
        """As `get`, but None if there is none."""
        try:
            return self.get(run)
        except InputError:
            return None

    def list(
        self, states: Iterable[str] | None = None, limit: int | None = None, *, queue: str | None = None, ended_after: float | None = None
    ) -> Runs:
        """Runs, newest first, of any state or of these, of any queue or of this one, whenever they ended or after this moment."""
        query = sa.select(*_COLUMNS).order_by(_RUN.number.desc()).limit(limit)
        if states is not None:
            query = query.where(_RUN.state.in_(tuple(states)))
        if queue is not None:
            query = query.where(_RUN.queue == queue)
        if ended_after is not None:
            query = query.where(_RUN.finished > ended_after)
        return self._read(lambda connection: [run for row in connection.execute(query) if usable(run := run_of(row))])

    def counts(self) -> dict[str, int]:
        """How many runs are in each of `STATES`."""
        query = sa.select(_RUN.state, sa.func.count()).group_by(_RUN.state)
        found = {row[0]: row[1] for row in self._read(lambda connection: connection.execute(query).all())}
        return {state: found.get(state, 0) for state in STATES}

    def delete(self, run_id: str) -> None:
        """Remove a run, its rows and its artifacts.

        Raises:
            InputError: it is running, or there is none.
        """

        def remove(connection: sa.Connection) -> Run:
            run = self._get(connection, run_id, lock=True)
            if run.state == "running":
                raise InputError(f"Run '{run.name}' is running: stop it before you delete it.")
            connection.execute(tables.runs.delete().where(_RUN.id == run.id))
            return run

        artifacts.remove(self.artifacts, self._write(remove).id)

    # --- what people want ---

    def ask(self, run_id: str, want: str, *, limit: int | None = None) -> Run:
        """Tell a run to `run`, to `step` (one more epoch, then pause), `pause` or `stop`; a run that does so already is left as it is.

        Args:
            limit: of its owner's runs that wait or run, where it is to go on.

        Returns:
            The run as it now is. A running one obeys at its next batch.

        Raises:
            InputError: the run's state does not allow it, or the limit.
        """
        if want not in (*GOES_ON, "pause", "stop"):
            raise InputError(f"A run can be told to run, step, pause or stop, not to '{want}'.")

        def change(connection: sa.Connection) -> Run:
            run = self._get(connection, run_id, lock=True)
            values = answer(run, want)
            if not values:
                return run
            if values.get("state") == "queued":
                self._check_room(connection, run.owner, limit)
            return run_of(connection.execute(tables.runs.update().where(_RUN.id == run.id).values(**values).returning(*_COLUMNS)).one())

        return self._write(change)

    def edit(self, run_id: str, *, starred: bool | None = None, tags: Iterable[str] | None = None, remark: str | None = None) -> Run:
        """Mark and write on a run, whatever its state; what is None stays as it was.

        Returns:
            The run as it now is.

        Raises:
            InputError: there is no such run, or a tag or the note is none that is kept, see `engine.store.marks`.
        """
        values: dict[str, Any] = {} if starred is None else {"starred": bool(starred)}
        if tags is not None:
            values["tags"] = marks.checked_tags(tags)
        if remark is not None:
            values["remark"] = marks.checked_remark(remark)
        if not values:
            return self.get(run_id)
        changed = self._update(run_id, values)
        if not changed:
            raise InputError(f"There is no run '{run_id}'.")
        return changed[0]

    def tags(self) -> Sequence[str]:
        """Every tag that some run has, sorted as people sort."""
        found = self._read(lambda connection: connection.execute(sa.select(_RUN.tags)).scalars().all())
        lists = [tags for tags in found if isinstance(tags, list)]
        return sorted({tag for tags in lists for tag in tags if isinstance(tag, str)}, key=str.casefold)

    def watch(self, run_id: str, user_id: str | None) -> None:
        """Name the user whose top list the run is to write as it trains."""
        self._update(run_id, {"watch_user": user_id})

    # --- the run's own process ---

    def claim(self, run_id: str, identity: Identity | None = None) -> bool:
        """Take a queued run for a process (default: this one). Of all that try, exactly one gets True."""
        identity = identity or current()
        now = time.time()
        values = {
            "state": "running",
            "attempts": _RUN.attempts + 1,
            "started": now,
            "heartbeat": now,
            "finished": None,
            "error": None,
            **_owner(identity),
        }
        if self._update(run_id, values, _RUN.state == "queued", _RUN.want.in_(GOES_ON)):
            self._claims[run_id] = identity
            return True
        return False

    def beat(
        self,
        run_id: str,
        *,
        epoch: int | None = None,
        step: int | None = None,
        epochs: int | None = None,
        device: str | None = None,
        note: str | None = None,
    ) -> Wish:
        """Say that the run lives and how far it is, and hear what is wanted of it; what is None stays as it was.

        Returns:
            The wish; "stop" also when the run is no longer this process's own.
        """
        told = {"epoch": epoch, "step": step, "epochs": epochs, "device": device, "note": note}
        values = {"heartbeat": time.time(), **{name: value for name, value in told.items() if value is not None}}
        rows = self._update(run_id, values, _RUN.state == "running", *self._mine(run_id))
        return Wish(rows[0].want, rows[0].watch_user) if rows else Wish("stop", None)

    def vouch(self, run_id: str) -> None:
        """Say that a run on this machine lives, for whoever looks after its process, which may be too busy to `beat`."""
        self._update(run_id, {"heartbeat": time.time()}, _RUN.state == "running", _RUN.host == current().host)

    def add_facts(self, run_id: str, facts: dict[str, Any]) -> None:
        """Merge what became known of the run into `Run.facts`, key by key; NaN becomes None."""

        def merge(connection: sa.Connection) -> None:
            known = self._get(connection, run_id, lock=True).facts or {}
            connection.execute(tables.runs.update().where(_RUN.id == run_id).values(facts={**known, **facts}))

        self._write(merge)

    def finish(self, run_id: str, state: str, *, summary: dict[str, Any] | None = None, error: str | None = None) -> None:
        """End the running attempt in `state`. What was wanted meanwhile wins: a daemon's run that paused or stopped while
        a person asked it to go on is queued again, and one that paused while a stop was asked is stopped."""
        if state not in STATES or state in ACTIVE:
            raise ValueError(f"a run cannot end as '{state}'")
        missing = not self._written(run_id)
        ends: Any = state
        if state in ("paused", "stopped"):
            again = sa.and_(_RUN.want == "run", _RUN.queue == "daemon")
            ends = sa.case((again, "queued"), (_RUN.want == "stop", "stopped"), else_=state)
        values: dict[str, Any] = {"state": ends, "error": error, "finished": time.time()}
        if summary is not None:
            values["summary"] = summary
        self._update(run_id, values, _RUN.state == "running", *self._mine(run_id), last=True)
        self._claims.pop(run_id, None)
        if missing:
            with suppress(OperationalError):
                self.log(run_id, "Some points of the curves could not be written to the database and are missing.")

    # --- a process that is gone, or is to go ---

    def lose(self, run: Run, reason: str, *, then: Literal["queued", "crashed", "failed"] = "queued") -> Run | None:
        """Settle a run whose process is gone: stopped or paused if that was wanted, else as `then` says.

        Args:
            run: the row as it was read; nothing happens if it has changed hands since.
            reason: a sentence, for the log and for the error of a crashed or failed run.
            then: "queued" to go on from its checkpoint, which becomes "crashed" when the run was lost `STRIKES` times without a
                new epoch or belongs to no queue; "failed" where another try would end alike.

        Returns:
            The run as it now is, or None if it was no longer the one.
        """

        def settle(connection: sa.Connection) -> Run | None:
            row = connection.execute(
                sa.select(*_COLUMNS, _RUN.mark).where(_RUN.id == run.id, _RUN.state == run.state, *_same(run.process)).with_for_update()
            ).one_or_none()
            if row is None:
                return None
            strikes = 1 if row.epoch > row.mark else row.strikes + 1
            values: dict[str, Any] = {"strikes": strikes, "mark": row.epoch, "finished": time.time(), "error": None, "slot": None}
            if row.want not in GOES_ON:
                values["state"] = "stopped" if row.want == "stop" else "paused"
            elif then == "failed":
                values |= {"state": "failed", "error": reason}
            elif row.queue == "daemon" and then == "queued" and strikes < STRIKES:
                values["state"] = "queued"
            else:
                tried = f" That happened {strikes} times without a new epoch." if strikes >= STRIKES else ""
                values |= {"state": "crashed", "error": f"{reason}{tried} Resume it to go on from its last checkpoint."}
            connection.execute(tables.logs.insert().values(run_id=run.id, time=time.time(), text=f"{reason} Now {values['state']}."))
            return run_of(connection.execute(tables.runs.update().where(_RUN.id == run.id).values(**values).returning(*_COLUMNS)).one())

        return self._write(settle, last=True)

    def _get(self, connection: sa.Connection, run: str, *, lock: bool = False) -> Run:
        query = sa.select(*_COLUMNS).where(sa.or_(_RUN.id == run, _RUN.name == run))
        row = connection.execute(query.with_for_update() if lock else query).one_or_none()
        if row is None:
            raise InputError(f"There is no run '{run}'.")
        return run_of(row)

    def _update(self, run_id: str, values: dict[str, Any], *where: sa.ColumnElement[bool], last: bool = False) -> Runs:
        """One conditional UPDATE … RETURNING; the run as it now is, or nothing. `last`: as in `_write`."""
        statement = tables.runs.update().where(_RUN.id == run_id, *where).values(**values).returning(*_COLUMNS)
        return self._write(lambda connection: [run_of(row) for row in connection.execute(statement).all()], last=last)

    def _mine(self, run_id: str) -> Sequence[sa.ColumnElement[bool]]:
        claim = self._claims.get(run_id)
        return _same(claim) if claim else ()


def _owner(identity: Identity) -> dict[str, Any]:
    return {"host": identity.host, "pid": identity.pid, "process_started": identity.started}


def _same(identity: Identity | None) -> Sequence[sa.ColumnElement[bool]]:
    if identity is None:
        return (_RUN.pid.is_(None),)
    return (_RUN.host == identity.host, _RUN.pid == identity.pid, _RUN.process_started == identity.started)
