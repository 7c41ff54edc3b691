"""The whole system, started by the very script behind `make run`, with a var folder and a port of its own."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from xmlrpc.client import ServerProxy

import redis
from supervisor.xmlrpc import SupervisorTransport

from tests.support.processes import spawn
from tests.support.waiting import free_ports, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = {
    "web": "mapgan:web",
    "translate": "mapgan:translate",
    "data": "mapgan:data",
    "train": "mapgan:train",
    "maintenance": "mapgan:maintenance",
    "beat": "mapgan:beat",
    "tensorboard": "mapgan:tensorboard",
    "broker": "broker",
}
SHORT_LEASES = {
    "MAPGAN_JOB_LEASE_SECONDS": "5",
    "MAPGAN_JOB_HEARTBEAT_SECONDS": "1",
    "MAPGAN_JOB_PROGRESS_SECONDS": "0.2",
    "MAPGAN_JOB_REPUBLISH_SECONDS": "3",
    "MAPGAN_JOB_RECONCILE_SECONDS": "2",
}
FORGOTTEN = ("DATABASE_URL", "REDIS_URL", "EMAIL_URL", "HOST", "PORT")


def clean_environment(**variables: str) -> dict[str, str]:
    """The test run's environment without the variables that steer MapGAN, plus `variables`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MAPGAN_", "DJANGO_")) and name.removesuffix("_FILE") not in FORGOTTEN
    }
    return kept | {"MAPGAN_ENV_FILE": ""} | variables


class LiveStack:
    """Real processes: web, three workers, beat and broker, kept alive by supervisord."""

    def __init__(self, variables: dict[str, str] | None = None) -> None:
        """`variables` are added to the environment: another database, S3, smaller limits."""
        self.folder = Path(tempfile.mkdtemp(prefix="mapgan-live-"))
        self.var = self.folder / "var"
        self.port = free_ports(1)[0]
        own = {"PORT": str(self.port), "MAPGAN_VAR_DIR": str(self.var)}
        self.environment = clean_environment(**own, **SHORT_LEASES, **(variables or {}))
        self.output = self.folder / "output.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the site answers, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    # --- Life --------------------------------------------------------------------------------------------

    def start(self, *, seconds: float = 180) -> None:
        """Start, and wait until the site answers and its workers have reported."""
        with self.output.open("ab") as output:
            self._process = spawn(
                [sys.executable, str(ROOT / "scripts" / "run.py")],
                env=self.environment,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
            )
        wait_until(self._ready, seconds=seconds, what="the live system", every=0.2)

    def _ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"The system ended.\n{self.logs()}")
        return "MapGAN is ready" in self.output.read_text()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop everything as Ctrl-C does; returns the exit status."""
        if self._process is None:
            return 0
        self._process.send_signal(how)
        code = self._process.wait(timeout=20)
        self._process = None
        return code

    def close(self) -> None:
        """Stop and remove everything."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- Faults ------------------------------------------------------------------------------------------

    def _supervisor(self) -> Any:
        transport = SupervisorTransport(serverurl=f"unix://{self.var / 'control.sock'}")
        return ServerProxy("http://supervisor", transport=transport).supervisor

    def pid(self, program: str) -> int:
        """Process number of web, translate, maintenance, beat or broker; 0 while it does not run."""
        return int(self._supervisor().getProcessInfo(PROGRAMS[program])["pid"])

    def kill(self, program: str) -> int:
        """SIGKILL the program's whole process group; supervisord starts it again. Returns the old number."""

        def killed() -> int:
            pid = self.pid(program)
            try:
                if pid:
                    os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                return 0  # supervisord has yet to notice that this one is dead already
            return pid

        return wait_until(killed, seconds=30, what=f"{program} to run")

    def halt(self, program: str) -> None:
        """Stop a program for good, until `resume`."""
        self._supervisor().stopProcess(PROGRAMS[program])

    def resume(self, program: str) -> None:
        """Start a program that was halted."""
        self._supervisor().startProcess(PROGRAMS[program])

    @property
    def broker(self) -> redis.Redis:
        """A connection to the system's broker."""
        return redis.Redis(unix_socket_path=str(self.var / "broker.sock"), socket_timeout=5)

    def wipe_broker(self) -> None:
        """Lose everything that is queued."""
        with self.broker as client:
            client.flushall()

    # --- Looking in --------------------------------------------------------------------------------------

    def manage(self, *arguments: str) -> str:
        """Run a management command against this system; returns what it printed."""
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        result = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=120, cwd=ROOT
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout.strip()

    def python(self, code: str) -> Any:
        """Run Python with this system's Django; returns what the code left in ``result`` (through JSON)."""
        script = f"{code}\nimport json\nprint('\\n' + json.dumps(result, default=str))"
        return json.loads(self.manage("shell", "-v", "0", "-c", script).splitlines()[-1])

    def add_user(self, name: str, **fields: Any) -> str:
        """Make a user with the password NAME-password; returns an API token of theirs."""
        self.python(
            "from accounts.models import User\n"
            f"name, fields = {name!r}, {fields!r}\n"
            "User.objects.create_user(name, name + '@example.org', name + '-password', **fields)\n"
            "result = None"
        )
        return self.manage("create_api_token", name)

    def health(self) -> tuple[int, dict[str, Any]]:
        """Status and body of /healthz."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/healthz")
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def logs(self) -> str:
        """The end of every log, for a failing test's message."""
        files = [self.output, *sorted((self.var / "log").glob("*.log"))]
        parts = [
            f"--- {file.name}\n{file.read_text(errors='replace')[-3000:]}" for file in files if file.exists()
        ]
        return "\n".join(parts)
