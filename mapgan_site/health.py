"""/healthz: which parts are up. /readyz: whether this process may be sent requests.

Cheap, quick, open to everybody, and silent about addresses and secrets.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import redis
from django.apps import apps
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from mapgan_site import presence, probes
from mapgan_site.diagnosis import explain_database

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 0.7  # for broker and storage together, which are asked at the same time

Part = dict[str, Any]


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 while pages can be served, with what is down said in the body; 503 without the database."""
    started = time.monotonic()
    probes.storage_watch.look(timeout=PATIENCE_SECONDS)
    database, generators = _database()
    broker, workers = _broker()
    parts = {
        "database": database,
        "broker": broker,
        "storage": _part(
            probes.storage_watch.problem(patience=started + PATIENCE_SECONDS - time.monotonic())
        ),
        "workers": workers,
        "generators": generators,
    }
    if not database["up"]:
        status = "down"
    else:
        status = "ok" if all(part["up"] for part in parts.values()) else "degraded"
    return JsonResponse({"status": status, "parts": parts}, status=503 if status == "down" else 200)


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when pages can be served: the database answers and has every table. Other parts may be away."""
    problem = _readiness.problem()
    body = {"status": "not ready", "message": problem} if problem else {"status": "ready"}
    return JsonResponse(body, status=503 if problem else 200)


class _Readiness:
    """Migrations are looked at until they are complete: this process's code does not change after that."""

    def __init__(self) -> None:
        self._migrated = False

    def problem(self) -> str | None:
        try:
            if not self._migrated:
                plan = MigrationExecutor(connection)
                if plan.migration_plan(plan.loader.graph.leaf_nodes()):
                    return "The database lacks tables of this version: run migrate."
                self._migrated = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except (DatabaseError, OSError) as error:
            logger.warning("readyz: the database does not answer: %s", error)
            return "The database does not answer."
        return None


_readiness = _Readiness()


def _part(problem: str | None, **more: Any) -> Part:
    return {"up": problem is None, **({"message": problem} if problem else {}), **more}


def _database() -> tuple[Part, Part]:
    """The database, and how many generators it offers."""
    unknown = _part("Not known without the database.", published=None)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, OSError) as error:
        logger.warning("healthz: %s (%s)", explain_database(error), error)
        return _part("The database does not answer."), unknown
    try:
        generator = apps.get_model("translator", "Generator")
        published = generator._default_manager.filter(state="published").count()
    except DatabaseError as error:
        logger.warning("healthz: the database has no tables: %s", error)
        return _part("The database has no tables yet: run migrate."), unknown
    return _part(None), _part(None if published else "No generator is published.", published=published)


def _broker() -> tuple[Part, Part]:
    """The broker, and who signed its presence list lately."""
    with presence.client(PATIENCE_SECONDS / 3) as broker:
        problem = probes.broker_problem(broker)
        try:
            counts = probes.parts_at_work(broker)
        except (redis.RedisError, OSError):
            return _part(problem or "The broker does not answer."), _part("Not known without the broker.")
    silent = [role for role, count in counts.items() if not count]
    workers = _part(f"Not heard of lately: {', '.join(silent)}." if silent else None, **counts)
    return _part(problem), workers
