"""The fenced writes on a job's row: each is one conditional UPDATE, safe to run twice and from anywhere.

Every function takes the attempt that the caller claimed and says whether the row was still that attempt's.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db import models, router, transaction
from django.db.models import Exists, ExpressionWrapper, F, Q
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from jobs.errors import JobStopped, LeaseLost
from jobs.models import NEVER, Job, JobState, QueuePause

J = TypeVar("J", bound=Job)

DETAILS_LIMIT = 20_000  # characters; a traceback's end says what happened


def from_now(seconds: float) -> ExpressionWrapper[CombinedExpression]:
    """The database's clock plus ``seconds``."""
    return ExpressionWrapper(Now() + timedelta(seconds=seconds), output_field=models.DateTimeField())


def storable(text: str) -> str:
    """What every database takes: a file's name in a message may be anything, and must not keep a row from its
    end.
    """
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _owned(model: type[Job], job_id: uuid.UUID | str, attempt: int) -> models.QuerySet[Job]:
    return model._default_manager.filter(pk=job_id, attempt=attempt, state=JobState.RUNNING)


def claim(model: type[J], job_id: uuid.UUID | str, worker: str) -> J | None:
    """Take the job for this worker; None when it is not to be had.

    It may be taken, finished, cancelled or not due, or its queue may be paused: then it keeps waiting.
    """
    paused = QueuePause.objects.filter(queue=model.QUEUE, resumed_at=None)
    free = Q(state=JobState.QUEUED) & (Q(not_before=None) | Q(not_before__lte=Now()))
    abandoned = Q(state=JobState.RUNNING, lease_expires_at__lt=Now())
    # One transaction, so that the row read back is the one this call claimed.
    with transaction.atomic(using=router.db_for_write(model)):
        claimed = (
            model._default_manager.filter(free | abandoned, pk=job_id, cancel_requested=False)
            .filter(~Exists(paused), attempt__lt=F("max_attempts"))
            .update(
                state=JobState.RUNNING,
                attempt=F("attempt") + 1,
                worker=worker,
                lease_expires_at=from_now(settings.JOB_LEASE_SECONDS),
                heartbeat_at=Now(),
                started_at=Now(),
                finished_at=None,
                not_before=None,
                stage="",
                progress=0.0,
            )
        )
        return model._default_manager.get(pk=job_id) if claimed else None


def beat(model: type[Job], job_id: uuid.UUID | str, attempt: int, *, progress: float, stage: str) -> bool:
    """Renew the lease and show progress. False: the lease is lost."""
    return bool(
        _owned(model, job_id, attempt).update(
            lease_expires_at=from_now(settings.JOB_LEASE_SECONDS),
            heartbeat_at=Now(),
            progress=progress,
            stage=stage,
        )
    )


def stop_wanted(model: type[Job], job_id: uuid.UUID | str, attempt: int) -> type[JobStopped] | None:
    """Why it has to stop: somebody wants it, or the row is no longer this attempt's. None: it may go on."""
    values = _owned(model, job_id, attempt).values_list(*model.stop_columns()).first()
    return LeaseLost if values is None else model.stop_reason(values)


def write(model: type[Job], job_id: uuid.UUID | str, attempt: int, **fields: Any) -> bool:
    """Columns of the job's own, while it runs. False: the lease is lost, and nothing was written."""
    return bool(_owned(model, job_id, attempt).update(**fields))


def _finish(model: type[Job], job_id: uuid.UUID | str, attempt: int, state: JobState, **fields: Any) -> bool:
    return bool(
        _owned(model, job_id, attempt).update(
            state=state, finished_at=Now(), lease_expires_at=None, stage="", **fields
        )
    )


def succeed(model: type[Job], job_id: uuid.UUID | str, attempt: int, fields: dict[str, Any]) -> bool:
    """Write the result and the state in one UPDATE: a row is never half done."""
    clean = {"progress": 1.0, "error_code": "", "error_message": "", "error_details": ""}
    return _finish(model, job_id, attempt, JobState.SUCCEEDED, **clean, **fields)


def fail(
    model: type[Job], job_id: uuid.UUID | str, attempt: int, *, code: str, message: str, details: str = ""
) -> bool:
    """End it with the reason."""
    return _finish(
        model,
        job_id,
        attempt,
        JobState.FAILED,
        error_code=code,
        error_message=storable(message),
        error_details=storable(details[-DETAILS_LIMIT:]),
    )


def cancel(model: type[Job], job_id: uuid.UUID | str, attempt: int) -> bool:
    """End a running job, if its owner no longer wants it."""
    wanted = _owned(model, job_id, attempt).filter(cancel_requested=True)
    return bool(wanted.update(state=JobState.CANCELLED, finished_at=Now(), lease_expires_at=None, stage=""))


def hold(model: type[Job], job_id: uuid.UUID | str, attempt: int, **fields: Any) -> bool:
    """Back to the queue, uncounted, to be claimed by nobody until `jobs.services.job_release`."""
    held = (
        _owned(model, job_id, attempt)
        .filter(cancel_requested=False)
        .update(
            state=JobState.QUEUED,
            lease_expires_at=None,
            not_before=NEVER,
            max_attempts=F("max_attempts") + 1,
            stage="",
            **fields,
        )
    )
    if not held:
        cancel(model, job_id, attempt)
    return bool(held)


def requeue(
    model: type[Job],
    job_id: uuid.UUID | str,
    attempt: int,
    *,
    delay: float = 0.0,
    counted: bool = True,
    details: str = "",
    **fields: Any,
) -> bool:
    """Back to the queue, to be claimed after ``delay`` seconds; what its owner cancelled ends cancelled.

    Args:
        counted: False when the attempt was no fault of the job (its worker was asked to stop): the cap rises
            by one, because ``attempt`` itself must never go back.
        fields: other columns to write with it.

    Returns:
        Whether it is queued again.
    """
    queued = (
        _owned(model, job_id, attempt)
        .filter(cancel_requested=False)
        .update(
            state=JobState.QUEUED,
            lease_expires_at=None,
            published_at=None,
            not_before=from_now(delay) if delay else None,
            max_attempts=F("max_attempts") + (0 if counted else 1),
            progress=0.0,
            stage="",
            error_details=storable(details[-DETAILS_LIMIT:]),
            **fields,
        )
    )
    if not queued:
        cancel(model, job_id, attempt)
    return bool(queued)
