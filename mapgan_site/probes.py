"""Looks at the services around the web process. Used by /healthz and by the system checks.

Each probe returns None when all is well, else a short sentence that holds no address and no secret.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import redis
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.files.storage import storages

from mapgan_site import presence
from storage.s3 import PrivateS3Storage

STORAGE_ANSWER_SECONDS = 10.0  # how long an S3 answer is believed: /healthz may be asked every second


def broker_problem(broker: redis.Redis) -> str | None:
    """Whether the broker answers and would lose nothing that is queued."""
    try:
        broker.ping()
    except redis.AuthenticationError:
        return "The broker refuses the password."
    except (redis.RedisError, OSError):
        return "The broker does not answer."
    try:
        policy = broker.config_get("maxmemory-policy")
    except redis.RedisError:
        return None  # hosted servers often hide their configuration
    if policy.get("maxmemory-policy", "noeviction") != "noeviction":
        return "The broker may throw queued work away: set its maxmemory-policy to noeviction."
    return None


def storage_problem(*, timeout: float = 2.0) -> str | None:
    """Whether files can be written. Asks an S3 server without writing anything."""
    storage = storages["default"]
    if isinstance(storage, PrivateS3Storage):
        return _bucket_problem(storage, timeout)
    return _folder_problem(Path(settings.MEDIA_ROOT))


def _folder_problem(folder: Path) -> str | None:
    """The folder, or the first parent that exists, must let us write."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return "The storage folder cannot be written to."
    free = os.statvfs(existing)
    if free.f_bavail * free.f_frsize < settings.TRANSLATION_MAX_BYTES * 2:
        return "The storage is full."
    return None


def _bucket_problem(storage: PrivateS3Storage, timeout: float) -> str | None:
    config = Config(connect_timeout=timeout, read_timeout=timeout, retries={"max_attempts": 0})
    client = storage.client(config)
    try:
        client.head_bucket(Bucket=storage.bucket_name)
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        words = {403: "The storage refuses our key.", 404: "The storage has no such bucket."}
        return words.get(status or 0, "The storage answers with an error.")
    except BotoCoreError:
        return "The storage does not answer."
    return None


class StorageWatch:
    """The storage's state as of a few seconds ago; one thread asks at a time, and nobody waits for long."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._lock = threading.Lock()
        self._answer: str | None = None
        self._asked_at = float("-inf")
        self._thread: threading.Thread | None = None

    def look(self, *, timeout: float) -> None:
        """Begin to ask an S3 server, unless its last answer is young or still awaited."""
        with self._lock:
            young = time.monotonic() - self._asked_at < STORAGE_ANSWER_SECONDS
            if settings.STORAGE == "local" or young or (self._thread and self._thread.is_alive()):
                return
            self._thread = threading.Thread(target=self._ask, args=(timeout,), daemon=True)
            self._thread.start()

    def problem(self, *, patience: float) -> str | None:
        """The newest answer. A server that is too slow counts as silent, until it has answered after all."""
        if settings.STORAGE == "local":
            return storage_problem()
        if self._thread is not None:
            self._thread.join(max(0.0, patience))
            if self._thread.is_alive():
                return "The storage does not answer in time."
        return self._answer

    def _ask(self, timeout: float) -> None:
        answer = storage_problem(timeout=timeout)
        with self._lock:
            self._answer, self._asked_at = answer, time.monotonic()


storage_watch = StorageWatch()


def parts_at_work(broker: redis.Redis) -> dict[str, int]:
    """How many workers of each kind, and beats, signed the presence list lately."""
    counts = {"translate": 0, "data": 0, "train": 0, "maintenance": 0, "beat": 0}
    for name, age in presence.heard_of(broker).items():
        role = name.partition("@")[0]
        if role in counts and age <= presence.fresh_seconds(name):
            counts[role] += 1
    return counts
