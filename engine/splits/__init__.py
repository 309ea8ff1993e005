"""Which ratings a model learns from, and which it is judged by.

A split scheme (`schemes`) is a pure function that labels every rating; everything else (dropping what cannot be predicted,
closing the gaps in the id space) is done once, in `split`, for all of them. Each rating has one label, so the parts are disjoint
by construction.
"""

from engine.splits.options import (
    TIMED,
    KFoldOptions,
    LastOptions,
    LeaveLastOptions,
    PredefinedOptions,
    RandomOptions,
    SplitConfig,
    StratifiedOptions,
    TimeOptions,
    UsersOptions,
    WindowsOptions,
    check_options,
)
from engine.splits.schemes import SPLITS, make_split
from engine.splits.split import FOLD_IN, LABELS, OUT, TEST, TRAIN, VALIDATION, Split, drop_unpredictable

__all__ = [
    "FOLD_IN",
    "LABELS",
    "OUT",
    "SPLITS",
    "TEST",
    "TIMED",
    "TRAIN",
    "VALIDATION",
    "KFoldOptions",
    "LastOptions",
    "LeaveLastOptions",
    "PredefinedOptions",
    "RandomOptions",
    "Split",
    "SplitConfig",
    "StratifiedOptions",
    "TimeOptions",
    "UsersOptions",
    "WindowsOptions",
    "check_options",
    "drop_unpredictable",
    "make_split",
]
