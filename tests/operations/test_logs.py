"""Log lines: each names its request or job, as text and as JSON, and none is a key or a forgery."""

from __future__ import annotations

import json
import logging
import re
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from django.test import Client

from mapgan_site import logs
from mapgan_site.logs import ContextFilter, formatter, public_path
from tests.support.live import ROOT, clean_environment
from tests.support.processes import spawn
from tests.support.waiting import answers, free_ports, wait_until


def line(log_format: str, message: str = "Hello", **extra: Any) -> str:
    record = logging.makeLogRecord({"name": "jobs.runner", "levelname": "INFO", "msg": message, **extra})
    ContextFilter().filter(record)
    return formatter(log_format).format(record)


def test_a_request_gets_an_id_and_keeps_a_good_one(client: Client, db: None) -> None:
    made = client.get("/gallery/")["X-Request-ID"]
    assert re.fullmatch(r"[0-9a-f]{32}", made)
    assert client.get("/gallery/")["X-Request-ID"] != made
    assert client.get("/gallery/", HTTP_X_REQUEST_ID="edge-7:1.2_3")["X-Request-ID"] == "edge-7:1.2_3"
    for bad in ("a b", "x" * 65, "<script>", 'a"b', "é"):
        assert client.get("/gallery/", HTTP_X_REQUEST_ID=bad)["X-Request-ID"] != bad
    assert client.get("/healthz", HTTP_X_REQUEST_ID="probe")["X-Request-ID"] == "probe"


def test_lines_of_a_task_name_their_job_and_the_request_that_asked_for_it() -> None:
    headers: dict[str, Any] = {}
    token = logs.request_id.set("edge-1")
    logs._send_along(headers=headers)
    logs.request_id.reset(token)
    assert headers == {"request_id": "edge-1"}
    task = SimpleNamespace(name="translator.translate", request=SimpleNamespace(**headers))
    logs._begin(task_id="t", task=task, args=["job-9"])
    try:
        assert line("text").endswith(
            "jobs.runner: Hello [request=edge-1 job=job-9 task=translator.translate]"
        )
        found = json.loads(line("json"))
        assert (found["request_id"], found["job_id"], found["task"]) == (
            "edge-1",
            "job-9",
            "translator.translate",
        )
        assert (found["level"], found["logger"], found["message"]) == ("INFO", "jobs.runner", "Hello")
        assert found["timestamp"].startswith("20")
    finally:
        logs._end(task_id="t")
    assert line("text").endswith("Hello")
    assert "job_id" not in json.loads(line("json"))


def test_json_is_one_line_whatever_is_in_it() -> None:
    try:
        raise ValueError("first\nsecond")  # noqa: TRY301
    except ValueError:
        text = line("json", "a\nb \x1b[31m “c”", exc_info=sys.exc_info(), status=404)
    assert "\n" not in text
    found = json.loads(text)
    assert found["message"] == "a\nb \x1b[31m “c”"
    assert "ValueError" in found["exc_info"]
    assert found["status"] == 404


def test_addresses_that_are_keys_are_not_logged() -> None:
    assert public_path("/accounts/password/reset/key/3-c1x-secret/") == "/accounts/password/reset/key/…/"
    assert public_path("/accounts/confirm-email/MQ:1abc/") == "/accounts/confirm-email/…/"
    assert public_path("/gallery/?token=1") == "/gallery/"


@contextmanager
def web(tmp_path: Path, **variables: str) -> Iterator[tuple[str, Path]]:
    """A web process as the images start it; its address and where its lines go."""
    port = free_ports(1)[0]
    (tmp_path / "static").mkdir()
    environment = clean_environment(PORT=str(port), MAPGAN_VAR_DIR=str(tmp_path), **variables)
    path = tmp_path / "web.log"
    with path.open("wb") as log:
        command = [sys.executable, str(ROOT / "scripts" / "process.py"), "web"]
        process = spawn(command, env=environment, stdout=log, stderr=log, cwd=ROOT)
        try:
            wait_until(lambda: answers(port), seconds=60, what="the web process")
            yield f"http://127.0.0.1:{port}", path
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def asked(address: str, **headers: str) -> int:
    request = urllib.request.Request(address, headers=headers)  # noqa: S310 - our own server
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_real_web_process_logs_json_and_nothing_else(tmp_path: Path) -> None:
    """Without tables and static files most pages fail, which is as well: failures are logged by Django."""
    with web(tmp_path, MAPGAN_LOG_FORMAT="json") as (base, path):
        assert asked(f"{base}/api/v1/generators/?password=hidden", **{"X-Request-ID": "edge-42"}) == 503
        assert asked(f"{base}/accounts/confirm-email/hidden/") == 500
        wait_until(lambda: path.read_text().count("confirm-email/") >= 2, seconds=10, what="the last lines")
        time.sleep(0.2)
    text = path.read_text()
    lines = [json.loads(each) for each in text.splitlines()]  # every line, gunicorn's own as well
    assert "hidden" not in re.sub(r'"exc_info": "[^"]*"', "", text)
    own = [each for each in lines if each.get("request_id") == "edge-42"]
    access = next(each for each in own if each["logger"] == "mapgan.access")
    assert (access["method"], access["path"], access["status"]) == ("GET", "/api/v1/generators/", 503)
    assert access["duration_ms"] >= 0
    assert any(each["logger"] == "django.request" for each in own), "Django's own line has the id, too"
    assert {"gunicorn.error"} <= {each["logger"] for each in lines}
