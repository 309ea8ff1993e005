"""The daemon's way to a Dask cluster."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from engine.babysitter import Job
from engine.cluster.room import GPU, RUN, Room, room
from engine.cluster.setting import SETTING
from engine.cluster.task import parcel, portable

if TYPE_CHECKING:
    from distributed import Client
    from tornado.ioloop import IOLoop

LOOK_SECONDS = 1.0
CONNECT_SECONDS = 5.0

_log = logging.getLogger("encore.cluster")


class Cluster:
    """Connects to a Dask cluster, connects again when the scheduler was restarted, and knows what there is room for.

    Args:
        at_once: runs that the cluster is given at a time, whatever workers it has, for it may get some as soon as it has work; 0 for as
            many as its workers take.

    Attributes:
        room: what there is room for; nothing while there is no connection.
        trouble: one sentence that says why nothing can be started, or "".
    """

    def __init__(self, address: str, job: Job, at_once: int = 0) -> None:
        self.address, self.job, self.at_once = address, job, at_once
        self.room, self.trouble = Room(), f"The background engine is connecting to the Dask scheduler {address}."
        self._client: Client | None = None
        self._loop: IOLoop | None = None
        self._warmed: set[str] = set()
        self._leave = threading.Event()
        threading.Thread(target=self._keep, name="cluster", daemon=True).start()

    def submit(self, run_id: str, slot: str) -> Future[None]:
        """Have a queued run trained. The future ends when nobody looks after the run any more; the run's row tells what became of it.

        Raises:
            ConnectionError: the connection has just been lost.
        """
        client, room = self._client, self.room
        if client is None or client.status != "running":
            raise ConnectionError("there is no connection to the Dask scheduler")
        wanted: dict[str, Any] = {"resources": {RUN: 1} if room.declared else {}}
        if slot.startswith("cuda"):
            wanted["resources"][GPU] = 1
        elif room.without_gpu and any(name.startswith("cuda") for name in room.slots):
            wanted["workers"] = [*room.without_gpu]
        executor = client.get_executor(pure=False, **{name: value for name, value in wanted.items() if value})
        future: Future[None] = executor.submit(portable(), "attend", parcel(self.job), run_id)
        return future

    def close(self) -> None:
        """Leave the cluster. What its workers train goes on; what they have not begun is forgotten by them."""
        self._leave.set()
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _keep(self) -> None:
        said = ""
        while not self._leave.wait(LOOK_SECONDS if self._client else 0.0):
            try:
                self._look()
                self.trouble = "" if self.room.slots else self._nobody()
            except Exception as error:
                self.room, self.trouble = Room(), self._reason(error)
                self._leave.wait(LOOK_SECONDS)
            now = self.trouble or f"{self.address} has the slots {', '.join(self.room.slots)}"
            if now != said:
                _log.info(now)
                said = now

    def _look(self) -> None:
        from distributed import Client, fire_and_forget

        if self._client is None or self._client.status == "closed":
            self._warmed = set()
            # A loop of ours, for Dask leaves one behind, with its thread and files, for each connection that fails.
            self._loop = self._loop or _endless()
            self._client = Client(self.address, timeout=CONNECT_SECONDS, set_as_default=False, name="encore", loop=self._loop)
        client, scheduler = self._client, self._client.scheduler
        if client.status != "running" or scheduler is None:
            raise ConnectionError("connecting again")
        # Not client.scheduler_info(), whose answer another thread of Dask's empties now and then.
        told = client.sync(scheduler.identity, n_workers=-1, callback_timeout=CONNECT_SECONDS)
        workers = {address: worker for address, worker in told["workers"].items() if worker.get("status") == "running"}
        found = room(workers)
        self.room = found._replace(slots=tuple(f"cpu/{number}" for number in range(1, self.at_once + 1))) if self.at_once else found
        for address in workers.keys() - self._warmed:
            # Importing torch takes seconds, which the first run is not to wait for.
            fire_and_forget(client.submit(portable(), "warm_up", parcel(self.job), workers=[address], pure=False, priority=1))
        self._warmed = set(workers)

    def _reason(self, error: Exception) -> str:
        if isinstance(error, OSError):  # also what Dask raises when it waits in vain, or is cut off
            return (
                f"The Dask scheduler {self.address} does not answer: start it on that machine by `python -m dask scheduler`, "
                f"or let {SETTING} name another; runs wait."
            )
        _log.error("the cluster cannot be used", exc_info=error)
        return f"The Dask cluster {self.address} cannot be used: {type(error).__name__}: {error}."

    def _nobody(self) -> str:
        return (
            f"The Dask cluster {self.address} has no worker that takes runs: start one by "
            f'`python -m dask worker {self.address} --nthreads 1 --resources "{RUN}=1"`; runs wait.'
        )


def _endless() -> IOLoop:
    """An event loop that runs in a thread of its own for as long as the process lives."""
    from tornado.ioloop import IOLoop

    loops: Future[IOLoop] = Future()

    async def run() -> None:
        loops.set_result(IOLoop.current())
        await asyncio.Event().wait()

    threading.Thread(target=lambda: asyncio.run(run()), name="dask", daemon=True).start()
    return loops.result()
