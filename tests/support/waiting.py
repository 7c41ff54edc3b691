"""Waiting for something to become true, with a limit and words for the failure."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], *, seconds: float, what: str, every: float = 0.05) -> T:
    """Call `condition` until it returns something true and return that; fail after `seconds`."""
    limit = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > limit:
            raise AssertionError(f"Waited {seconds:g} s in vain for {what}; last seen: {value!r}")
        time.sleep(every)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that were free a moment ago, outside the range that outgoing connections use."""
    sockets, ports = [], []
    try:
        for port in range(20000 + time.monotonic_ns() // 1000 % 8000, 32000):
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                listener.close()
                continue
            sockets.append(listener)
            ports.append(port)
            if len(ports) == count:
                return ports
    finally:
        for listener in sockets:
            listener.close()
    raise AssertionError("No free port was found.")


def answers(port: int) -> bool:
    """Whether somebody listens on the port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
