"""Writes on jobs from the outside: people, pages and the periodic reconcile."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import TypeVar

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from jobs.errors import JobGone
from jobs.lifecycle import from_now
from jobs.models import ACTIVE_STATES, NEVER, Job, JobState, default_max_attempts
from jobs.publishing import messages_waiting, publish
from jobs.selectors import job_models, queue_pause_of

logger = logging.getLogger(__name__)

J = TypeVar("J", bound=Job)

REPUBLISH_BATCH = 500  # bounds one reconcile's work; the next one takes the rest


@dataclass(frozen=True)
class ReconcileReport:
    """How many rows each rule of `job_reconcile` touched."""

    cancelled: int = 0
    requeued: int = 0
    failed: int = 0
    published: int = 0

    def __bool__(self) -> bool:
        return any(asdict(self).values())


def job_enqueue(*, job: Job) -> None:
    """Publish a freshly inserted job once its transaction commits. A broker that is down raises nothing."""
    transaction.on_commit(partial(publish, type(job), job.pk))


def job_cancel(*, job: Job) -> bool:
    """Stop it: at once when queued or abandoned, at its worker's next heartbeat when running.

    Returns:
        False when it had already finished. ``job`` is refreshed.

    Raises:
        JobGone: it was deleted meanwhile; so do the others here.
    """
    rows = type(job)._default_manager.filter(pk=job.pk)
    idle = Q(state=JobState.QUEUED) | Q(state=JobState.RUNNING, lease_expires_at__lt=Now())
    changed = rows.filter(idle).update(
        state=JobState.CANCELLED, cancel_requested=True, finished_at=Now(), lease_expires_at=None, stage=""
    )
    # Or queued again: a worker that stops may have given it back since. Reconcile ends it then.
    changed = changed or rows.filter(state__in=ACTIVE_STATES).update(cancel_requested=True)
    _refresh(job)
    return bool(changed)


def job_retry(*, job: Job) -> bool:
    """Queue a failed or cancelled job again, with a full set of attempts.

    Returns:
        False when it is in any other state. ``job`` is refreshed.
    """
    changed = (
        type(job)
        ._default_manager.filter(pk=job.pk, state__in=[JobState.FAILED, JobState.CANCELLED])
        .update(
            state=JobState.QUEUED,
            # attempt never goes back: objects of an earlier attempt must stay distinguishable.
            max_attempts=F("attempt") + default_max_attempts(),
            cancel_requested=False,
            queued_at=timezone.now(),  # by the clock that dates new rows, so that places compare
            published_at=None,
            not_before=None,
            outages=0,
            started_at=None,
            finished_at=None,
            progress=0.0,
            error_code="",
            error_message="",
            error_details="",
        )
    )
    if changed:
        job_enqueue(job=job)
    _refresh(job)
    return bool(changed)


def job_hold(*, job: Job) -> bool:
    """Keep a queued job from being claimed until `job_release`. False in any other state.

    A running one is held by its own work, which raises `jobs.errors.JobHeld`. ``job`` is refreshed.
    """
    held = type(job)._default_manager.filter(pk=job.pk, state=JobState.QUEUED).update(not_before=NEVER)
    _refresh(job)
    return bool(held)


def job_release(*, job: Job) -> bool:
    """Let a held job be claimed again. False when it is not held. ``job`` is refreshed."""
    released = (
        type(job)
        ._default_manager.filter(pk=job.pk, state=JobState.QUEUED, not_before=NEVER)
        .update(not_before=None, published_at=None, queued_at=timezone.now())
    )
    if released:
        job_enqueue(job=job)
    _refresh(job)
    return bool(released)


def _refresh(job: Job) -> None:
    try:
        job.refresh_from_db()
    except ObjectDoesNotExist:
        raise JobGone from None


def jobs_changed(*, jobs: Iterable[J], change: Callable[[J], bool]) -> int:
    """On how many of them ``change`` had an effect. Those that are deleted meanwhile are passed over."""
    count = 0
    for job in jobs:
        with suppress(JobGone):
            count += change(job)
    return count


def job_reconcile(*, model: type[Job]) -> ReconcileReport:
    """Make the queue agree with the rows. Idempotent, safe to run anywhere and at any time.

    Rows whose worker vanished are cancelled, failed or requeued; queued rows that the broker has not been
    told of lately are published (again).
    """
    rows = model._default_manager.all()
    orphaned = rows.filter(state=JobState.RUNNING, lease_expires_at__lt=Now())
    over = {"finished_at": Now(), "lease_expires_at": None, "stage": ""}
    unwanted = orphaned | rows.filter(state=JobState.QUEUED)
    cancelled = unwanted.filter(cancel_requested=True).update(state=JobState.CANCELLED, **over)
    stuck = orphaned.filter(model.vanished_again()).update(
        state=JobState.FAILED,
        error_code="died_twice",
        error_message="The worker vanished twice at the same point, as it does when the work needs more "
        "memory than there is. The work was given up; what it stored is kept, and you can try again.",
        **over,
    )
    spent = Q(attempt__gte=F("max_attempts"))
    failed = (orphaned.filter(spent) | rows.filter(spent, state=JobState.QUEUED)).update(
        state=JobState.FAILED,
        error_code="interrupted",
        error_message="The work was interrupted too often and was given up. You can try again.",
        **over,
    )
    requeued = orphaned.update(
        state=JobState.QUEUED,
        lease_expires_at=None,
        published_at=None,
        progress=0.0,
        stage="",
        **model.vanish_columns(),
    )
    report = ReconcileReport(cancelled, requeued, stuck + failed, _publish_forgotten(model))
    if report:
        logger.info("Reconciled %s: %s", model.__name__, report)
    return report


def _publish_forgotten(model: type[Job]) -> int:
    """Publish queued rows that are due and that the broker has not been told of within the last while.

    Only as many as its queue has due rows, of all models that share it, more than messages: while no worker
    takes any, the broker must not fill up with copies. Copies that hide a lost message are gone as soon as a
    worker has looked at them.
    """
    due = Q(state=JobState.QUEUED) & (Q(not_before=None) | Q(not_before__lte=Now()))
    unheard = Q(published_at=None) | Q(published_at__lt=from_now(-settings.JOB_REPUBLISH_SECONDS))
    rows = model._default_manager.filter(due, unheard)
    forgotten = rows.order_by("queued_at", "id").values_list("pk", flat=True)
    if not forgotten.exists() or queue_pause_of(model.QUEUE):
        return 0  # nobody would take them from a paused queue
    messages = messages_waiting(model.QUEUE)
    if messages is None:
        return 0  # the broker is down: the next reconcile tries again
    sharing = [each for each in job_models() if each.QUEUE == model.QUEUE]
    missing = sum(each._default_manager.filter(due).count() for each in sharing) - messages
    published = 0
    for job_id in forgotten[: min(max(missing, 0), REPUBLISH_BATCH)]:
        if not publish(model, job_id):
            break
        published += 1
    return published
