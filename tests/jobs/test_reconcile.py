"""Reconcile and the writes of people: the rows heal the queue, never the other way round."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection, transaction
from django.utils import timezone

from jobs import lifecycle
from jobs.errors import JobGone
from jobs.models import JobState
from jobs.selectors import job_models, queue_position
from jobs.services import (
    job_cancel,
    job_enqueue,
    job_hold,
    job_reconcile,
    job_release,
    job_retry,
    jobs_changed,
)
from tests.jobs.conftest import Chore, Errand
from tests.support.broker import Broker

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.database


def test_a_job_of_a_vanished_worker_goes_back_to_the_queue(
    chore: Chore, expire: Callable[[Chore], None]
) -> None:
    lifecycle.claim(Chore, chore.pk, "gone")
    assert job_reconcile(model=Chore).requeued == 0
    expire(chore)
    assert job_reconcile(model=Chore).requeued == 1
    chore.refresh_from_db()
    assert (chore.state, chore.attempt) == (JobState.QUEUED, 1)


def test_a_job_that_kills_its_workers_is_given_up(chore: Chore, expire: Callable[[Chore], None]) -> None:
    for attempt in range(1, 6):
        assert lifecycle.claim(Chore, chore.pk, f"victim {attempt}")
        expire(chore)
        report = job_reconcile(model=Chore)
        assert (report.requeued, report.failed) == ((1, 0) if attempt < 5 else (0, 1))
    chore.refresh_from_db()
    assert (chore.state, chore.error_code) == (JobState.FAILED, "interrupted")
    assert "try again" in chore.error_message


def test_a_cancelled_job_of_a_vanished_worker_ends_cancelled(
    chore: Chore, expire: Callable[[Chore], None]
) -> None:
    lifecycle.claim(Chore, chore.pk, "gone")
    assert job_cancel(job=chore)
    assert chore.state == JobState.RUNNING
    expire(chore)
    assert job_reconcile(model=Chore).cancelled == 1
    chore.refresh_from_db()
    assert chore.state == JobState.CANCELLED


def test_reconcile_is_idempotent(chore: Chore, expire: Callable[[Chore], None]) -> None:
    lifecycle.claim(Chore, chore.pk, "gone")
    expire(chore)
    job_reconcile(model=Chore)
    again = job_reconcile(model=Chore)
    assert (again.requeued, again.failed, again.cancelled) == (0, 0, 0)


def test_cancelling_a_queued_job_is_immediate_and_a_finished_one_refused(chore: Chore) -> None:
    assert job_cancel(job=chore)
    assert chore.state == JobState.CANCELLED
    assert not job_cancel(job=chore)


def test_a_retry_starts_with_a_full_set_of_attempts(chore: Chore) -> None:
    assert not job_retry(job=chore)
    lifecycle.claim(Chore, chore.pk, "w")
    lifecycle.fail(Chore, chore.pk, 1, code="bad", message="bad", details="bad")
    assert job_retry(job=chore)
    assert (chore.state, chore.attempt, chore.max_attempts) == (JobState.QUEUED, 1, 6)
    assert (chore.error_code, chore.error_message, chore.error_details) == ("", "", "")
    assert lifecycle.claim(Chore, chore.pk, "w")


def test_the_queue_position_counts_those_ahead(chore: Chore) -> None:
    second = Chore.objects.create()
    assert [queue_position(job=job) for job in (chore, second)] == [1, 2]
    lifecycle.claim(Chore, chore.pk, "w")
    chore.refresh_from_db()
    assert [queue_position(job=job) for job in (chore, second)] == [None, 1]


def test_a_retried_job_waits_behind_the_others(chore: Chore) -> None:
    other = Chore.objects.create()
    job_cancel(job=chore)
    assert job_retry(job=chore)
    assert [queue_position(job=job) for job in (other, chore)] == [1, 2]
    job_cancel(job=other)
    assert queue_position(job=chore) == 1


def test_a_job_is_published_when_its_transaction_commits_and_only_then(
    transactional_db: None, broker: Broker
) -> None:
    with transaction.atomic():
        job_enqueue(job=Chore.objects.create())
        transaction.set_rollback(True)
    assert broker.queued(Chore.QUEUE) == 0
    with transaction.atomic():
        job = Chore.objects.create()
        job_enqueue(job=job)
        assert broker.queued(Chore.QUEUE) == 0
    assert broker.queued(Chore.QUEUE) == 1
    job.refresh_from_db()
    assert job.published_at is not None


def test_a_wiped_broker_is_told_again_but_never_flooded(
    chore: Chore, broker: Broker, settings: SettingsWrapper
) -> None:
    settings.JOB_REPUBLISH_SECONDS = 0
    Chore.objects.create()
    assert job_reconcile(model=Chore).published == 2
    for _ in range(3):  # no worker takes them
        assert job_reconcile(model=Chore).published == 0
    assert broker.queued(Chore.QUEUE) == 2
    broker.wipe()
    assert job_reconcile(model=Chore).published == 2


def test_a_lost_message_is_not_hidden_by_those_of_other_kinds(chore: Chore, broker: Broker) -> None:
    for _ in range(3):
        job_enqueue(job=Errand.objects.create())
    assert broker.queued(Chore.QUEUE) == 3
    assert job_reconcile(model=Chore).published == 1
    assert broker.queued(Chore.QUEUE) == 4


def test_what_is_held_or_not_due_has_no_message_to_miss(
    chore: Chore, broker: Broker, settings: SettingsWrapper
) -> None:
    settings.JOB_REPUBLISH_SECONDS = 0
    assert job_hold(job=Chore.objects.create())
    Chore.objects.create(not_before=timezone.now() + timedelta(hours=1))
    for _ in range(3):
        job_reconcile(model=Chore)
    assert broker.queued(Chore.QUEUE) == 1


def test_publishing_waits_for_a_broker_that_is_away(chore: Chore) -> None:
    assert job_reconcile(model=Chore).published == 0
    chore.refresh_from_db()
    assert (chore.state, chore.published_at) == (JobState.QUEUED, None)


def test_cancelled_while_its_worker_gives_it_back(chore: Chore) -> None:
    """Between the look for an idle job and the one for a running job it goes from this to that."""
    lifecycle.claim(Chore, chore.pk, "stopping")
    given_back: list[bool] = []

    def give_back(execute: Callable[..., object], sql: str, *rest: object) -> object:
        done = execute(sql, *rest)
        if sql.startswith("UPDATE") and not given_back:
            given_back.append(True)
            assert lifecycle.requeue(Chore, chore.pk, 1, counted=False)
        return done

    with connection.execute_wrapper(give_back):
        assert job_cancel(job=chore)
    assert given_back
    assert lifecycle.claim(Chore, chore.pk, "next") is None
    job_reconcile(model=Chore)
    chore.refresh_from_db()
    assert chore.state == JobState.CANCELLED


@pytest.mark.parametrize("change", [job_cancel, job_retry, job_hold, job_release])
def test_deleted_while_somebody_acts_on_it(chore: Chore, change: Callable[..., bool]) -> None:
    Chore.objects.filter(pk=chore.pk).delete()
    with pytest.raises(JobGone):
        change(job=chore)


def test_of_many_those_that_are_gone_are_passed_over(chore: Chore) -> None:
    gone, over = Chore.objects.create(), Chore.objects.create(state=JobState.SUCCEEDED)
    Chore.objects.filter(pk=gone.pk).delete()
    assert jobs_changed(jobs=[gone, over, chore], change=lambda job: job_cancel(job=job)) == 1
    assert chore.state == JobState.CANCELLED


def test_a_cancelled_job_is_not_queued_again(chore: Chore) -> None:
    lifecycle.claim(Chore, chore.pk, "stopping")
    assert job_cancel(job=chore)
    assert not lifecycle.requeue(Chore, chore.pk, 1, counted=False)
    chore.refresh_from_db()
    assert chore.state == JobState.CANCELLED


def test_a_queued_row_with_a_wish_to_cancel_is_cancelled(chore: Chore) -> None:
    Chore.objects.filter(pk=chore.pk).update(cancel_requested=True)
    assert job_reconcile(model=Chore).cancelled == 1


def test_every_concrete_job_model_is_reconciled() -> None:
    assert Chore in job_models()
