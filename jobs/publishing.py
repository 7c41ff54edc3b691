"""Handing a job's id to the broker."""

from __future__ import annotations

import logging
import math
import uuid
from typing import Any

from celery import current_app
from django.db.models.functions import Now
from kombu.exceptions import ChannelError, OperationalError

from jobs.models import Job

logger = logging.getLogger(__name__)


def publish(model: type[Job], job_id: uuid.UUID | str, *, delay: float = 0.0) -> bool:
    """Send the id to the job's queue; False, with a line in the log, when the broker cannot be reached.

    Losing a message is harmless: `job_reconcile` publishes again. Sending one twice is harmless too: the
    second fails its claim.
    """
    try:
        current_app.send_task(
            model.TASK_NAME,
            args=[str(job_id)],
            queue=model.QUEUE,
            countdown=math.ceil(delay) if delay else None,
            ignore_result=True,
            retry=False,
        )
    except (OperationalError, OSError) as error:
        logger.warning("The broker did not take job %s (%s); it will be published again.", job_id, error)
        return False
    model._default_manager.filter(pk=job_id).update(published_at=Now())
    return True


def messages_waiting(queue: str) -> int | None:
    """How many messages no worker has taken yet; None, with a line in the log, when the broker is away."""
    connection: Any = current_app.connection_for_write()
    away: tuple[type[Exception], ...] = (OperationalError, OSError, *connection.connection_errors)
    with connection:
        try:
            return int(connection.default_channel.queue_declare(queue, passive=True).message_count)
        except ChannelError:  # a queue nothing was ever sent to, or that is empty
            return 0
        except away as error:
            logger.warning("The broker cannot be asked about queue %s (%s).", queue, error)
            return None
