"""``make run``: refusals in clear words, everything restarts, everything stops, nothing is left behind."""

from __future__ import annotations

import configparser
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import requests

from scripts import process
from tests.support.live import PROGRAMS, ROOT, LiveStack, clean_environment
from tests.support.waiting import free_ports, wait_until


def run(var: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """scripts/run.py until it ends by itself."""
    return subprocess.run(
        [sys.executable, "scripts/run.py"],
        env=clean_environment(MAPGAN_VAR_DIR=str(var), **variables),
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_busy_port_is_said_before_anything_starts(tmp_path: Path, host: str) -> None:
    with socket.socket() as other:
        other.bind((host, 0))
        other.listen()
        port = other.getsockname()[1]
        result = run(tmp_path, HOST=host, PORT=str(port))
    assert result.returncode == 2
    assert f"Port {port} of {host} cannot be used: address already in use." in result.stdout
    assert f"make run PORT={port + 1}" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr
    assert not (tmp_path / "db.sqlite3").exists()


def test_a_garbled_setting_is_said_without_a_traceback(tmp_path: Path) -> None:
    result = run(tmp_path, MAPGAN_MAX_UPLOAD_MB="many")
    assert result.returncode == 2
    assert "MAPGAN_MAX_UPLOAD_MB must be a whole number" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_an_address_of_another_machine_is_said(tmp_path: Path) -> None:
    result = run(tmp_path, HOST="192.0.2.1", PORT=str(free_ports(1)[0]))
    assert result.returncode == 2
    assert "192.0.2.1" in result.stdout


def test_a_second_start_in_one_clone_is_refused(live_stack: LiveStack) -> None:
    result = run(live_stack.var, PORT=str(free_ports(1)[0]))
    assert result.returncode == 2
    assert "already runs from this clone (process " in result.stdout


def test_mail_is_printed_on_the_terminal(live_stack: LiveStack) -> None:
    live_stack.add_user("forgetful")
    with requests.Session() as browser:
        form = browser.get(f"{live_stack.url}/accounts/password/reset/", timeout=20)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form.text)
        assert token
        sent = {"email": "forgetful@example.org", "csrfmiddlewaretoken": token[1]}
        assert browser.post(form.url, data=sent, headers={"Referer": form.url}, timeout=20).ok
    wait_until(
        lambda: f"{live_stack.url}/accounts/password/reset/key/" in live_stack.output.read_text(),
        seconds=10,
        what="the mail with its link",
    )


def test_what_dies_starts_again_and_is_said(live_stack: LiveStack) -> None:
    for program in ("translate", "broker", "web"):
        old = live_stack.kill(program)
        wait_until(
            lambda old=old, program=program: live_stack.pid(program) not in (0, old),
            seconds=30,
            what=f"a new {program}",
        )
    said = live_stack.output.read_text()
    assert "! the translate worker died (terminated by SIGKILL) and starts again" in said
    assert "! the broker died" in said

    def all_up() -> bool:
        try:
            return bool(live_stack.health()[1]["parts"]["workers"]["up"])
        except OSError:
            return False

    wait_until(all_up, seconds=60, what="every part to be up again")


def family(pid: int) -> list[psutil.Process]:
    """A process and everything below it."""
    top = psutil.Process(pid)
    return [top, *top.children(recursive=True)]


def test_the_translate_worker_has_huge_pages(live_stack: LiveStack) -> None:
    def tunables() -> list[str]:
        return [each.environ().get("GLIBC_TUNABLES", "") for each in family(live_stack.pid("translate"))]

    wait_until(lambda: "glibc.malloc.hugetlb=1" in tunables(), seconds=30, what="a worker with huge pages")


def test_a_whole_life(live_stacks: Callable[..., LiveStack]) -> None:
    """Stopping leaves nothing behind; a second start keeps the data; a killed supervisor takes all along."""
    stack = live_stacks()
    password = re.search(r"Password: +(\S+)", stack.output.read_text())
    assert password
    key = (stack.var / "secret_key").read_bytes()
    assert stat.S_IMODE(stack.var.stat().st_mode) == 0o700
    kept = [path for path in stack.var.rglob("*") if path.is_file() and "static" not in path.parts]
    open_to_others = [path for path in kept if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert open_to_others == [], "hashes of passwords and private pictures are in there"
    assert stack._process is not None
    processes = family(stack._process.pid)
    assert len(processes) >= len(PROGRAMS) + 2
    started = time.monotonic()
    assert stack.stop(signal.SIGINT) == 0
    assert time.monotonic() - started < 10
    _, alive = psutil.wait_procs(processes, timeout=1)
    assert alive == []

    stack.output.unlink()
    stack.start()
    said = stack.output.read_text()
    assert "Password" not in said, "the admin is made once"
    assert "Collecting static files" not in said
    assert (stack.var / "secret_key").read_bytes() == key
    signs_in = f"authenticate(username='admin', password={password[1]!r})"
    assert stack.python(f"from django.contrib.auth import authenticate; result = bool({signs_in})") is True

    if sys.platform == "linux":  # elsewhere a process does not learn that its parent died
        processes = family(stack._process.pid)
        supervisor = next(process for process in processes if "supervisor.supervisord" in process.cmdline())
        supervisor.kill()
        _, alive = psutil.wait_procs(processes, timeout=15)
        assert alive == []
        assert "supervisord ended by itself" in stack.output.read_text()


@pytest.mark.parametrize("role", process.ROLES)
def test_no_process_starts_with_a_garbled_setting(tmp_path: Path, role: str) -> None:
    result = subprocess.run(
        [sys.executable, "scripts/process.py", role],
        env=clean_environment(MAPGAN_VAR_DIR=str(tmp_path), MAPGAN_JOB_MAX_ATTEMPTS="many"),
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
    )
    assert result.returncode == 2
    assert result.stderr.strip() == "MAPGAN_JOB_MAX_ATTEMPTS must be a whole number, not 'many'."


def test_supervisor_configuration() -> None:
    """Every program restarts for ever, stops as a group, in time, and with the signal that celery wants."""
    text = (ROOT / "supervisord.conf").read_text()
    config = configparser.RawConfigParser()
    config.read_string(text)
    programs = [section for section in config.sections() if section.startswith("program:")]
    assert {section.removeprefix("program:") for section in programs} == set(PROGRAMS)
    for section in programs:
        program = config[section]
        assert program["autorestart"] == "true"
        assert program.getint("startretries") >= 1000
        assert program["stopsignal"] == "TERM"
        assert program["stopasgroup"] == program["killasgroup"] == "true"
        assert program.getint("stopwaitsecs") <= 5
    slowest = max(
        config[section].getint("stopwaitsecs") for section in programs if section != "program:broker"
    )
    assert slowest + config["program:broker"].getint("stopwaitsecs") + 2 < 10
    commands = "\n".join(config[section]["command"] for section in programs)
    assert "REMAP_SIGTERM" not in commands
    roles = set(PROGRAMS) - {"broker"}
    assert {config[f"program:{role}"]["command"] for role in roles} == {
        f"%(ENV_RUN_PROCESS)s {role}" for role in roles
    }
    assert roles | {"prepare"} == set(process.ROLES)
    assert "--appendonly yes" in commands
    assert "noeviction" in commands
