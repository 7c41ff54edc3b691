"""A paused queue: nobody claims, submitting goes on, resuming tells the broker again; who did it is kept."""

from __future__ import annotations

import pytest

from accounts.models import User
from jobs import lifecycle
from jobs.models import QueuePause, Worker
from jobs.queues import queue_pause, queue_resume
from jobs.selectors import queue_pause_of, workers_alive
from jobs.services import job_enqueue, job_reconcile
from jobs.workers import device, worker_sign, worker_sign_off
from tests.jobs.conftest import Chore
from tests.support.broker import Broker

pytestmark = pytest.mark.database


def test_nobody_claims_from_a_paused_queue(chore: Chore, carol: User) -> None:
    assert queue_pause(queue="chores", by=carol, reason="A new driver.")
    assert lifecycle.claim(Chore, chore.pk, "w") is None
    chore.refresh_from_db()
    assert (chore.state, chore.attempt) == ("queued", 0)
    assert queue_resume(queue="chores", by=carol)
    assert lifecycle.claim(Chore, chore.pk, "w")


def test_what_runs_goes_on_and_other_queues_do_not_care(chore: Chore, carol: User) -> None:
    running = lifecycle.claim(Chore, chore.pk, "w")
    assert running is not None
    queue_pause(queue="chores", by=carol)
    assert lifecycle.beat(Chore, chore.pk, running.attempt, progress=0.5, stage="half")
    assert lifecycle.succeed(Chore, chore.pk, running.attempt, {"result": "done"})
    QueuePause.objects.update(queue="translate")
    assert lifecycle.claim(Chore, Chore.objects.create().pk, "w")


def test_a_queue_is_paused_once_and_every_pause_is_kept(carol: User, alice: User) -> None:
    assert queue_pause(queue="train", by=carol, reason="first")
    assert not queue_pause(queue="train", by=alice, reason="second")
    assert queue_resume(queue="train", by=alice)
    assert not queue_resume(queue="train", by=carol)
    assert queue_pause(queue="train", by=alice)
    told = [(row.paused_by, row.resumed_by, row.reason) for row in QueuePause.objects.all()]
    assert told == [(alice, None, ""), (carol, alice, "first")]
    pause = queue_pause_of("train")
    assert pause is not None
    assert pause.paused_by == alice


def test_there_is_no_such_queue(carol: User) -> None:
    with pytest.raises(ValueError, match="no queue"):
        queue_pause(queue="moon", by=carol)
    assert not QueuePause.objects.exists()


def test_the_broker_is_told_again_when_it_goes_on(
    chore: Chore, carol: User, broker: Broker, django_capture_on_commit_callbacks: object
) -> None:
    queue_pause(queue="chores", by=carol)
    job_enqueue(job=chore)
    assert broker.queued("chores") == 1
    broker.wipe()  # a worker took the message and was not allowed to claim
    assert job_reconcile(model=Chore).published == 0
    queue_resume(queue="chores", by=carol)
    assert broker.queued("chores") == 1


def test_resuming_while_the_broker_is_away_loses_nothing(chore: Chore, carol: User) -> None:
    queue_pause(queue="chores", by=carol)
    assert queue_resume(queue="chores", by=carol)
    chore.refresh_from_db()
    assert chore.published_at is None
    assert lifecycle.claim(Chore, chore.pk, "w")


def test_a_worker_signs_and_takes_its_row_along(db: None) -> None:
    worker_sign(role="train", queues=["train"], first=True)
    row = Worker.objects.get()
    assert "cores" in row.device == device()
    assert row.version
    Worker.objects.update(heartbeat_at=lifecycle.from_now(-10))
    worker_sign(role="train", queues=["train"])
    assert Worker.objects.get().heartbeat_at >= row.heartbeat_at
    assert Worker.objects.get().started_at == row.started_at
    worker_sign_off()
    assert not Worker.objects.exists()


def test_a_row_that_another_process_left_under_this_name_is_replaced(db: None) -> None:
    worker_sign(role="train", queues=["train"], first=True)
    Worker.objects.update(version="old", started_at=lifecycle.from_now(-9_000))
    worker_sign(role="data", queues=["data"], first=True)
    row = Worker.objects.get()
    assert (row.role, row.version == "old") == ("data", False)
    assert (row.heartbeat_at - row.started_at).total_seconds() < 60


def test_who_is_silent_is_not_alive_and_forgotten_after_a_day(db: None) -> None:
    worker_sign(role="train", queues=["train"], first=True)
    Worker.objects.update(name="gone:1", heartbeat_at=lifecycle.from_now(-60))
    assert not workers_alive().exists()
    worker_sign(role="train", queues=["train"], first=True)
    assert workers_alive().count() == 1
    assert Worker.objects.count() == 2
    Worker.objects.filter(name="gone:1").update(heartbeat_at=lifecycle.from_now(-90_000))
    worker_sign(role="train", queues=["train"], first=True)
    assert Worker.objects.count() == 1
