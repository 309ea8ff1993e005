"""A Dask cluster of real processes: a scheduler and workers that start, are killed and come again."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
OWN_NAMES = os.getuid() == 0 and subprocess.run(["unshare", "--uts", "true"], check=False, capture_output=True).returncode == 0
"""Whether a worker can be given a host name of its own, so that nobody else sees its processes as those of his machine."""


class Dask:
    """A scheduler's address, and the processes that were started for it."""

    def __init__(self, logs: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.logs, self.started = logs, dict[str, psutil.Popen]()

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def scheduler(self) -> None:
        self._start("scheduler", self.logs, "scheduler", "--host", "127.0.0.1", "--port", str(self.port))

    def worker(self, name: str, *options: str, host: str | None = None, folder: Path = ROOT) -> None:
        """Start a worker that takes one run at a time unless the options say more.

        Args:
            host: the name that its machine seems to have, where that can be.
            folder: where it is started: from Encore's, or from one where it has to look for Encore.
        """
        options = options or ("--nthreads", "1", "--resources", "run=1", "--no-nanny")
        self._start(name, folder, "worker", self.address, "--host", "127.0.0.1", "--name", name, *options, host=host)

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to a process, and not to those that it has started; return when it is gone."""
        self.started[name].send_signal(number)
        self.started[name].wait(30)

    def left_alone(self) -> None:
        """Wait until all workers have ended, as they do when their scheduler is gone."""
        for name, process in self.started.items():
            if name != "scheduler":
                process.wait(30)

    def log(self, name: str) -> str:
        return (self.logs / f"dask-{name}.log").read_text()

    def clear(self) -> None:
        for process in self.started.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                for each in [*process.children(recursive=True), process]:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        each.kill()
            process.wait(30)

    def _start(self, name: str, folder: Path, *command: str, host: str | None = None) -> None:
        line = [sys.executable, "-m", "dask", *command, "--dashboard-address", "127.0.0.1:0"]
        if host is not None and OWN_NAMES:
            line = ["unshare", "--uts", "sh", "-c", f'echo {host} > /proc/sys/kernel/hostname && exec "$@"', "sh", *line]
        environment = {**os.environ, "DASK_TEMPORARY_DIRECTORY": str(self.logs)}
        with (self.logs / f"dask-{name}.log").open("ab") as log:
            self.started[name] = psutil.Popen(line, cwd=folder, env=environment, stdout=log, stderr=log)
