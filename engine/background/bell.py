"""To be woken by a signal: a handler may interrupt the very lock that an Event would take, but not a byte on its way."""

from __future__ import annotations

import contextlib
import select
import socket


class Bell:
    """Rung from signal handlers and other threads, heard by one thread that waits."""

    def __init__(self) -> None:
        self._ear, self._button = socket.socketpair()
        self._ear.setblocking(False)
        self._button.setblocking(False)

    def ring(self) -> None:
        """Let `wait` return; at once, whoever holds what."""
        with contextlib.suppress(BlockingIOError):  # it has been rung often enough
            self._button.send(b".")

    def wait(self, seconds: float) -> None:
        """Until somebody rings or has rung since the last time, or so many seconds have passed."""
        select.select([self._ear], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            self._ear.recv(4096)
