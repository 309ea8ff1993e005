"""Why a run could not go on, in one sentence each that says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine import disk, processes
from engine.disk import size

EXPECTED = "expected_memory_mb"
"""The fact under which a run keeps the estimate that was made of its memory before it began."""


def out_of_memory(facts: Mapping[str, Any] | None, how: str = "") -> str:
    """Of a run that asked for more memory than there is.

    Args:
        facts: of the run.
        how: what became of it, where it did not end by itself, such as "killed by the system".
    """
    expected = (facts or {}).get(EXPECTED)
    estimate = f"about {size(expected * 1e6)} were expected before it began, and " if expected else ""
    return (
        f"Out of memory{f', {how}' if how else ''}: {estimate}this machine has {size(processes.memory_there())}: make the layers or the "
        "batch smaller, or sample users and items."
    )


def disk_full(folder: Path) -> str:
    """Of a run whose files or rows found no room on the disk.

    Args:
        folder: where they were to be.
    """
    left = ""
    with suppress(OSError):
        left = f", where {size(disk.free(folder))} are left"
    return f"The disk is full: make room in {folder}{left}, then resume the run, which goes on from its last checkpoint."


def diverged(epoch: int, lr: float, refed_from: int | None) -> str:
    """Of a run whose loss or error became infinite or no number.

    Args:
        refed_from: the first epoch that was re-fed, where any is.
    """
    later = f", or re-feeding from a later epoch than {refed_from}" if refed_from is not None else ""
    return f"The loss stopped being a number in epoch {epoch}: try a lower learning rate than {lr:g}{later}."
