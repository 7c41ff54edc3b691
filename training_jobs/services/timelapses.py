"""Writes on time-lapses."""

from __future__ import annotations

from django.db import transaction

from accounts.models import User
from jobs.services import job_cancel, job_enqueue, job_retry
from training_jobs.models import TimeLapse, TrainingRun
from training_jobs.services.audit import note_run
from training_jobs.services.runs import RunRefused
from translator.models import Direction
from translator.services import objects_release

FRAMES_LEAST = 2


def timelapse_request(*, run: TrainingRun, by: User, direction: str) -> TimeLapse:
    """Have a run's samples made into a moving picture; an older one of this direction gives way.

    Raises:
        RunRefused: fewer than two checkpoints drew samples in this direction.
    """
    drawn = [each for each in run.checkpoints.values_list("sheets", flat=True) if each.get(direction)]
    if len(drawn) < FRAMES_LEAST:
        raise RunRefused("There is nothing to show yet: it takes two checkpoints with samples.")
    with transaction.atomic():
        TrainingRun.objects.select_for_update().get(pk=run.pk)  # one after the other
        old = TimeLapse.objects.filter(run=run, direction=direction).first()
        if old is not None and old.is_active:
            return old
        if old is not None:
            old.delete()
            objects_release(keys=[old.file] if old.file else [])
        row = TimeLapse.objects.create(run=run, direction=direction, created_by=by)
        _note(row, by, "Asked for")
        job_enqueue(job=row)
    return row


def timelapse_cancel(*, timelapse: TimeLapse, by: User) -> bool:
    """Stop it. False when it had finished already."""
    changed = job_cancel(job=timelapse)
    if changed:
        _note(timelapse, by, "Cancelled")
    return changed


def timelapse_retry(*, timelapse: TimeLapse, by: User) -> bool:
    """Try a failed or cancelled one again. False in any other state."""
    changed = job_retry(job=timelapse)
    if changed:
        _note(timelapse, by, "Asked once more for")
    return changed


def _note(timelapse: TimeLapse, by: User, what: str) -> None:
    direction = Direction(timelapse.direction).label.lower()
    note_run(timelapse.run, by, "timelapse", f"{what} the time-lapse, {direction}.")
