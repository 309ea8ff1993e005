"""The line of runs that wait for the daemon: whose turn it is, who stands where, and what each is given to run on."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from engine.errors import InputError
from engine.store import tables
from engine.store.database import Database
from engine.store.rows import sound
from engine.store.states import ACTIVE

Move = Literal["front", "up", "down"]
MOVES: tuple[Move, ...] = ("front", "up", "down")
_RUN = tables.runs.c
_PLACE = sa.func.coalesce(_RUN.place, _RUN.number).label("at")


class Waiting(NamedTuple):
    """As much of a queued run as its turn depends on.

    Attributes:
        owner: as `Run.owner`.
        device: what it asks for: auto, cpu or cuda.
        lost: whether its process died, so that it only goes on with what it had begun.
        place: the lower, the earlier among its owner's.
        slot: what it is just being started on, if it is.
    """

    id: str
    owner: str
    device: str
    lost: bool
    place: float
    slot: str | None = None


def in_turn(waiting: Iterable[Waiting], served: Mapping[str, int]) -> list[Waiting]:
    """Everybody in the order in which they are begun: who lost his process first, then one of each owner in turn.

    Args:
        served: when each owner last had a turn, counted up from 1; of two the one whose turn is longer ago comes first.
    """
    lost: list[Waiting] = []
    fresh: dict[str, list[Waiting]] = defaultdict(list)
    for one in sorted(waiting, key=lambda one: one.place):
        (lost if one.lost else fresh[one.owner]).append(one)
    last = {owner: served.get(owner, 0) for owner in fresh}
    found, turn = lost, max(last.values(), default=0)
    while fresh:
        owner = min(fresh, key=lambda owner: (last[owner], fresh[owner][0].place))
        found.append(fresh[owner].pop(0))
        turn += 1
        last[owner] = turn
        if not fresh[owner]:
            del fresh[owner]
    return found


class Line(Database):
    """Runs that are queued for the daemon."""

    def waiting(self) -> list[Waiting]:
        """Runs that wait for the daemon, in the order in which they are begun."""
        lost = ((_RUN.attempts > 0) | (_RUN.strikes > 0)).label("lost")
        turns = sa.select(_RUN.owner, sa.func.max(_RUN.served)).where(_RUN.served.is_not(None)).group_by(_RUN.owner)

        def look(connection: sa.Connection) -> tuple[list[Waiting], Mapping[str, int]]:
            device = sound(connection, _RUN.config)["training", "device"].as_string().label("device")
            query = (
                sa.select(_RUN.id, _RUN.owner, device, lost, _PLACE, _RUN.number, _RUN.slot).where(*_queued()).order_by("at", _RUN.number)
            )
            rows = connection.execute(query).all()
            found = [Waiting(row.id, row.owner, row.device or "auto", bool(row.lost), _at(row), row.slot) for row in rows]
            served = connection.execute(turns).all() if found else []
            return found, {owner: turn for owner, turn in served if isinstance(turn, int)}

        return in_turn(*self._read(look))

    def anybody_waits(self) -> bool:
        """Whether some run waits for the daemon."""
        return self._read(lambda connection: connection.execute(sa.select(_RUN.id).where(*_queued()).limit(1)).first()) is not None

    def assign(self, run_id: str, slot: str) -> bool:
        """Give a waiting run a slot, which counts as its owner's turn. False where it waits no more."""
        every = tables.runs.alias()
        turn = sa.select(sa.func.coalesce(sa.func.max(every.c.served), 0) + 1).scalar_subquery()
        statement = tables.runs.update().where(_RUN.id == run_id, *_queued()).values(slot=slot, served=turn)
        return self._write(lambda connection: connection.execute(statement).rowcount) == 1

    def move(self, run_id: str, where: Move) -> None:
        """Let a waiting run change its place among those of its owner; owners go on taking turns.

        Args:
            where: to the front, or one place up or down. At either end nothing happens.

        Raises:
            InputError: there is no such run, or it does not wait.
        """
        if where not in MOVES:
            raise InputError(f"A run can be moved to the front, up or down, not '{where}'.")

        def change(connection: sa.Connection) -> None:
            query = sa.select(_RUN.name, _RUN.state, _RUN.owner, _RUN.queue).where(_RUN.id == run_id).with_for_update()
            run = connection.execute(query).one_or_none()
            if run is None:
                raise InputError(f"There is no run '{run_id}'.")
            if (run.state, run.queue) != ("queued", "daemon"):
                raise InputError(f"Run '{run.name}' is {run.state}: only a run that waits in the queue can be moved.")
            mine = sa.select(_RUN.id, _PLACE, _RUN.number).where(*_queued(), _RUN.owner == run.owner).order_by("at", _RUN.number)
            rows = connection.execute(mine.with_for_update()).all()
            for other, place in _moved([(row.id, _at(row)) for row in rows], run_id, where).items():
                connection.execute(tables.runs.update().where(_RUN.id == other).values(place=place))

        self._write(change)

    def _check_room(self, connection: sa.Connection, owner: str, limit: int | None) -> None:
        """Raises InputError where an owner has as many runs waiting or running as are let; inside the transaction that adds one."""
        if limit is None:
            return
        if connection.dialect.name == "postgresql":  # where two that add a run at once see nothing of each other
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("encore_owner"), sa.func.hashtext(owner))))
        query = sa.select(sa.func.count()).where(_RUN.owner == owner, _RUN.state.in_(ACTIVE))
        active = connection.execute(query).scalar_one()
        if active >= limit:
            has = "1 run waiting or running, which is" if active == 1 else f"{active} runs waiting or running, and {limit} are"
            raise InputError(f"You have {has} the most at a time (ENCORE_RUNS_PER_SESSION): wait for one to end, or stop one.")


def _at(row: Any) -> float:
    """A row's place. SQLite holds no value to its column's type, and a damaged one is to stop nobody else's run."""
    return float(row.at if isinstance(row.at, int | float) else row.number)


def _moved(line: Sequence[tuple[str, float]], run_id: str, where: Move) -> dict[str, float]:
    """Places that change, by run id; `line`: one owner's runs and their places, in order."""
    ids, places = [one for one, _ in line], [place for _, place in line]
    at = ids.index(run_id)
    to = {"front": 0, "up": max(0, at - 1), "down": min(len(line) - 1, at + 1)}[where]
    ids.insert(to, ids.pop(at))
    for index in range(1, len(places)):  # two that share a place could not change it
        places[index] = max(places[index], math.nextafter(places[index - 1], math.inf))
    now = dict(line)
    return {one: place for one, place in zip(ids, places, strict=True) if now[one] != place}


def _queued() -> Sequence[Any]:
    return _RUN.state == "queued", _RUN.queue == "daemon"
