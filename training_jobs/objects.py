"""Stored objects of training: their keys, and large files in and out without holding them in memory."""

from __future__ import annotations

import hashlib
import io
import secrets
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, Final

from django.core.files.base import File
from django.core.files.storage import default_storage

from translator.storage import StorageUnavailable, open_object, remove, translated_errors

UPLOADS, DATASETS, RUNS, CHECKPOINTS = "uploads", "datasets", "runs", "checkpoints"
BLOCK: Final = 2**20

OnBytes = Callable[[int], None]
Check = Callable[[], None]


def chunk_key(chunk_id: uuid.UUID) -> str:
    """A fresh key for one chunk of an upload."""
    return f"{UPLOADS}/{chunk_id.hex[:2]}/{chunk_id.hex}-chunk-{secrets.token_hex(8)}.bin"


def version_key(version_id: uuid.UUID, kind: str, extension: str, *, attempt: int) -> str:
    """A fresh key for one object of a dataset's version; it names the attempt that makes it."""
    return f"{DATASETS}/{version_id.hex}-a{attempt}-{kind}-{secrets.token_hex(8)}.{extension}"


def run_key(run_id: uuid.UUID, kind: str, extension: str, *, attempt: int) -> str:
    """A fresh key for one of a run's own files."""
    return f"{RUNS}/{run_id.hex}-a{attempt}-{kind}-{secrets.token_hex(8)}.{extension}"


def checkpoint_key(checkpoint_id: uuid.UUID, kind: str, extension: str, *, attempt: int) -> str:
    """A fresh key for one file of a checkpoint."""
    name = checkpoint_id.hex
    return f"{CHECKPOINTS}/{name[:2]}/{name}-a{attempt}-{kind}-{secrets.token_hex(8)}.{extension}"


def save_file(key: str, path: Path, check: Check = lambda: None) -> None:
    """Store a file's content under exactly this key. After an error nothing is left of it.

    Args:
        check: asked again and again while the bytes go out; what it raises ends the storing.

    Raises:
        StorageError: the storage does not take it.
    """
    try:
        with translated_errors(), _Checked(path.open("rb"), check) as stream:
            stored = default_storage.save(key, File(stream))
    except BaseException:
        remove([key])
        raise
    if stored != key:
        remove([stored])
        raise StorageUnavailable


class _Checked(io.BufferedReader):
    """A file that asks before every read whether to go on."""

    def __init__(self, stream: io.BufferedReader, check: Check) -> None:
        super().__init__(stream.detach())
        self._check = check

    def read(self, size: int | None = -1, /) -> bytes:
        self._check()
        return super().read(size)


def join_objects(keys: Iterable[str], path: Path, on_bytes: OnBytes = lambda _: None) -> tuple[int, str]:
    """Write the objects one after the other into a file; returns its size and its SHA-256.

    Args:
        on_bytes: called with the bytes so far after every block; what it raises ends the copying.

    Raises:
        StorageError: one cannot be read.
        OSError: the disk is full.
    """
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as out:
        for key in keys:
            with open_object(key) as stored:
                while block := _read(stored):
                    out.write(block)
                    digest.update(block)
                    size += len(block)
                    on_bytes(size)
    return size, digest.hexdigest()


def sha256_of(path: Path) -> str:
    """Of a local file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read(stored: File[bytes] | BinaryIO) -> bytes:
    with translated_errors():
        data: bytes = stored.read(BLOCK)
        return data


class FileStash:
    """Files stored together: all of them, or none (see `translator.storage.Stash`, which holds bytes)."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def __enter__(self) -> FileStash:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.discard()

    def save(self, key: str, path: Path, check: Check = lambda: None) -> str:
        """Store one and remember it; returns the key."""
        save_file(key, path, check)
        self.keys.append(key)
        return key

    def discard(self) -> None:
        """Remove everything stored so far."""
        remove(self.keys)
        self.keys = []
