"""What the queues and workers do, read from the rows; the broker's own count stands beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from celery import current_app
from django.conf import settings
from django.db.models import Count, Min, Q
from django.urls import NoReverseMatch, reverse

from jobs.models import NEVER, Job, JobState, QueuePause, Worker
from jobs.publishing import messages_waiting
from jobs.selectors import (
    WORKER_FRESH_SECONDS,
    database_now,
    job_models,
    queue_pause_of,
    queues,
    workers_alive,
)

QUEUE_WORDS = {
    "translate": "Translations",
    "data": "Datasets and publishing",
    "train": "Training",
    "evaluate": "Measuring checkpoints",
}
PAUSES_SHOWN = 20


@dataclass(frozen=True)
class QueueFacts:
    """One queue.

    Attributes:
        waiting: queued jobs that a worker may take.
        later: those that wait for their back-off.
        held: those that a person paused one by one.
        oldest: how long the first of the waiting has waited.
        messages: in the broker; None when that cannot be asked.
        workers: that take from it and live.
    """

    name: str
    words: str
    waiting: int
    later: int
    held: int
    running: int
    oldest: timedelta | None
    messages: int | None
    workers: int
    pause: QueuePause | None


@dataclass(frozen=True)
class WorkerFacts:
    """One process, and what it works on now."""

    row: Worker
    silent_for: timedelta
    is_alive: bool
    jobs: list[RunningJob]


@dataclass(frozen=True)
class RunningJob:
    """A job that a worker has claimed."""

    job: Job
    kind: str
    address: str
    silent_for: timedelta | None


def waiting_in(model: type[Job], now: datetime) -> dict[str, Any]:
    """Counts of a model's unfinished rows, in one query over its two small partial indexes."""
    queued, running = Q(state=JobState.QUEUED), Q(state=JobState.RUNNING)
    due = queued & (Q(not_before=None) | Q(not_before__lte=now))
    return model._default_manager.filter(queued | running).aggregate(
        waiting=Count("pk", filter=due),
        later=Count("pk", filter=queued & Q(not_before__gt=now) & ~Q(not_before=NEVER)),
        held=Count("pk", filter=queued & Q(not_before=NEVER)),
        running=Count("pk", filter=running),
        expired=Count("pk", filter=running & Q(lease_expires_at__lt=now)),
        oldest=Min("queued_at", filter=due),
        heartbeat=Min("heartbeat_at", filter=running),
    )


def queue_list(*, ask_broker: bool = True) -> list[QueueFacts]:
    """Every queue that jobs wait in."""
    now = database_now()
    alive = list(workers_alive())
    return [_queue(name, alive, now, ask_broker=ask_broker) for name in queues()]


def _queue(name: str, alive: list[Worker], now: datetime, *, ask_broker: bool) -> QueueFacts:
    rows = [waiting_in(model, now) for model in job_models() if name == model.QUEUE]
    since = min((row["oldest"] for row in rows if row["oldest"]), default=None)
    return QueueFacts(
        name=name,
        words=QUEUE_WORDS.get(name, name.capitalize()),
        **{count: sum(row[count] for row in rows) for count in ("waiting", "later", "held", "running")},
        oldest=_age(since, now),
        messages=messages_waiting(name) if ask_broker else None,
        workers=sum(name in worker.queues for worker in alive),
        pause=queue_pause_of(name),
    )


def worker_list() -> list[WorkerFacts]:
    """Every process that signed within the last day, with the jobs it has claimed."""
    now = database_now()
    running: dict[str, list[RunningJob]] = {}
    for each in running_jobs(now):
        running.setdefault(each.job.worker, []).append(each)
    facts = []
    for row in Worker.objects.all():
        silent_for = _age(row.heartbeat_at, now) or timedelta(0)
        patience = WORKER_FRESH_SECONDS + (0 if row.queues else settings.JOB_RECONCILE_SECONDS)  # beat's tick
        is_alive = silent_for.total_seconds() <= patience
        facts.append(WorkerFacts(row, silent_for, is_alive, running.get(row.name, [])))
    return sorted(facts, key=lambda each: not each.is_alive)


def running_jobs(now: datetime) -> list[RunningJob]:
    """Every job that is claimed, of every kind."""
    return [
        RunningJob(job, str(model._meta.verbose_name), job_address(job), _age(job.heartbeat_at, now))
        for model in job_models()
        for job in model._default_manager.filter(state=JobState.RUNNING)
    ]


def strays(workers: Iterable[WorkerFacts]) -> list[RunningJob]:
    """Running jobs whose worker has no row: it died a while ago, or cannot reach its row."""
    known = {each.row.name for each in workers}
    return [each for each in running_jobs(database_now()) if each.job.worker not in known]


def pauses() -> list[QueuePause]:
    """Who paused and resumed what, newest first."""
    return list(QueuePause.objects.select_related("paused_by", "resumed_by")[:PAUSES_SHOWN])


def messages_for_upkeep() -> int | None:
    """Messages for the maintenance worker, which has no rows of its own."""
    return messages_waiting(str(current_app.conf.task_default_queue))


def job_address(job: Job) -> str:
    """The job's page; for kinds that have none its place in the administration."""
    address = getattr(job, "get_absolute_url", None)
    if address is not None:
        return str(address())
    if job._meta.label_lower == "translator.translation":
        return reverse("translator:detail", args=[job.pk])
    try:
        return reverse(f"admin:{job._meta.app_label}_{job._meta.model_name}_change", args=[job.pk])
    except NoReverseMatch:
        return ""


def _age(moment: datetime | None, now: datetime) -> timedelta | None:
    return None if moment is None else max(now - moment, timedelta(0))
