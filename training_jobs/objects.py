"""Keys of training's stored objects, and what its modules need of the door to all (`storage.objects`)."""

from __future__ import annotations

import secrets
import uuid

from storage.objects import Check, OnBytes, Stash, join_objects, save_file, sha256_of

__all__ = [
    "CHECKPOINTS",
    "DATASETS",
    "RUNS",
    "UPLOADS",
    "Check",
    "FileStash",
    "OnBytes",
    "checkpoint_key",
    "chunk_key",
    "join_objects",
    "run_key",
    "save_file",
    "sha256_of",
    "version_key",
]

UPLOADS, DATASETS, RUNS, CHECKPOINTS = "uploads", "datasets", "runs", "checkpoints"

FileStash = Stash


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
