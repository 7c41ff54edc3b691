"""Claiming: one conditional UPDATE decides who works."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from jobs import lifecycle
from jobs.models import JobState
from tests.jobs.conftest import Chore

pytestmark = pytest.mark.database


def test_a_queued_job_is_claimed_with_a_lease(chore: Chore) -> None:
    job = lifecycle.claim(Chore, chore.pk, "host:1")
    assert job is not None
    assert (job.state, job.attempt, job.worker) == (JobState.RUNNING, 1, "host:1")
    assert job.lease_expires_at is not None
    left = job.lease_expires_at - timezone.now()
    assert timedelta(seconds=50) < left <= timedelta(seconds=61)


def test_a_running_job_is_not_claimed_twice(chore: Chore) -> None:
    assert lifecycle.claim(Chore, chore.pk, "first")
    assert lifecycle.claim(Chore, chore.pk, "second") is None


def test_an_expired_lease_can_be_claimed_and_fences_the_first_worker(
    chore: Chore, expire: Callable[[Chore], None]
) -> None:
    lifecycle.claim(Chore, chore.pk, "first")
    expire(chore)
    second = lifecycle.claim(Chore, chore.pk, "second")
    assert second is not None
    assert second.attempt == 2
    assert not lifecycle.beat(Chore, chore.pk, 1, progress=0.5, stage="")
    assert not lifecycle.succeed(Chore, chore.pk, 1, {"result": "stale"})
    assert not lifecycle.fail(Chore, chore.pk, 1, code="x", message="x")
    assert not lifecycle.requeue(Chore, chore.pk, 1)
    assert lifecycle.succeed(Chore, chore.pk, 2, {"result": "fresh"})
    chore.refresh_from_db()
    assert (chore.state, chore.result) == (JobState.SUCCEEDED, "fresh")


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED])
def test_a_finished_job_is_never_claimed(chore: Chore, state: JobState) -> None:
    Chore.objects.filter(pk=chore.pk).update(state=state)
    assert lifecycle.claim(Chore, chore.pk, "w") is None


def test_a_job_out_of_attempts_is_not_claimed(chore: Chore) -> None:
    Chore.objects.filter(pk=chore.pk).update(attempt=5, max_attempts=5)
    assert lifecycle.claim(Chore, chore.pk, "w") is None


def test_a_job_whose_cancellation_was_asked_for_is_not_claimed(chore: Chore) -> None:
    Chore.objects.filter(pk=chore.pk).update(cancel_requested=True)
    assert lifecycle.claim(Chore, chore.pk, "w") is None


def test_backoff_holds_a_job_until_it_is_due(chore: Chore) -> None:
    Chore.objects.filter(pk=chore.pk).update(not_before=lifecycle.from_now(30))
    assert lifecycle.claim(Chore, chore.pk, "w") is None
    Chore.objects.filter(pk=chore.pk).update(not_before=lifecycle.from_now(-1))
    assert lifecycle.claim(Chore, chore.pk, "w")


def test_of_many_workers_exactly_one_gets_it(chore: Chore) -> None:
    claims: list[Chore | None] = []
    start = threading.Barrier(6)

    def contend(name: str) -> None:
        start.wait()
        try:
            claims.append(lifecycle.claim(Chore, chore.pk, name))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=contend, args=(f"w{i}",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claims) == 6
    assert sum(claim is not None for claim in claims) == 1
