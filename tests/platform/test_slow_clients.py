"""Clients that send half a request, or nothing, or take no answer, stop nobody else."""

from __future__ import annotations

import contextlib
import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.live import ROOT, clean_environment
from tests.support.processes import spawn
from tests.support.waiting import answers, free_ports, wait_until

THREADS = 2
APPLICATION = """
from mapgan_site import gunicorn_worker
gunicorn_worker.GRACE_SECONDS = 1.0
gunicorn_worker.SEND_SECONDS = 1.0

def application(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/large":
        return iter(lambda: b"x" * 65536, b"")
    return [str(len(body)).encode()]
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """gunicorn as supervisord.conf starts it, with two threads, a second of grace and a tiny application."""
    folder: Path = tmp_path_factory.mktemp("slow")
    (folder / "tiny.py").write_text(APPLICATION)
    port = free_ports(1)[0]
    command = [
        str(Path(sys.executable).parent / "gunicorn"),
        "tiny:application",
        "--bind",
        f"127.0.0.1:{port}",
    ]
    command += ["--worker-class", "mapgan_site.gunicorn_worker.Worker", "--threads", str(THREADS)]
    command += ["--no-control-socket", "--graceful-timeout", "1", "--pythonpath", f"{folder},{ROOT}"]
    process = spawn(command, env=clean_environment(), cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_until(lambda: answers(port), seconds=20, what="gunicorn")
    yield port
    process.terminate()
    process.wait(timeout=10)


def connect(port: int, sent: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection.sendall(sent)
    return connection


def seconds_to_answer(port: int, path: str = "/") -> float:
    """How long an honest client waits."""
    started = time.monotonic()
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    client.request("GET", path)
    assert client.getresponse().status == 200
    client.close()
    return time.monotonic() - started


def test_silent_connections_take_no_thread(port: int) -> None:
    with ExitStack() as stack:
        for _ in range(THREADS * 10):
            stack.enter_context(connect(port, b""))
        time.sleep(0.2)
        assert seconds_to_answer(port) < 1


@pytest.mark.parametrize(
    "half",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nonly this",
        b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n",  # and then nothing of the answer is taken
    ],
    ids=["half a header", "half a body", "an answer not taken"],
)
def test_half_requests_are_given_up(port: int, half: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(THREADS):
            stack.enter_context(connect(port, half))
        time.sleep(0.2)
        assert seconds_to_answer(port) < 5


def test_a_trickle_is_given_up(port: int) -> None:
    """A byte now and then renews nothing: what counts is all the waiting of a request."""
    with connect(port, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n") as client:
        started = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - started < 15:
                client.sendall(b"x")
                time.sleep(0.1)
        assert time.monotonic() - started < 10


def test_a_steady_upload_takes_the_time_it_needs(port: int) -> None:
    """Longer than the grace, at a rate that is slow but honest."""
    piece, pieces = b"x" * 16384, 12
    head = f"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(piece) * pieces}\r\n\r\n"
    started = time.monotonic()
    with connect(port, head.encode()) as client:
        for _ in range(pieces):
            client.sendall(piece)
            time.sleep(0.25)
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert time.monotonic() - started > 2.5
    assert answer.startswith(b"HTTP/1.1 200")
    assert str(len(piece) * pieces).encode() in answer


def test_several_requests_on_one_connection(port: int) -> None:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for _ in range(3):
        client.request("POST", "/", body=b"four")
        assert client.getresponse().read() == b"4"
        time.sleep(0.5)
    client.close()
