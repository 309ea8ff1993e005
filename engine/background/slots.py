"""What runs can run on: slots of the CPU and of each GPU, as many as are set or as the machine has room for.

A slot is named by its device and a number, "cpu/1" or "cuda:0/1". Every slot has the same share of the cores, so that all
of them together never want more threads than there are cores.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from engine.errors import InputError
from engine.processes import cores

SETTING = "ENCORE_SLOTS"
_EXAMPLE = "write for example 2, cpu:2 or cpu:2,cuda:0:1 (device, then how many runs at a time)"


def check_setting(on_cluster: bool = False) -> None:
    """Raises InputError where ENCORE_SLOTS is no list of slots, or has more of them than the machine has cores; on a cluster, no number."""
    if on_cluster:
        given_to_cluster()
    else:
        asked(os.environ.get(SETTING, ""))


def given_to_cluster() -> int:
    """How many runs a cluster is given at a time; 0, without ENCORE_SLOTS, for as many as its workers take."""
    text = os.environ.get(SETTING, "").strip()
    if text and (not text.isdigit() or int(text) < 1):
        raise InputError(f"{SETTING} is '{text}': on a cluster give a whole number of runs at a time, or nothing for all that fit.")
    return int(text or 0)


def asked(text: str) -> dict[str, int]:
    """Slots by device, as a setting asks for them; none where it does not.

    Args:
        text: devices with their slots such as "cpu:2,cuda:0:1"; a number alone is that of the CPU's.
    """
    found: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        fits = re.fullmatch(r"(?:(cpu|cuda:\d{1,2}):)?(\d{1,3})", part) or re.fullmatch(r"(cuda:\d{1,2})()", part)
        if fits is None:
            raise InputError(f"{SETTING} is '{text}', of which '{part}' cannot be read: {_EXAMPLE}.")
        device, count = fits[1] or "cpu", int(fits[2] or 1)
        if device in found:
            raise InputError(f"{SETTING} is '{text}' and names {device} twice: {_EXAMPLE}.")
        if count < 1:
            raise InputError(f"{SETTING} is '{text}': give whole numbers from 1 up, and leave out a device that is to run nothing.")
        found[device] = count
    if sum(found.values()) > cores():
        raise InputError(
            f"{SETTING} is '{text}': {sum(found.values())} runs at a time would share {cores()} cores and slow each other down; "
            f"give at most {cores()} slots in all."
        )
    return found


def slots(text: str, gpus: int) -> tuple[str, ...]:
    """The slots of this machine.

    Args:
        text: as of `asked`; empty for one run at a time on each GPU, and on the CPU as many as can have two cores each. Where a
            setting names no GPU by its index, each GPU has one.
        gpus: how many GPUs PyTorch finds here; slots of others are left out.
    """
    wanted, alone = asked(text), text.strip().isdigit()
    if not wanted or alone:
        room = max(1, cores() - gpus)
        wanted = {"cpu": min(room, wanted.get("cpu", max(1, cores() // 2))), **{f"cuda:{index}": 1 for index in range(gpus)}}
    there = {"cpu", *(f"cuda:{index}" for index in range(gpus))}
    return tuple(f"{device}/{number}" for device, count in wanted.items() if device in there for number in range(1, count + 1))


def threads(all_slots: Sequence[str]) -> int:
    """CPU threads of each run."""
    return max(1, cores() // max(1, len(all_slots)))


def kind(wanted: str, all_slots: Sequence[str]) -> str:
    """What a run waits for that asks for a device: "cuda" or "cpu". One that asks for any (auto) waits for a GPU where there is one.

    A run whose kind has no slot at all waits for the other, to be told there what is wrong.
    """
    kinds = {slot.partition(":")[0].partition("/")[0] for slot in all_slots}
    first = "cpu" if wanted == "cpu" else "cuda"
    other = "cuda" if first == "cpu" else "cpu"
    return other if first not in kinds and other in kinds else first


def fitting(wanted: str, free: Sequence[str], all_slots: Sequence[str]) -> str | None:
    """A free slot for a run that asks for a device, or None."""
    return next((slot for slot in free if slot.startswith(kind(wanted, all_slots))), None)


def free(all_slots: Sequence[str], taken: Sequence[str]) -> list[str]:
    """Slots that nobody has. Who has one that is no more, because the setting has changed, takes the room of another."""
    left = [slot for slot in all_slots if slot not in taken]
    for stray in [*(slot for slot in taken if slot not in all_slots), *_twice(taken, all_slots)]:
        same = [slot for slot in left if slot.partition("/")[0] == stray.partition("/")[0]] or left
        if same:
            left.remove(same[-1])
    return left


def _twice(taken: Sequence[str], all_slots: Sequence[str]) -> list[str]:
    """Slots that have more than one run, once for each run too many."""
    return [slot for index, slot in enumerate(taken) if slot in all_slots and slot in taken[:index]]
