"""Several machines: each process has folders of its own, and shares with the others only three servers."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import psutil
import psycopg
import requests

from tests.support.broker import Broker
from tests.support.live import ROOT, SHORT_LEASES, clean_environment
from tests.support.postgres import Postgres
from tests.support.processes import spawn
from tests.support.s3 import S3Server
from tests.support.waiting import free_ports, wait_until

SHARED_KEY = "0123456789abcdefghij" * 3


@dataclass
class Machine:
    """One process of MapGAN, started by the images' own command, with a disk of its own."""

    role: str
    folder: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        (self.folder / "var").mkdir(parents=True)
        with (self.folder / "output.log").open("wb") as log:
            self.process = spawn(
                [sys.executable, str(ROOT / "scripts" / "process.py"), self.role],
                env=self.environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
            )

    def family(self) -> list[psutil.Process]:
        """The process and all it started."""
        try:
            top = psutil.Process(self.process.pid)
            return [top, *top.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def vanish(self) -> None:
        """As a machine that loses its power: nothing is said to anybody."""
        for each in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGKILL)
        self.process.wait()

    def log(self) -> str:
        """The end of what it printed."""
        return (self.folder / "output.log").read_text(errors="replace")[-4000:]

    def files(self) -> set[str]:
        """Every file on its disk, below its folder; the log of the test is none of its own."""
        return {
            path.relative_to(self.folder).as_posix()
            for path in self.folder.rglob("*")
            if path.is_file() and path.name != "output.log"
        }


class Fleet:
    """The servers' addresses, and the machines."""

    def __init__(self, postgres: Postgres, s3: S3Server, name: str) -> None:
        """`name` is the database's and the bucket's."""
        self.folder = Path(tempfile.mkdtemp(prefix="mapgan-fleet-"))
        self.postgres, self.s3, self.bucket = postgres, s3, name
        postgres.execute(f"CREATE DATABASE {name}")
        s3.make_bucket(name)
        self.port, redis_port = free_ports(2)
        self.broker = Broker(self.folder / "redis.sock", port=redis_port)
        self.broker.start()
        self.variables = {
            "MAPGAN_ENV": "production",
            "MAPGAN_HTTPS": "false",
            "MAPGAN_SECRET_KEY": SHARED_KEY,
            "MAPGAN_ALLOWED_HOSTS": "127.0.0.1",
            "PORT": str(self.port),
            "DATABASE_URL": postgres.url(name),
            "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
            "MAPGAN_TRANSLATE_THREADS": "1",
            "MAPGAN_STATIC_DIR": str(self.folder / "image" / "static"),
            **SHORT_LEASES,
            **s3.environment(name),
        }
        self._build_image()
        self.machines: list[Machine] = []

    def _build_image(self) -> None:
        """What is inside the web image beside the code: static files, collected beforehand, never written."""
        local = {"MAPGAN_STATIC_DIR": self.variables["MAPGAN_STATIC_DIR"]}
        subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), "collectstatic", "--noinput", "-v", "0"],
            env=clean_environment(**local, MAPGAN_VAR_DIR=str(self.folder / "image" / "var")),
            check=True,
            cwd=ROOT,
        )

    @property
    def url(self) -> str:
        """Where the site answers."""
        return f"http://127.0.0.1:{self.port}"

    def add(self, role: str) -> Machine:
        """Switch on one more machine."""
        folder = self.folder / f"{len(self.machines)}-{role}"
        own = {"MAPGAN_VAR_DIR": str(folder / "var"), "MAPGAN_WORK_DIR": str(folder / "work")}
        machine = Machine(role, folder, clean_environment(**self.variables, **own))
        self.machines.append(machine)
        return machine

    def prepare(self) -> str:
        """Tables, the admin, the bundled generators; returns the admin's password."""
        machine = self.add("prepare")
        assert machine.process.wait(timeout=240) == 0, machine.log()
        password = re.search(r"with the password (\S+)", machine.log())
        assert password, machine.log()
        return password[1]

    def answers(self) -> bool:
        """Whether the site answers and every role has been heard of."""
        with contextlib.suppress(requests.RequestException):
            answer = requests.get(f"{self.url}/healthz", timeout=5)
            return answer.ok and bool(answer.json()["parts"]["workers"]["up"])
        return False

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the database."""
        with psycopg.connect(self.postgres.url(self.bucket), autocommit=True) as connection:
            return connection.execute(sql.encode(), values).fetchall()

    def wait(self, sql: str, *values: Any, what: str, seconds: float = 180) -> Any:
        """Wait until a query's only value is true, and return it."""

        def value() -> Any:
            rows = self.query(sql, *values)
            return rows[0][0] if rows else None

        try:
            return wait_until(value, seconds=seconds, what=what, every=0.2)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.logs()}") from None

    def python(self, code: str) -> Any:
        """What the code left in ``result``, run on a machine that is thrown away."""
        script = f"{code}\nimport json\nprint('\\n' + json.dumps(result, default=str))"
        with tempfile.TemporaryDirectory() as var:
            run = subprocess.run(
                [sys.executable, str(ROOT / "manage.py"), "shell", "-v", "0", "-c", script],
                env=clean_environment(**self.variables, MAPGAN_VAR_DIR=var),
                capture_output=True,
                text=True,
                timeout=120,
                cwd=ROOT,
            )
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout.splitlines()[-1])

    def stored(self) -> dict[str, int]:
        """Keys and sizes of everything in the bucket."""
        pages = self.s3.client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return {entry["Key"]: entry["Size"] for page in pages for entry in page.get("Contents", ())}

    def logs(self) -> str:
        """The end of every machine's output."""
        return "\n".join(f"--- {machine.folder.name}\n{machine.log()}" for machine in self.machines)

    def close(self) -> None:
        """Switch everything off and remove it."""
        import shutil

        for machine in self.machines:
            machine.vanish()
        self.broker.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class _Form(HTMLParser):
    """The fields of the page's forms with the values a browser would send."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._select = ""
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, kind = given.get("name") or "", given.get("type") or "text"
        if tag == "input" and name and kind not in ("file", "submit"):
            if kind not in ("checkbox", "radio") or "checked" in given:
                self.fields[name] = given.get("value") or ("on" if kind == "checkbox" else "")
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            if "selected" in given or self._select not in self.fields:
                self.fields[self._select] = given.get("value") or ""
        elif tag == "textarea":
            self._text = name
            self.fields[name] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._text = ""

    def handle_data(self, data: str) -> None:
        if self._text:
            self.fields[self._text] += data


class Browser(requests.Session):
    """Somebody who fills in the site's forms."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.site = url

    def page(self, path: str) -> requests.Response:
        """A page that is there."""
        answer = self.get(self.site + path, timeout=30)
        assert answer.ok, f"{path}: {answer.status_code}"
        return answer

    def fill(self, path: str, *, files: Any = None, **values: str) -> requests.Response:
        """Open the page, change what is said, send the form; where it leads to."""
        form = _Form()
        form.feed(self.page(path).text)
        sent = {**form.fields, **values}
        answer = self.post(
            self.site + path,
            data={name: value for name, value in sent.items() if value is not None},
            files=files,
            headers={"Referer": self.site + path},
            allow_redirects=False,
            timeout=60,
        )
        words = " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())
        assert answer.status_code in (302, 303), f"{path}: {answer.status_code} {words[:2000]}"
        return answer
