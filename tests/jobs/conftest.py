"""A job of the tests' own, so that the rules are shown apart from what any app does with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar

import pytest
from django.db import models

from jobs import runner
from jobs.models import Job


class Chore(Job):
    """The smallest concrete job, in an app of the tests' own that has no migrations."""

    TASK_NAME: ClassVar[str] = "tests.chore"
    QUEUE: ClassVar[str] = "chores"

    result = models.CharField(max_length=40, blank=True)

    class Meta(Job.Meta):
        app_label = "chores"


class Errand(Job):
    """Another kind of job in the same queue."""

    TASK_NAME: ClassVar[str] = "tests.errand"
    QUEUE: ClassVar[str] = Chore.QUEUE

    class Meta(Job.Meta):
        app_label = "chores"


@pytest.fixture
def chore(transactional_db: None) -> Chore:
    """A queued job, committed: the heartbeat thread sees it through its own connection."""
    return Chore.objects.create()


@pytest.fixture
def expire(settings: object) -> Callable[[Chore], None]:
    """Make the lease of a running job run out, as if its worker had vanished a while ago."""
    from jobs.lifecycle import from_now

    def run_out(job: Chore) -> None:
        Chore.objects.filter(pk=job.pk).update(lease_expires_at=from_now(-1))

    return run_out


@pytest.fixture
def fast_jobs(settings: object) -> None:
    """Leases and heartbeats in fractions of a second."""
    settings.JOB_LEASE_SECONDS = 1.0  # type: ignore[attr-defined]
    settings.JOB_HEARTBEAT_SECONDS = 0.2  # type: ignore[attr-defined]
    settings.JOB_PROGRESS_SECONDS = 0.05  # type: ignore[attr-defined]


@pytest.fixture
def stopping_worker() -> Iterator[None]:
    """This process behaves as a worker that was asked to shut down."""
    yield
    runner._stopping.clear()
