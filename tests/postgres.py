"""A real PostgreSQL for tests: one server for all processes of a test session, in a folder of its own, on a socket of the file system."""

from __future__ import annotations

import contextlib
import getpass
import os
import pwd
import secrets
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

from filelock import FileLock

FOLDER, SESSION = "ENCORE_TEST_POSTGRES", "ENCORE_TEST_SESSION"
"""Name, to all processes of a test session, the folder where the server lives as soon as one of them needs it, and the first process."""
_QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "32MB", "max_connections": "200"}
"""Nothing here has to outlive a power cut."""


def binaries() -> Path | None:
    """The newest server's programs; None where there is none."""
    found = [file.parent for file in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    found += [Path(file).parent for file in [shutil.which("initdb")] if file]
    return max(found, key=lambda folder: [int(part) for part in folder.parts if part.isdigit()], default=None)


class Server:
    """A server in a folder; it serves over a socket there, without passwords."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # PostgreSQL refuses to be root's.
        self.user = next((name for name in ("postgres", "nobody") if _known(name)), "") if os.getuid() == 0 else getpass.getuser()

    def url(self, schema: str | None = None) -> str:
        """An SQLAlchemy URL; with a schema, of that part of the database alone."""
        only = f"&options={quote(f'-csearch_path={schema}')}" if schema else ""
        return f"postgresql+psycopg://{self.user}@/postgres?host={quote(str(self.folder))}{only}"

    def fresh(self) -> str:
        """The URL of a part of the database that nobody else uses."""
        import psycopg

        schema = f"t{secrets.token_hex(4)}"
        with psycopg.connect(host=str(self.folder), user=self.user, dbname="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {schema}")
        return self.url(schema)

    def start(self) -> None:
        """Make the server if there is none, and let it serve; one that serves is left alone."""
        self.folder.parent.mkdir(exist_ok=True)
        self.folder.parent.chmod(0o755)
        with FileLock(f"{self.folder}.lock"):
            if (self.folder / "postmaster.pid").exists():
                return
            if not (self.folder / "PG_VERSION").exists():
                self.folder.mkdir(mode=0o700, exist_ok=True)
                shutil.chown(self.folder, self.user)
                self._run("initdb", "-D", str(self.folder), "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8")
            options = [
                f"-c {name}={value}" for name, value in {**_QUICK, "listen_addresses": "''", "unix_socket_directories": self.folder}.items()
            ]
            self._run("pg_ctl", "-D", str(self.folder), "-l", str(self.folder / "log"), "-w", "-o", " ".join(options), "start")
            self._end_with_session()

    def stop(self, how: str = "immediate") -> None:
        """End the server, as a crash does or as pg_ctl's other modes say."""
        self._run("pg_ctl", "-D", str(self.folder), "-m", how, "-w", "stop")

    def _end_with_session(self) -> None:
        """A session that is killed cannot clear up: a shell waits for its end and does."""
        serves, place = shlex.quote(str(self.folder / "postmaster.pid")), shlex.quote(str(self.folder.parent))
        watch = f"while kill -0 {os.environ[SESSION]}; do sleep 2; done; kill -QUIT $(head -n 1 {serves}); sleep 1; rm -rf {place}"
        subprocess.run(["sh", "-c", f"({watch}) >/dev/null 2>&1 </dev/null &"], cwd="/", start_new_session=True, check=True)

    def _run(self, program: str, *arguments: str) -> None:
        place = binaries()
        assert place is not None
        done = subprocess.run(
            [str(place / program), *arguments],
            user=self.user if os.getuid() == 0 else None,
            group=pwd.getpwnam(self.user).pw_gid if os.getuid() == 0 else None,
            extra_groups=[] if os.getuid() == 0 else None,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{program} ended with {done.returncode}: {done.stdout}"


def announce() -> None:
    """Name the folder of this session's server to all processes of the session. For the process that starts the others."""
    os.environ[SESSION] = str(os.getpid())
    os.environ[FOLDER] = f"{tempfile.gettempdir()}/encore-pg-{os.getpid()}-{secrets.token_hex(3)}/data"


def clear() -> None:
    """End the session's server, if one was needed, and remove its folder. For the process that called `announce`."""
    folder = Path(os.environ.pop(FOLDER))
    if (folder / "postmaster.pid").exists():
        with contextlib.suppress(AssertionError):
            Server(folder).stop()
    shutil.rmtree(folder.parent, ignore_errors=True)


def running() -> Server:
    """This session's server, started when it is first needed."""
    server = Server(Path(os.environ[FOLDER]))
    server.start()
    return server


def _known(user: str) -> bool:
    try:
        return bool(pwd.getpwnam(user))
    except KeyError:
        return False
