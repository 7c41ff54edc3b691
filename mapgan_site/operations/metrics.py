"""Figures for Prometheus, read from the rows at each scrape: any web process gives the same answer.

Labels are kinds, states, queues and roles, a few dozen in all; no person, job or machine is one. What would
have to look at every row (finished jobs by state, bytes by kind, durations) is remembered for a minute.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from statistics import quantiles
from typing import Any, TypeVar

from django.apps import apps
from django.db.models import Count, F, Max, Min, Q, Sum
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from jobs.models import FINISHED_STATES, Job, JobState, Worker
from jobs.selectors import database_now, job_models, queue_pause_of, queues, workers_alive
from jobs.workers import software_version
from mapgan_site.operations.selectors import waiting_in
from notifications.models import Delivery, DeliveryState

REMEMBERED_SECONDS = 60.0
SAMPLE = 500  # newest jobs whose durations are looked at
BYTES = (
    ("originals", "translator.Translation", "source_bytes"),
    ("results", "translator.Translation", "result_bytes"),
    ("generators", "translator.Generator", "size_bytes"),
    ("datasets", "training.DatasetVersion", "archive_bytes"),
    ("uploads", "training.UploadChunk", "size"),
    ("checkpoints", "training.Checkpoint", "size_bytes"),
)

T = TypeVar("T")


class Remembered:
    """Answers that may be a minute old; one thread asks anew, and nobody asks twice at the same time."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Any]] = {}

    def get(self, name: str, ask: Callable[[], T]) -> T:
        """The answer, at most `REMEMBERED_SECONDS` old."""
        with self._lock:
            at, value = self._known.get(name, (float("-inf"), None))
            if time.monotonic() - at > REMEMBERED_SECONDS:
                value = ask()
                self._known[name] = (time.monotonic(), value)
            answer: T = value
            return answer

    def forget(self) -> None:
        """Ask everything anew."""
        with self._lock:
            self._known.clear()


remembered = Remembered()


class RowsCollector(Collector):
    """All families, made when Prometheus asks."""

    def collect(self) -> Iterable[Metric]:
        """See `Collector`."""
        began = time.monotonic()
        now = database_now()
        yield InfoMetricFamily("mapgan", "The software.", value={"version": software_version()})
        yield from _queues(now)
        yield from _jobs()
        yield from _workers(now)
        yield from _deliveries(now)
        yield from _bytes()
        yield _gauge(
            "mapgan_scrape_seconds", "How long this answer took.", (), [((), time.monotonic() - began)]
        )


