"""How often pages look again: at their own pace for a few tabs, more rarely for many, so that all together take half a core at most."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

SHARE = 0.5
"""Cores that all tabs' looking again may take together; pages that people open need the rest."""
STEPS = (1, 2, 4, 8, 16)
"""How many times longer than usual a tab waits between two looks."""
GONE = 5.0
"""A tab that has not looked for so many of its waits, of a second at least, is closed."""
_TAB = "crowd.tab"


class Crowd:
    """The tabs that look again, and what their looks cost.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tabs: dict[str, tuple[float, float, float]] = {}
        self._step = STEPS[0]
        self._lock = threading.Lock()

    def looked(self, tab: str, cost: float, usual: float) -> None:
        """Notes a look: its cost in seconds of a core, and the seconds that the tab usually waits for the next."""
        with self._lock:
            before = self._tabs.get(tab)
            mean = cost if before is None else 0.8 * before[0] + 0.2 * cost
            self._tabs[tab] = (mean, usual, self._clock())

    def step(self) -> int:
        """How many times longer than usual every tab is to wait now."""
        with self._lock:
            now = self._clock()
            self._tabs = {
                tab: (cost, usual, last)
                for tab, (cost, usual, last) in self._tabs.items()
                if now - last < GONE * self._step * max(1.0, usual)
            }
            cores = sum(cost / usual for cost, usual, _ in self._tabs.values())
            fitting = next((step for step in STEPS if cores / step <= SHARE), STEPS[-1])
            # Every change draws pages anew: none for a look that was a little cheaper.
            if fitting > self._step or cores / fitting <= 0.8 * SHARE:
                self._step = fitting
            return self._step


_CROWD = Crowd()


def every(usual: float) -> float:
    """Seconds between two looks that are `usual` seconds apart where few tabs are open."""
    return usual * _CROWD.step()


@contextmanager
def look(usual: float | None, part: str = "") -> Iterator[None]:
    """One look of this tab, or of a part that looks by itself. Its cost is noted; not where `usual` is None, for then it looks but once."""
    started = time.thread_time()
    try:
        yield
    finally:
        if usual is not None:
            tab = st.session_state.setdefault(_TAB, secrets.token_hex(8))
            _CROWD.looked(f"{tab}{part}", time.thread_time() - started, usual)
