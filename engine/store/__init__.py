"""The run store: the only door to the database and to the artifacts."""

from engine.store.records import MetricRow
from engine.store.states import GOES_ON, STATES, STRIKES, Run, Wish
from engine.store.store import RunStore

__all__ = ["GOES_ON", "STATES", "STRIKES", "MetricRow", "Run", "RunStore", "Wish"]
