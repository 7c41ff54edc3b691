"""What is found and who is told: each thing once, whatever ended it, and no mail that nobody wants."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from accounts.models import User
from jobs import lifecycle
from jobs.services import job_reconcile
from notifications.models import Delivery, Endpoint, Event
from notifications.services import events_collect, events_sweep, preference_save
from training_jobs.models import (
    Checkpoint,
    DatasetVersion,
    Publication,
    RunNote,
    Sweep,
    SweepNote,
    TrainingRun,
    Trial,
)

pytestmark = pytest.mark.database
Runs = Callable[..., TrainingRun]


def mailed() -> list[str]:
    return sorted(row.user.username for row in Delivery.objects.filter(endpoint=None) if row.user)


def test_a_run_that_ended_is_told_once(ended_run: Runs, endpoint: Endpoint) -> None:
    run = ended_run()
    RunNote.objects.create(run=run, kind="finished", message="Complete: 200 steps.")
    assert events_collect() == 1
    assert events_collect() == 0
    event = Event.objects.get()
    assert (event.kind, event.title, event.reason) == (
        "training_run.finished",
        "First",
        "Complete: 200 steps.",
    )
    assert event.data["url"].endswith(f"/training/runs/{run.pk}/")
    assert event.data["url"].startswith("http")
    assert event.payload["type"] == "training_run.finished"
    assert Delivery.objects.filter(endpoint=endpoint).count() == 1
    assert mailed() == ["carol"]


def test_more_steps_make_it_finish_again(ended_run: Runs) -> None:
    run = ended_run()
    events_collect()
    TrainingRun.objects.filter(pk=run.pk).update(attempt=2)
    assert events_collect() == 1


def test_a_failure_says_why_in_a_sentence(ended_run: Runs) -> None:
    ended_run("failed", error_code="diverged", error_message="The loss is not a number. " * 100)
    events_collect()
    event = Event.objects.get()
    assert event.kind == "training_run.failed"
    assert event.data["error_code"] == "diverged"
    assert len(event.reason) <= 600
    assert event.reason.endswith("…")


def test_a_run_that_reconcile_gave_up_is_told_as_well(ended_run: Runs) -> None:
    """No line of the run's own ends it: its worker died once too often."""
    run = ended_run("running", finished_at=None, max_attempts=1)
    TrainingRun.objects.filter(pk=run.pk).update(lease_expires_at=lifecycle.from_now(-1))
    job_reconcile(model=TrainingRun)
    assert events_collect() == 1
    assert "interrupted too often" in Event.objects.get().reason


def test_what_does_not_end_tells_nothing(ended_run: Runs) -> None:
    ended_run("running", finished_at=None)
    ended_run("cancelled")
    ended_run(finished_at=timezone.now() - timedelta(days=30))
    assert events_collect() == 0


def test_two_workers_find_the_same_thing_at_once(
    transactional_db: None, ended_run: Runs, endpoint: Endpoint
) -> None:
    for _ in range(3):
        ended_run()
    start = threading.Barrier(4)
    found: list[int] = []

    def collect() -> None:
        start.wait()
        try:
            found.append(events_collect())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=collect) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(found) == 3
    assert Event.objects.count() == 3
    assert Delivery.objects.filter(endpoint=endpoint).count() == 3


@pytest.mark.parametrize(
    ("scope", "mine", "others"),
    [("none", False, False), ("mine", True, False), ("all", True, True)],
)
def test_whose_runs(ended_run: Runs, carol: User, alice: User, scope: str, mine: bool, others: bool) -> None:
    preference_save(user=carol, scope=scope, on_finish=True, on_failure=True, on_alarm=True)
    ended_run()
    events_collect()
    assert mailed() == ["carol"] * mine
    Delivery.objects.all().delete()
    ended_run(created_by=alice)
    events_collect()
    assert mailed() == ["carol"] * others  # and never Alice, who is not staff


def test_what_about_them(ended_run: Runs, carol: User) -> None:
    preference_save(user=carol, scope="mine", on_finish=False, on_failure=True, on_alarm=False)
    run = ended_run()
    RunNote.objects.create(run=run, kind="alarm", message="The discriminator wins.")
    events_collect()
    assert mailed() == []
    ended_run("failed")
    events_collect()
    assert mailed() == ["carol"]


@pytest.mark.parametrize("fields", [{"is_active": False}, {"is_staff": False}, {"email": ""}])
def test_who_can_or_may_not_read_it_gets_no_mail(
    ended_run: Runs, carol: User, fields: dict[str, object]
) -> None:
    User.objects.filter(pk=carol.pk).update(**fields)
    ended_run()
    events_collect()
    assert mailed() == []


