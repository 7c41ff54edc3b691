"""What a laptop gets by itself: a secret key and a place for the broker's socket."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import time
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

# Bytes. sun_path holds 108 on Linux and 104 on macOS with the closing NUL; supervisord binds its socket under a
# name that is longer by its process number first.
SOCKET_PATH_LIMIT = 95

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
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
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
    """The names a laptop answers to. Listening on every address means being asked under any name."""
    if bind in ("0.0.0.0", "::", "[::]"):  # noqa: S104 - compared, not bound
        return ("*",)
    names = ("localhost", "127.0.0.1", "[::1]")
    return names if bind in names else (*names, bind)
