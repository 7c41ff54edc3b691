"""Pausing and resuming a queue: workers finish what they have and take nothing more; submitting goes on."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.utils import timezone

from jobs.models import Job, JobState, QueuePause
from jobs.selectors import job_models, queues
from jobs.services import job_reconcile

if TYPE_CHECKING:
    from accounts.models import User

logger = logging.getLogger(__name__)


def queue_pause(*, queue: str, by: User, reason: str = "") -> bool:
    """Let no worker take from this queue until `queue_resume`. False when it is paused already.

    Raises:
        ValueError: no job waits in a queue of that name.
    """
    if queue not in queues():
        raise ValueError(f"There is no queue {queue!r}.")
    try:
        with transaction.atomic():
            QueuePause.objects.create(queue=queue, paused_by=by, reason=reason)
    except IntegrityError:
        return False
    logger.warning("Queue %s was paused by %s.", queue, by.get_username())
    return True


def queue_resume(*, queue: str, by: User) -> bool:
    """Let workers take from it again. False when it is not paused."""
    paused = QueuePause.objects.filter(queue=queue, resumed_at=None)
    with transaction.atomic():
        if not paused.update(resumed_by=by, resumed_at=timezone.now()):
            return False
        for model in job_models():
            if queue == model.QUEUE:
                # The messages that workers passed over are gone: the broker has to be told again.
                model._default_manager.filter(state=JobState.QUEUED).update(published_at=None)
                transaction.on_commit(partial(_republish, model))
    logger.warning("Queue %s was resumed by %s.", queue, by.get_username())
    return True


def _republish(model: type[Job]) -> None:
    """At once; what this misses the next reconcile finds."""
    job_reconcile(model=model)
