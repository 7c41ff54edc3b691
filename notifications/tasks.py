"""What Celery runs for notifications, in the maintenance worker."""

from __future__ import annotations

from celery import shared_task

from notifications import worker
from notifications.services import events_sweep


@shared_task(name="notifications.deliver", ignore_result=True)
def deliver() -> None:
    """Find news and send what is due; beat sends it every few seconds."""
    worker.round_of_work()


@shared_task(name="notifications.sweep", ignore_result=True)
def sweep() -> None:
    """Forget what is long past; beat sends it every day."""
    events_sweep()
