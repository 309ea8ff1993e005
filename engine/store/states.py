"""What a run is, the states it can be in, and what people may ask of it in each.

queued → running → finished | failed | stopped | paused | crashed; and from the last four again → queued.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, NamedTuple

from engine.errors import InputError
from engine.processes import Identity

STATES = ("queued", "running", "paused", "finished", "stopped", "failed", "crashed")
ACTIVE = ("queued", "running")
"""States of runs that are trained or wait for it: their rows may change without anybody's doing."""
ENDED = ("finished", "stopped", "failed", "crashed")
"""States in which nothing more is trained, unless a person resumes the run."""
RESUMABLE = ("paused", "stopped", "failed", "crashed")
"""States from which a run goes on when a person asks for it."""
GOES_ON = ("run", "step")
"""Wishes under which a run is trained: until its end, or until the end of one more epoch, and then paused."""
STRIKES = 3
"""So often may a run's process be lost without a new epoch between the losses; then the run is `crashed`."""


@dataclass(frozen=True)
class Run:
    """One row of the store; times are seconds since 1970, or None where it has not happened.

    Attributes:
        id: 12 hexadecimal digits.
        name: two words and a number.
        state: one of `STATES`.
        want: what a person wants of it: run, step (one more epoch, then a pause), pause, stop.
        queue: "daemon", or "foreground" for a run in the process that made it.
        error: one sentence, for failed and crashed.
        started, finished: begin of the latest attempt, and its end.
        epochs: how many there will be at most.
        attempts: how often a process claimed it since a person last asked for it.
        strikes: losses of its process since it last completed an epoch.
        facts: what is known of it since its start, such as the sizes of its data.
        summary: its results, once it has finished.
        note: what it is at, such as "reading data".
        host, pid, process_started: the process that has or last had it.
        starred, tags, remark: what people marked and wrote on it, see `engine.store.marks`.
        owner: who takes turns with others in the queue: a browser, the command line ("cli"), or nobody ("").
        slot: what it runs on, such as "cpu/1" or "cuda:0/1"; what it ran on last; None in the foreground.
        sweep, trial, repeat: the sweep that it belongs to, which of its trials it is, and which repetition of that trial; from 0.
    """

    id: str
    name: str
    state: str
    want: str
    config: dict[str, Any]
    queue: str
    error: str | None
    created: float
    started: float | None
    finished: float | None
    heartbeat: float | None
    epoch: int
    epochs: int
    step: int
    attempts: int
    strikes: int
    device: str | None
    watch_user: str | None
    facts: dict[str, Any] | None
    summary: dict[str, Any] | None
    host: str | None
    pid: int | None
    process_started: str | None
    note: str
    starred: bool
    tags: list[str]
    remark: str
    owner: str = ""
    slot: str | None = None
    sweep: str | None = None
    trial: int | None = None
    repeat: int | None = None

    @property
    def process(self) -> Identity | None:
        """The process that has or last had the run."""
        if self.host is None or self.pid is None or self.process_started is None:
            return None
        return Identity(self.host, self.pid, self.process_started)


class Wish(NamedTuple):
    """What a person wants of a running run: "run", "step", "pause" or "stop"; and the user whose list they watch."""

    want: str
    watch_user: str | None


def answer(run: Run, want: str) -> dict[str, Any]:
    """The columns that change when a person wants this of a run in its state; none if it is so already."""
    if run.state == "running":
        return {"want": want}
    if want in GOES_ON:
        if run.state == "finished":
            raise InputError(f"Run '{run.name}' has finished: start a new one with more epochs to train on.")
        # Whoever made it, its process is gone: from here on it is the daemon's.
        fresh = {
            "state": "queued",
            "want": want,
            "queue": "daemon",
            "error": None,
            "attempts": 0,
            "strikes": 0,
            "finished": None,
            "slot": None,
        }
        return ({} if run.want == want else {"want": want}) if run.state == "queued" else fresh
    now = {"want": want, "finished": time.time()}
    if want == "stop":
        if run.state in ("finished", "failed"):
            raise InputError(f"Run '{run.name}' has {run.state} already.")
        return {} if run.state == "stopped" else {**now, "state": "stopped", "error": None}
    if run.state not in ("queued", "paused"):
        raise InputError(f"Run '{run.name}' is {run.state}: only a run that is queued or running can be paused.")
    return {} if run.state == "paused" else {**now, "state": "paused"}
