"""What a worker hears of a training, as rows: of one attempt, and of the next one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from accounts.models import User
from jobs import lifecycle
from jobs.models import JobState
from jobs.runner import Attempt
from mapgan import events
from tests.training.conftest import brought
from tests.training.stored import a_run
from training_jobs.ingest import Ingest
from training_jobs.models import TrainingRun
from training_jobs.worker.keeping import RunKeeper

pytestmark = pytest.mark.database


def listening(run: TrainingRun, folder: Path) -> Ingest:
    """The ear of the run's next attempt."""
    claimed = lifecycle.claim(TrainingRun, run.pk, "test")
    assert claimed is not None
    attempt = Attempt(claimed.attempt)
    return Ingest(claimed, attempt, RunKeeper(claimed, attempt.number, folder, attempt.check), expected=None)


def tell(ear: Ingest, *said: events.Event) -> None:
    """As a child says it."""
    for event in said:
        ear(json.loads(events.to_line(event)))


def started(step: int) -> events.Started:
    return events.Started(
        step=step, steps=100, images=12, validation=2, parameters=1, memory_bytes=1, config={}, environment={}
    )


def test_an_alarm_of_an_earlier_attempt_is_not_shown_for_ever(
    carol: User, archive: bytes, tmp_path: Path
) -> None:
    run = a_run(carol, brought(carol, archive), state=JobState.QUEUED)
    alarm = events.Alarm(step=10, kind="d_won", direction="map2sat", message="D is silent.")
    first = listening(run, tmp_path)
    tell(first, started(0), alarm)
    run.refresh_from_db()
    assert [each["message"] for each in run.alarms] == ["D is silent."]
    TrainingRun.objects.filter(pk=run.pk).update(
        state=JobState.QUEUED, lease_expires_at=None
    )  # it was killed
    second = listening(run, tmp_path)
    tell(second, started(5))
    run.refresh_from_db()
    assert run.alarms == []
    tell(second, alarm)  # what is still so is seen again
    run.refresh_from_db()
    assert len(run.alarms) == 1
