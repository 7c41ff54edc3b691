"""Reads on jobs."""

from __future__ import annotations

from django.apps import apps
from django.db.models import Q

from jobs.lifecycle import NEVER
from jobs.models import Job, JobState


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
