"""What is wrong with a part of the system, in one sentence that names the part and the setting to look at.

For who runs the site: `manage.py check --deploy`, /healthz's log, the doctor. No password and no address is
repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import redis
from django.conf import settings
from django.core.files.storage import storages
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from mapgan_site import presence
from storage.errors import StorageError
from storage.trial import trials

DATABASE_WORDS = {
    "password authentication failed": "The database refuses the password: look at DATABASE_URL.",
    "no password supplied": "The database wants a password: write it into DATABASE_URL.",
    "no pg_hba.conf entry": "The database lets this machine or user not in (pg_hba.conf), or wants TLS: "
    "look at DATABASE_URL and its sslmode.",
    "does not exist": "There is no such database or user on the server: look at the name in DATABASE_URL.",
    "certificate": "The database's certificate is not accepted: look at sslrootcert in DATABASE_URL.",
    "ssl": "The database and DATABASE_URL do not agree on TLS: look at its sslmode.",
    "too many": "The database has no connection left: lower MAPGAN_DATABASE_POOL or MAPGAN_WEB_THREADS, or "
    "raise its max_connections.",
    "remaining connection slots": "The database has no connection left: lower MAPGAN_DATABASE_POOL or "
    "MAPGAN_WEB_THREADS, or raise its max_connections.",
    "couldn't get a connection": "No connection of the pool was free in time: the database is away "
    "(DATABASE_URL), or MAPGAN_DATABASE_POOL is too small.",
    "statement timeout": "A statement took longer than MAPGAN_DATABASE_TIMEOUT_SECONDS.",
    "unsupported startup parameter": "A connection pooler in between refuses our time limits: set "
    "MAPGAN_DATABASE_TIMEOUT_SECONDS=0.",
    "unable to open database file": "The database file cannot be opened: look at MAPGAN_VAR_DIR.",
    "disk is full": "The database's disk is full: make room where MAPGAN_VAR_DIR is.",
    "readonly database": "The database file cannot be written: look at the rights of MAPGAN_VAR_DIR.",
}
DATABASE_SILENT = "The database does not answer: look at DATABASE_URL and at the server."
BROKER_SILENT = "The broker does not answer: look at REDIS_URL and at the server."
BROKER_REFUSES = "The broker refuses the password: look at REDIS_URL."


def explain_database(error: BaseException) -> str:
    """What an error of the database means."""
    said = str(error).lower()
    return next((words for part, words in DATABASE_WORDS.items() if part in said), DATABASE_SILENT)


def database_problems() -> list[str]:
    """What is wrong with the database, if anything."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except (DatabaseError, OSError) as error:
        return [explain_database(error)]
    if missing:
        return [f"The database lacks {len(missing)} migrations: run `manage.py prepare` with this version."]
    return []


def broker_problems(*, timeout: float = 2.0) -> list[str]:
    """What is wrong with the broker, and what it would lose, if anything."""
    with presence.client(timeout) as broker:
        try:
            broker.ping()
        except (redis.AuthenticationError, redis.exceptions.NoPermissionError):
            return [BROKER_REFUSES]
        except (redis.RedisError, OSError):
            return [BROKER_SILENT]
        return list(_broker_risks(broker))


def _broker_risks(broker: redis.Redis) -> Iterator[str]:
    policy = _configured(broker, "maxmemory-policy")
    if policy not in ("", "noeviction"):
        yield f"The broker may throw queued work away: set its maxmemory-policy to noeviction, not {policy}."
    if _configured(broker, "appendonly") == "no":
        yield "The broker forgets what is queued when it restarts: set its appendonly to yes."
    try:
        info: Any = broker.info("persistence")
    except redis.RedisError:
        return
    if info.get("aof_enabled") and info.get("aof_last_write_status", "ok") != "ok":
        yield "The broker cannot write its file: its disk is full or cannot be written."


def _configured(broker: redis.Redis, name: str) -> str:
    """A setting of the server; empty where a hosted one hides its configuration."""
    try:
        found: Any = broker.config_get(name)
    except redis.RedisError:
        return ""
    return str(found.get(name, ""))


def storage_problems() -> list[str]:
    """What is wrong with the storage, if anything: it is tried out, with an object that is removed again."""
    try:
        for _ in trials(storages["default"], link_seconds=settings.FILE_LINK_SECONDS):
            pass
    except StorageError as error:
        return [" ".join(getattr(error, "__notes__", ())) or str(error)]
    return []
