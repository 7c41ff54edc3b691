"""The durable job: the database row is the truth, a broker message is only a hint.

States::

    queued -> running -> succeeded | failed | cancelled
      ^          |                       |          |
      |          | lease lost, worker    |          |
      +----------+ stopping, transient   +----------+  retry, by a person
                   error (attempts left)

A worker *claims* a row by one conditional UPDATE that raises ``attempt`` and sets a lease; while it works a
thread renews the lease; every later write names the attempt (`jobs.lifecycle`), so a worker that lost its
lease can write nothing.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from jobs.errors import JobCancelled, JobStopped


class JobState(models.TextChoices):
    """Where a job stands."""

    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


ACTIVE_STATES = (JobState.QUEUED, JobState.RUNNING)
FINISHED_STATES = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


NEVER = datetime(9999, 12, 31, tzinfo=UTC)  # `not_before` of a job that is held


def default_max_attempts() -> int:
    """How often a job may be claimed before it counts as failed."""
    return int(settings.JOB_MAX_ATTEMPTS)


class Job(models.Model):
    """A piece of work that outlives every process that works on it.

    A concrete job says which Celery task takes its id (``TASK_NAME``) and on which queue (``QUEUE``).
    Times in rows are the database's own clock wherever two machines could disagree (leases, heartbeats).
    """

    TASK_NAME: ClassVar[str]
    QUEUE: ClassVar[str]

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    state = models.CharField(max_length=10, choices=JobState.choices, default=JobState.QUEUED)
    attempt = models.PositiveIntegerField(default=0, help_text="Raised by every claim; fences every write.")
    max_attempts = models.PositiveIntegerField(default=default_max_attempts)
    outages = models.PositiveIntegerField(
        default=0, help_text="How often in a row a part of the service was away."
    )
    cancel_requested = models.BooleanField(default=False)

    stage = models.CharField(max_length=60, blank=True, help_text="What it is doing, in a few words.")
    progress = models.FloatField(default=0.0, help_text="0 to 1.")
    worker = models.CharField(max_length=120, blank=True, help_text="Who claimed it last.")

    lease_expires_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    queued_at = models.DateTimeField(default=timezone.now, help_text="Its place in the queue.")
    not_before = models.DateTimeField(null=True, blank=True, help_text="Set by the back-off of a retry.")
    published_at = models.DateTimeField(null=True, blank=True, help_text="When the broker last took its id.")
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.TextField(blank=True, help_text="Safe to show to the job's owner.")
    error_details = models.TextField(blank=True, help_text="For staff only.")

    class Meta:
        abstract = True
        indexes = [
            # The queue itself and the watch over leases are small; the finished rows are the many.
            models.Index(
                fields=["queued_at", "id"],
                condition=models.Q(state="queued"),
                name="%(app_label)s_%(class)s_queue",
            ),
            models.Index(
                fields=["lease_expires_at"],
                condition=models.Q(state="running"),
                name="%(app_label)s_%(class)s_lease",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=JobState.values), name="%(app_label)s_%(class)s_state_known"
            ),
            models.CheckConstraint(
                condition=models.Q(progress__gte=0) & models.Q(progress__lte=1),
                name="%(app_label)s_%(class)s_progress_range",
            ),
        ]

    @classmethod
    def stop_columns(cls) -> tuple[str, ...]:
        """Columns that people write to stop a running job; `stop_reason` gets their values."""
        return ("cancel_requested",)

    @classmethod
    def stop_reason(cls, values: tuple[Any, ...]) -> type[JobStopped] | None:
        """What these values of `stop_columns` ask of a running job; None when it may go on."""
        return JobCancelled if values[0] else None

    @classmethod
    def vanish_columns(cls) -> dict[str, Any]:
        """Columns to write when a worker vanished with it and another one may try."""
        return {}

    @classmethod
    def vanished_again(cls) -> models.Q:
        """Which of those whose worker vanished came no further than the last time, and are given up.

        It may be the job that takes its worker along: for want of memory, most often.
        """
        return models.Q(pk__in=[])

    @property
    def is_active(self) -> bool:
        """Queued or running."""
        return self.state in ACTIVE_STATES

    @property
    def is_finished(self) -> bool:
        """Nothing will happen to it unless a person retries it."""
        return self.state in FINISHED_STATES

    @property
    def is_held(self) -> bool:
        """Queued, and to be claimed by nobody until it is released."""
        return self.state == JobState.QUEUED and self.not_before == NEVER

    @property
    def can_cancel(self) -> bool:
        """Cancelling would change something."""
        return self.is_active and not self.cancel_requested

    @property
    def can_retry(self) -> bool:
        """It ended without a result."""
        return self.state in (JobState.FAILED, JobState.CANCELLED)

    @property
    def elapsed(self) -> timedelta | None:
        """How long the last attempt ran, or has run so far; None before the first, and between two."""
        if self.started_at is None or self.state == JobState.QUEUED:
            return None
        return max((self.finished_at or timezone.now()) - self.started_at, timedelta(0))

    @property
    def waited(self) -> timedelta | None:
        """How long it has waited so far; None unless it is queued."""
        return max(timezone.now() - self.queued_at, timedelta(0)) if self.state == JobState.QUEUED else None


class QueuePause(models.Model):
    """Workers take nothing from a queue while its newest pause is not over. The rows are the audit trail."""

    id = models.BigAutoField(primary_key=True)
    queue = models.CharField(max_length=40)
    reason = models.CharField(max_length=200, blank=True, help_text="Shown to people whose work waits.")
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    paused_at = models.DateTimeField(default=timezone.now)
    resumed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    resumed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["queue"], condition=models.Q(resumed_at=None), name="jobs_queue_paused_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.queue}, {'paused' if self.resumed_at is None else 'paused and resumed'}"


class Worker(models.Model):
    """A process that works, by its own word: it signs this row every few seconds (`jobs.workers`).

    The name is what `Job.worker` holds of the jobs it claimed. Who stops in good order takes the row along.
    """

    name = models.CharField(primary_key=True, max_length=120, help_text="Host and process.")
    role = models.CharField(max_length=40, help_text="Its queues in words, or beat.")
    queues = models.JSONField(default=list, blank=True)
    hostname = models.CharField(max_length=100)
    version = models.CharField(max_length=60, blank=True)
    device = models.CharField(max_length=200, blank=True, help_text="The machine's processor and GPUs.")
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()

    class Meta:
        ordering = ["role", "name"]

    def __str__(self) -> str:
        return self.name
