"""Runs beside each other: what they were told, what they reached, on whom, and what of their settings tells in it."""

from engine.comparison.curves import Band, Curve, band
from engine.comparison.figures import figure, ground, metrics_of, on_one_ground, usual_metric
from engine.comparison.importance import Importance, TooLittle, importance, numeric
from engine.comparison.report import lines, report
from engine.comparison.settings import SEED, differing, same_but_seed, settings_of, settings_table, without_seed
from engine.comparison.users import EQUAL, ByUser, by_user

__all__ = [
    "EQUAL",
    "SEED",
    "Band",
    "ByUser",
    "Curve",
    "Importance",
    "TooLittle",
    "band",
    "by_user",
    "differing",
    "figure",
    "ground",
    "importance",
    "lines",
    "metrics_of",
    "numeric",
    "on_one_ground",
    "report",
    "same_but_seed",
    "settings_of",
    "settings_table",
    "usual_metric",
    "without_seed",
]
