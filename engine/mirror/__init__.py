"""Runs are mirrored to an MLflow server, where MLFLOW_TRACKING_URI names one; without it nothing here does anything.

A run only notes down that it is to be followed, and sees to it that somebody follows: one process per run store and server, which
reads the store as pages do and tells MLflow what is new. So no server, however slow, dead or wrong, can hold up or fail a run; a run
that was killed is followed to its true end; and MLflow's library is imported in that process alone.
"""

from engine.mirror.follow import VARIABLE, marked, mirrored
from engine.mirror.process import serve

__all__ = ["VARIABLE", "marked", "mirrored", "serve"]
