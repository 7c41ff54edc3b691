"""What a laptop gets by itself: a secret key and a place for the broker's socket."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import socket
import stat
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

# Bytes. sun_path holds 108 on Linux and 104 on macOS, with its closing NUL; supervisord first binds its
# socket under a name that is longer by its process number.
SOCKET_PATH_LIMIT = 95
SIOCGIFADDR = 0x8915  # "address of this interface", from linux/sockios.h

# Not TMPDIR: a shell with another one would look for the broker elsewhere. The folder in it is private.
SHORT_FOLDERS = Path("/tmp")  # noqa: S108


def private_folder(path: Path) -> Path:
    """Make the folder if need be; refuse one that other users own or can write to."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.stat(follow_symlinks=False)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise ImproperlyConfigured(f"{path} must be a folder that belongs to you alone (mode 700).")
    return path


def socket_path(var: Path, name: str) -> Path:
    """Where a Unix socket goes: under `var`, or in a short private folder when that path is too long.

    The short folder's name is made from `var`'s path and the user's number, so that every process of one
    clone finds the same one, and two clones never share it.
    """
    path = var / name
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        return path
    digest = hashlib.sha256(os.fsencode(var)).hexdigest()[:12]
    return private_folder(SHORT_FOLDERS / f"mapgan-{os.getuid()}-{digest}") / name


def secret_key(path: Path) -> str:
    """Read the key, or make it once with mode 600. Two processes that start together get the same key."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        # O_EXCL: exactly one process creates the file, and the mode is right from its first byte
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _wait_for_key(path)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        key = secrets.token_urlsafe(64)
        file.write(key)
    return key


def _wait_for_key(path: Path) -> str:
    """Read a key that another process may be writing at this moment."""
    for _ in range(100):
        key = path.read_text(encoding="ascii").strip()
        if len(key) >= 50:
            return key
        time.sleep(0.02)
    raise ImproperlyConfigured(f"{path} holds no usable secret key: delete it, and a new one is made.")


def allowed_hosts(bind: str) -> tuple[str, ...]:
    """The names a laptop answers to: its own, and no others.

    Listening on every address is no reason to believe any Host header: links in mail are made from it.
    """
    names = ("localhost", "127.0.0.1", "[::1]")
    if bind in ("0.0.0.0", "::", "[::]"):  # noqa: S104 - compared, not bound
        return (*names, *sorted(own_names() - set(names)))
    written = f"[{bind.strip('[]')}]" if ":" in bind else bind
    return names if written in names else (*names, written)


def own_names() -> set[str]:
    """This machine's name and its addresses, as a Host header writes them."""
    host = socket.gethostname().lower()
    addresses = {str(info[4][0]) for info in _resolved(host)} | set(_interface_addresses())
    for family, anywhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        # "connecting" a datagram socket sends nothing; it only tells which address would be used
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((anywhere, 9))
            addresses.add(str(probe.getsockname()[0]))
    written = {f"[{address}]" if ":" in address else address for address in addresses if "%" not in address}
    return {host, f"{host}.local", *written}


def _resolved(host: str) -> list[Any]:
    with contextlib.suppress(OSError):
        return list(socket.getaddrinfo(host, None))
    return []


def _interface_addresses() -> Iterator[str]:
    """The IPv4 address of each network interface, on Linux."""
    if sys.platform != "linux":
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # an interface without an address
                request = struct.pack("256s", name.encode()[:15])
                answer = fcntl.ioctl(asking.fileno(), SIOCGIFADDR, request)
                yield socket.inet_ntoa(answer[20:24])