def test_alarms_come_to_programs_each_and_to_people_once_an_hour(ended_run: Runs, endpoint: Endpoint) -> None:
    run, other = ended_run("running", finished_at=None), ended_run("running", finished_at=None)
    now = timezone.now()
    for minutes in (70, 30, 20, 0):
        at = now - timedelta(minutes=minutes)
        RunNote.objects.create(run=run, kind="alarm", message="The losses stand still.", step=7, at=at)
    RunNote.objects.create(run=other, kind="alarm", message="The losses stand still.", at=now)
    assert events_collect() == 5
    assert Delivery.objects.filter(endpoint=endpoint).count() == 5
    # of the first run the oldest alone: each of the others has one within the hour before it
    told = sorted(row.event.about for row in Delivery.objects.filter(endpoint=None).select_related("event"))
    assert told == sorted([str(run.pk), str(other.pk)])
    assert Event.objects.filter(data__alarm_step=7).count() == 4


def test_runs_of_a_sweep_are_quiet_and_the_sweep_is_not(
    ended_run: Runs, endpoint: Endpoint, carol: User
) -> None:
    run = ended_run()
    sweep = Sweep.objects.create(
        name="Widths", dataset_version=run.dataset_version, config=run.config, space=[], method="grid",
        size=1, created_by=carol, state="finished", finished_at=timezone.now(),
    )  # fmt: skip
    Trial.objects.create(sweep=sweep, number=1, values={}, run=run)
    assert events_collect() == 2
    assert {row.kind for row in Event.objects.all()} == {"training_run.finished", "sweep.finished"}
    assert Delivery.objects.filter(endpoint=endpoint).count() == 2
    assert [row.event.kind for row in Delivery.objects.filter(endpoint=None)] == ["sweep.finished"]


def test_what_stopped_or_failed_around_runs_is_told(ended_run: Runs, endpoint: Endpoint, carol: User) -> None:
    run, now = ended_run(finished_at=timezone.now() - timedelta(days=30)), timezone.now()
    sweep = Sweep.objects.create(
        name="Widths", dataset_version=run.dataset_version, config=run.config, space=[], method="grid",
        size=1, created_by=carol, state="paused", problem="All 3 runs failed.",
    )  # fmt: skip
    note = SweepNote.objects.create(sweep=sweep, kind="stopped", message="All 3 runs failed.")
    failed = {"state": "failed", "finished_at": now, "attempt": 1, "created_by": carol}
    checkpoint = Checkpoint.objects.create(run=run, step=7, attempt=1, size_bytes=1, weights_sha256="0")
    publication = Publication.objects.create(
        checkpoint=checkpoint, direction="map2sat", name="town", title="Town", error_code="parity",
        error_message="It is not its network.", **failed,
    )  # fmt: skip
    version = run.dataset_version
    DatasetVersion.objects.filter(pk=version.pk).update(**failed, error_message="It holds no pictures.")
    assert events_collect() == 3
    assert events_collect() == 0
    told = {row.kind: row for row in Event.objects.all()}
    assert {kind: (row.title, row.reason) for kind, row in told.items()} == {
        "sweep.stopped": ("Widths", "All 3 runs failed."),
        "publication.failed": ("Town", "It is not its network."),
        "dataset.failed": (str(version), "It holds no pictures."),
    }
    assert told["publication.failed"].data["step"] == 7
    assert told["dataset.failed"].data["url"].endswith(version.get_absolute_url())
    assert Delivery.objects.filter(endpoint=endpoint).count() == 3
    assert mailed() == ["carol"] * 3
    SweepNote.objects.create(
        sweep=sweep, kind="stopped", message=note.message
    )  # it went on, and stopped again
    Publication.objects.filter(pk=publication.pk).update(attempt=2)  # tried again
    assert events_collect() == 2


def test_endpoints_hear_what_they_chose(ended_run: Runs, endpoint: Endpoint) -> None:
    Endpoint.objects.update(kinds=["training_run.failed"])
    ended_run()
    ended_run("failed")
    events_collect()
    assert [row.event.kind for row in Delivery.objects.filter(endpoint=endpoint)] == ["training_run.failed"]
    Endpoint.objects.update(is_active=False)
    ended_run("failed")
    events_collect()
    assert Delivery.objects.filter(endpoint=endpoint).count() == 1


def test_old_events_are_forgotten_and_not_found_again(ended_run: Runs, endpoint: Endpoint) -> None:
    ended_run(finished_at=timezone.now() - timedelta(days=6))
    events_collect()
    Event.objects.update(created_at=timezone.now() - timedelta(days=91))
    TrainingRun.objects.update(finished_at=timezone.now() - timedelta(days=97))
    assert events_sweep() == 1
    assert not Delivery.objects.exists()
    assert events_collect() == 0
