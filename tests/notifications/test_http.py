"""One POST to an address that somebody typed: where it may go, and that it ends."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from notifications import http
from notifications.http import Refused, parse, post, reachable
from notifications.signing import headers, make_secret, signature
from tests.notifications.conftest import Receiver

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "224.0.0.1", "255.255.255.255", "[::1]", "[::]", "[fe80::1]", "[fd00::1]", "[ff02::1]",
        "[::ffff:10.0.0.1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]",
        "[2002:7f00:1::]", "2130706433", "0x7f.1", "127.1",
    ],
)  # fmt: skip
def test_private_addresses_are_refused_however_they_are_written(host: str) -> None:
    with pytest.raises(Refused, match=r"private network|cannot be resolved"):
        reachable(f"https://{host}/hook", [])
    assert post(f"https://{host}:9/hook", b"{}", {}, networks=[]).status is None


@pytest.mark.parametrize("host", ["8.8.8.8", "[2606:4700:4700::1111]"])
def test_public_addresses_are_not(host: str) -> None:
    assert reachable(f"https://{host}/", [])
    with pytest.raises(Refused, match="Only https"):
        reachable(f"http://{host}/", [])


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/", "https://", "example.org/hook", "https://user:word@example.org/",
        "https://example.org/#part", "https://example.org:0/", "https://example.org:99999/",
        "https://exa mple.org/", "https://example.org/\r\nX: y", "file:///etc/passwd", "https://[::1", "",
        "https://" + "a" * 64 + ".org/",
    ],
)  # fmt: skip
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(Refused):
        parse(url)


def test_a_name_that_means_something_else_a_moment_later(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is resolved once; the connection goes to what was checked."""
    asked: list[str] = []

    def resolve(host: str, *args: Any, **kwargs: Any) -> list[Any]:
        if host != "hooks.example.org":
            return original(host, *args, **kwargs)  # the checked address itself
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "10.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, receiver.port))]

    original = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    url = f"http://hooks.example.org:{receiver.port}/x?y=1"
    answer = post(url, b"{}", {"Content-Type": "application/json"}, networks=LOOPBACK)
    assert (answer.status, answer.body, asked) == (200, "thanks", ["hooks.example.org"])
    assert receiver.heard[0][0]["host"] == f"hooks.example.org:{receiver.port}"


def test_redirects_are_not_followed(receiver: Receiver) -> None:
    receiver.answers, receiver.headers = [302], {"Location": receiver.url}
    answer = post(receiver.url, b"{}", {}, networks=LOOPBACK)
    assert (answer.ok, answer.status, len(receiver.heard)) == (False, 302, 1)
    assert "Redirects are not followed" in answer.error


def test_a_long_answer_is_read_in_part(receiver: Receiver) -> None:
    receiver.body = b"x" * 5_000_000
    answer = post(receiver.url, b"{}", {}, networks=LOOPBACK)
    assert answer.ok
    assert len(answer.body) == http.ANSWER_BYTES


@contextmanager
def rude_server(act: Any) -> Iterator[int]:
    """Takes one connection and does something with it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def run() -> None:
            try:
                connection, _ = listener.accept()
                with connection:
                    act(connection)
            except OSError:
                pass  # the other side has hung up, as it should

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield listener.getsockname()[1]


def drip(connection: socket.socket) -> None:
    """A header that never ends, a byte at a time."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for _ in range(600):
        connection.sendall(b"a")
        time.sleep(0.05)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_drips_is_hung_up_on(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "WHOLE_SECONDS", 0.5)
    with rude_server(drip if scheme == "http" else lambda connection: time.sleep(30)) as port:
        answer = post(f"{scheme}://127.0.0.1:{port}/", b"{}", {}, networks=LOOPBACK)
    assert (answer.status, answer.error) == (None, "No answer in time.")
    assert answer.seconds < 10


def test_a_server_that_talks_nonsense_or_hangs_up_or_is_not_there() -> None:
    with rude_server(lambda connection: connection.sendall(b"no http at all\r\n\r\n")) as port:
        assert post(f"http://127.0.0.1:{port}/", b"{}", {}, networks=LOOPBACK).error.startswith("No answer")
    with rude_server(lambda connection: None) as port:
        assert post(f"http://127.0.0.1:{port}/", b"{}", {}, networks=LOOPBACK).error.startswith("No answer")
    answer = post(f"http://127.0.0.1:{port}/", b"{}", {}, networks=LOOPBACK)
    assert answer.error == "No answer: Connection refused."


def test_certificates_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real TLS server whose certificate this machine trusts, for ``localhost`` and for no other name."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            while not (part := secure.recv(4096)).endswith(b"{}") and part:
                pass  # what is left unread takes the answer along when we hang up
            secure.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    networks = [*LOOPBACK, ipaddress.ip_network("::1/128")]
    with rude_server(answer) as port:
        unknown = post(f"https://localhost:{port}/", b"{}", {}, networks=networks)
    assert "certificate is not accepted" in unknown.error
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with rude_server(answer) as port:
        assert post(f"https://localhost:{port}/", b"{}", {}, networks=networks).status == 204
    with rude_server(answer) as port:
        other = post(f"https://127.0.0.1:{port}/", b"{}", {}, networks=networks)
    assert "certificate is not accepted" in other.error


def test_signatures_are_those_of_the_specification() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == expected
    other = make_secret()
    assert other.startswith("whsec_")
    both = headers([other, secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)["webhook-signature"]
    assert both.split(" ")[1] == expected
