"""What ENCORE_EXECUTOR may be, and what a job takes along when it goes to a cluster."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from engine.babysitter import Job
from engine.errors import InputError
from engine.settings import Settings

SETTING = "ENCORE_EXECUTOR"
LOCAL = "local"
MARK = ".cluster"


def check(where: Settings) -> bool:
    """Whether runs are trained on a cluster.

    Raises:
        InputError: ENCORE_EXECUTOR is neither `local` nor the address of a scheduler, or the store is not one that a cluster can reach.
    """
    if where.executor == LOCAL:
        return False
    scheme, _, rest = where.executor.partition("://")
    host, _, port = rest.rpartition(":")
    if scheme not in ("tcp", "tls") or not host or not port.isdigit() or not 0 < int(port) < 2**16:
        raise InputError(f"{SETTING} is '{where.executor}': write {LOCAL}, or the address of a Dask scheduler such as tcp://host:8786.")
    if sa.make_url(where.store_url).get_backend_name() == "sqlite":
        raise InputError(
            f"{SETTING} names a cluster, whose machines cannot share an SQLite file: let ENCORE_STORE name a PostgreSQL database, "
            "such as postgresql+psycopg://user:password@host/encore."
        )
    return True


def abroad(job: Job, where: Settings) -> Job:
    """The job as workers get it: their runs use the daemon's folders and MLflow server, and end with the worker."""
    told = {name: value for name, value in os.environ.items() if name.startswith("MLFLOW_")}
    told["ENCORE_HOME"] = str(where.home.absolute())
    if where.data is not None:
        told["ENCORE_DATA"] = str(where.data.absolute())
    return replace(job, bound=True, environment=tuple(told.items()), mark=mark(Path(job.artifacts)))


def mark(artifacts: Path) -> str:
    """The content of a file by which workers know the artifacts' folder; it is made where there is none.

    Raises:
        InputError: it cannot be made.
    """
    file, draft = artifacts / MARK, artifacts / f"{MARK}.{secrets.token_hex(8)}"
    try:
        if not file.exists():
            artifacts.mkdir(parents=True, exist_ok=True)
            draft.write_text(secrets.token_hex(8))
            with suppress(FileExistsError):  # another daemon was faster, and its mark has been given away already
                os.link(draft, file)
            draft.unlink()
        return file.read_text()
    except OSError as error:
        raise InputError(f"The folder {artifacts} of the runs' artifacts cannot be marked for the cluster: {error.strerror}.") from error
