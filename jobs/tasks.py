"""What Celery runs for jobs in general."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from celery.signals import worker_shutting_down

from jobs.runner import stop_running_jobs
from jobs.selectors import job_models
from jobs.services import job_reconcile


@shared_task(name="jobs.reconcile", ignore_result=True)
def reconcile() -> None:
    """Make the queues agree with the rows; beat sends it every few seconds."""
    for model in job_models():
        job_reconcile(model=model)


@worker_shutting_down.connect
def _release_running_job(**_: Any) -> None:
    stop_running_jobs()
