"""The run store: the only door to the database and to the artifacts."""

from sqlalchemy.exc import OperationalError as Away

from engine.store.database import why_away
from engine.store.integrity import faults, opened
from engine.store.records import MetricRow
from engine.store.rows import NO_CONFIG
from engine.store.states import ACTIVE, ENDED, GOES_ON, RESUMABLE, STATES, STRIKES, Run, Wish
from engine.store.store import RunStore
from engine.store.sweeps import SWEEP_STATES, Place, Sweep, TakenError, TrialRun

__all__ = [
    "ACTIVE",
    "ENDED",
    "GOES_ON",
    "NO_CONFIG",
    "RESUMABLE",
    "STATES",
    "STRIKES",
    "SWEEP_STATES",
    "Away",
    "MetricRow",
    "Place",
    "Run",
    "RunStore",
    "Sweep",
    "TakenError",
    "TrialRun",
    "Wish",
    "faults",
    "opened",
    "why_away",
]
