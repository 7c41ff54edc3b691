"""Reads on jobs."""

from __future__ import annotations

from datetime import UTC, datetime

from django.apps import apps
from django.db import connection
from django.db.models import Q, QuerySet

from jobs.lifecycle import from_now
from jobs.models import NEVER, Job, JobState, QueuePause, Worker

WORKER_FRESH_SECONDS = 40.0  # a worker not heard of for so long is taken for dead


def job_models() -> list[type[Job]]:
    """Every concrete job model of the project."""
    return [model for model in apps.get_models() if issubclass(model, Job)]


def queue_position(*, job: Job) -> int | None:
    """Its place among the queued, 1 being next; None when it is not queued, or held."""
    if job.state != JobState.QUEUED or job.is_held:
        return None
    ahead = Q(queued_at__lt=job.queued_at) | Q(queued_at=job.queued_at, pk__lt=job.pk)
    waiting = type(job)._default_manager.filter(ahead, state=JobState.QUEUED)
    return waiting.exclude(not_before=NEVER).count() + 1


def queues() -> list[str]:
    """Every queue that jobs wait in."""
    return sorted({model.QUEUE for model in job_models()})


def queue_pause_of(queue: str) -> QueuePause | None:
    """The pause that holds this queue now; None when workers take from it."""
    return QueuePause.objects.select_related("paused_by").filter(queue=queue, resumed_at=None).first()


def workers_alive() -> QuerySet[Worker]:
    """Those that signed lately, by the database's clock."""
    return Worker.objects.filter(heartbeat_at__gte=from_now(-WORKER_FRESH_SECONDS))


def database_now() -> datetime:
    """The database's clock, which leases and heartbeats go by."""
    sqlite = connection.vendor == "sqlite"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')" if sqlite else "SELECT clock_timestamp()"
        )
        (value,) = cursor.fetchone()
    return datetime.fromisoformat(value).replace(tzinfo=UTC) if sqlite else value