def exposition() -> bytes:
    """The answer to a scrape, in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(RowsCollector())
    return generate_latest(registry)


def _gauge(
    name: str, words: str, labels: tuple[str, ...], samples: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, words, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _age(moment: datetime | None, now: datetime) -> float:
    return max((now - moment).total_seconds(), 0.0) if moment is not None else 0.0


def _kind(model: type[Job]) -> str:
    return str(model._meta.model_name)


def _queues(now: datetime) -> Iterator[Metric]:
    rows = {model: waiting_in(model, now) for model in job_models()}
    alive = [worker.queues for worker in workers_alive()]
    names = queues()
    own = {name: [row for model, row in rows.items() if name == model.QUEUE] for name in names}

    def summed(count: str) -> list[tuple[tuple[str, ...], float]]:
        return [((name,), sum(row[count] for row in own[name])) for name in names]

    oldest = [((name,), max(_age(row["oldest"], now) for row in own[name])) for name in names]
    yield _gauge("mapgan_queue_waiting", "Jobs that a worker may take now.", ("queue",), summed("waiting"))
    yield _gauge("mapgan_queue_held", "Jobs that people paused one by one.", ("queue",), summed("held"))
    yield _gauge("mapgan_queue_delayed", "Jobs that wait for their back-off.", ("queue",), summed("later"))
    yield _gauge("mapgan_queue_oldest_seconds", "How long the first of them has waited.", ("queue",), oldest)
    paused = [((name,), float(queue_pause_of(name) is not None)) for name in names]
    yield _gauge("mapgan_queue_paused", "1 while the queue is paused.", ("queue",), paused)
    takers = [((name,), float(sum(name in taken for taken in alive))) for name in names]
    yield _gauge("mapgan_queue_workers", "Workers that live and take from it.", ("queue",), takers)
    beats = [((_kind(model),), _age(row["heartbeat"], now)) for model, row in rows.items()]
    words = "Age of the oldest heartbeat among running jobs."
    yield _gauge("mapgan_job_heartbeat_age_seconds", words, ("kind",), beats)
    expired = [((_kind(model),), float(row["expired"])) for model, row in rows.items()]
    yield _gauge("mapgan_job_leases_expired", "Running jobs whose worker is gone.", ("kind",), expired)
    active = [
        ((_kind(model), state), float(count))
        for model, row in rows.items()
        for state, count in (
            ("queued", row["waiting"] + row["later"] + row["held"]),
            ("running", row["running"]),
        )
    ]
    finished = remembered.get("finished", _finished)
    yield _gauge("mapgan_jobs", "Rows by kind and state.", ("kind", "state"), [*active, *finished])


def _finished() -> list[tuple[tuple[str, ...], float]]:
    samples: list[tuple[tuple[str, ...], float]] = []
    for model in job_models():
        rows = model._default_manager.filter(state__in=FINISHED_STATES).order_by()
        counts = dict(rows.values_list("state").annotate(count=Count("pk")))
        samples += [((_kind(model), state.value), float(counts.get(state, 0))) for state in FINISHED_STATES]
    return samples


def _jobs() -> Iterator[Metric]:
    words = f"Of the last {SAMPLE} jobs that succeeded within a day: seconds from start to end."
    family = _gauge(
        "mapgan_job_duration_seconds", words, ("kind", "quantile"), remembered.get("spent", _spent)
    )
    yield family


def _spent() -> list[tuple[tuple[str, ...], float]]:
    since = timezone.now() - timedelta(days=1)
    samples: list[tuple[tuple[str, ...], float]] = []
    for model in job_models():
        rows = model._default_manager.filter(state=JobState.SUCCEEDED, created_at__gte=since)
        times = rows.filter(started_at__lte=F("finished_at")).order_by("-created_at")
        seconds = [
            (ended - began).total_seconds()
            for began, ended in times.values_list("started_at", "finished_at")[:SAMPLE]
            if began is not None and ended is not None
        ]
        if seconds:
            cuts = quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else seconds * 99
            samples += [((_kind(model), str(part / 100)), cuts[part - 1]) for part in (50, 90, 99)]
    return samples


def _workers(now: datetime) -> Iterator[Metric]:
    heard = dict(Worker.objects.order_by().values_list("role").annotate(at=Max("heartbeat_at")))
    alive = dict(workers_alive().order_by().values_list("role").annotate(count=Count("pk")))
    words = "Processes that live, by what they take."
    yield _gauge("mapgan_workers", words, ("role",), [((role,), float(alive.get(role, 0))) for role in heard])
    ages = [((role,), _age(at, now)) for role, at in heard.items()]
    words = "Age of the newest heartbeat, by role."
    yield _gauge("mapgan_worker_heartbeat_age_seconds", words, ("role",), ages)


def _deliveries(now: datetime) -> Iterator[Metric]:
    mail = Q(endpoint=None)
    rows = Delivery.objects.filter(state=DeliveryState.PENDING).aggregate(
        mail=Count("pk", filter=mail),
        webhook=Count("pk", filter=~mail),
        mail_since=Min("created_at", filter=mail),
        webhook_since=Min("created_at", filter=~mail),
    )
    channels = ("mail", "webhook")
    pending = [((name,), float(rows[name])) for name in channels]
    yield _gauge("mapgan_notifications_pending", "Not delivered yet.", ("channel",), pending)
    oldest = [((name,), _age(rows[f"{name}_since"], now)) for name in channels]
    words = "How long the oldest of them is on its way."
    yield _gauge("mapgan_notifications_oldest_seconds", words, ("channel",), oldest)


def _bytes() -> Iterator[Metric]:
    words = "Bytes that rows refer to, by kind."
    yield _gauge("mapgan_storage_bytes", words, ("kind",), remembered.get("bytes", _stored))


def _stored() -> list[tuple[tuple[str, ...], float]]:
    return [
        ((kind,), float(apps.get_model(label)._default_manager.aggregate(sum=Sum(column))["sum"] or 0))
        for kind, label, column in BYTES
    ]
