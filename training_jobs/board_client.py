"""Asking TensorBoard, on its Unix socket or in a private network."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

PATIENCE_SECONDS: Final = 60.0  # its first answer after a sleep takes a while
BLOCK: Final = 2**16


class BoardUnavailable(Exception):  # noqa: N818 - it names a condition
    """It does not run, or does not answer."""


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("tensorboard", timeout=PATIENCE_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Instead of a host and a port."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@dataclass(frozen=True)
class Answer:
    """What it said; `blocks` has to be read to its end or closed."""

    status: int
    headers: dict[str, str]
    blocks: Iterator[bytes]


def ask(method: str, path: str, *, headers: dict[str, str], body: bytes | None) -> Answer:
    """One request.

    Raises:
        BoardUnavailable: nobody answers.
    """
    connection = _connection()
    try:
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise BoardUnavailable from error
    found = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, found, _blocks(connection, response))


def _connection() -> http.client.HTTPConnection:
    if not settings.TENSORBOARD_URL:
        return _UnixConnection(settings.TENSORBOARD_SOCKET)
    parts = urlsplit(settings.TENSORBOARD_URL)
    return http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=PATIENCE_SECONDS)


def _blocks(connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while block := response.read(BLOCK):
            yield block
    finally:
        connection.close()
