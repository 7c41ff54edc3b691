"""Writes on stored checkpoints by people: pinning, deleting, and how many a run keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from accounts.models import User
from jobs.models import ACTIVE_STATES, JobState
from mapgan.config import ConfigError, TrainConfig
from training_jobs.models import Checkpoint, Publication, TrainingRun
from training_jobs.retention import spare
from training_jobs.services.audit import note_run
from training_jobs.services.runs import RunRefused
from translator.services import objects_release

NAMED = 8  # steps that a line of the story names


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Which checkpoints a run keeps; see `mapgan.config.TrainConfig`."""

    keep_checkpoints: int
    keep_best: int = 0
    keep_every: int = 0


@dataclass(frozen=True)
class Freed:
    """What was deleted.

    Attributes:
        steps: of the checkpoints.
        bytes: that they took in the storage.
    """

    steps: list[int]
    bytes: int


def checkpoints_pin(*, checkpoints: Sequence[Checkpoint], by: User, pinned: bool) -> int:
    """Have retention leave them alone, or no longer. Returns how many changed."""
    with transaction.atomic():
        changed = 0
        for checkpoint in checkpoints:
            rows = Checkpoint.objects.filter(pk=checkpoint.pk).exclude(pinned=pinned)
            if rows.update(pinned=pinned):
                changed += 1
                words = "Pinned" if pinned else "No longer pinned"
                note_run(checkpoint.run, by, "pin", f"{words}: the checkpoint of step {checkpoint.step:,}.")
            checkpoint.pinned = pinned
    return changed


def checkpoints_delete(*, checkpoints: Sequence[Checkpoint], by: User) -> Freed:
    """Delete checkpoints of one run with their files; their evaluations end with them.

    Raises:
        RunRefused: one is being published, or a run that is not over goes on from it.
    """
    if not checkpoints:
        return Freed([], 0)
    with transaction.atomic():
        run = TrainingRun.objects.select_for_update().get(pk=checkpoints[0].run_id)
        rows = list(run.checkpoints.filter(pk__in=[each.pk for each in checkpoints]).order_by("step"))
        refusal = deleting_refused(run, rows)
        if refusal:
            raise RunRefused(refusal)
        freed = _drop(rows)
        if freed.steps:
            note_run(run, by, "checkpoints_deleted", f"Deleted {_named(freed.steps)}.")
    return freed


def deleting_refused(run: TrainingRun, checkpoints: Sequence[Checkpoint]) -> str:
    """Why these checkpoints of a run cannot be deleted now; empty when they can."""
    active = Publication.objects.filter(checkpoint__in=checkpoints, state__in=ACTIVE_STATES)
    publication = active.select_related("checkpoint").first()
    if publication is not None and publication.checkpoint is not None:
        return f"Step {publication.checkpoint.step:,} is being published. Wait for that, or cancel it."
    newest = run.checkpoints.order_by("-step").first()
    if run.is_active and newest is not None and newest in checkpoints:
        return (
            f"Step {newest.step:,} is what the run goes on from after an interruption. "
            "End or cancel the run first, or wait for its next checkpoint."
        )
    return ""


def deleting_warning(run: TrainingRun, checkpoints: Sequence[Checkpoint]) -> str:
    """What a person should know before these checkpoints are deleted; empty when there is nothing."""
    newest = run.checkpoints.order_by("-step").first()
    if newest is None or newest not in checkpoints:
        return ""
    left = run.checkpoints.exclude(pk__in=[each.pk for each in checkpoints]).order_by("-step").first()
    begin = f"from step {left.step:,}" if left else "from the beginning"
    verb = "trained on" if run.state == JobState.SUCCEEDED else "continued"
    return f"Step {newest.step:,} is the newest. If the run is {verb} later, it will go on {begin}."


def retention_preview(*, run: TrainingRun, retention: Retention) -> list[Checkpoint]:
    """The checkpoints that would be deleted.

    Raises:
        RunRefused: no such retention.
    """
    return spare(run, _changed(run, retention))


def retention_change(*, run: TrainingRun, by: User, retention: Retention) -> Freed:
    """From now on keep these; what is too many goes at once. A run at work minds it, too.

    Raises:
        RunRefused: no such retention.
    """
    config = _changed(run, retention)
    with transaction.atomic():
        row = TrainingRun.objects.select_for_update().get(pk=run.pk)
        row.config = {**row.config, **vars(retention)}
        row.save(update_fields=["config"])
        busy = Publication.objects.filter(checkpoint__run=run, state__in=ACTIVE_STATES)
        being_published = set(busy.values_list("checkpoint_id", flat=True))
        freed = _drop([each for each in spare(row, config) if each.pk not in being_published])
        words = _in_words(retention)
        gone = f" Deleted {_named(freed.steps)}." if freed.steps else ""
        note_run(row, by, "retention", f"{words}{gone}")
    run.refresh_from_db()
    return freed


def _changed(run: TrainingRun, retention: Retention) -> TrainConfig:
    """The run's configuration with this retention."""
    try:
        return TrainConfig.from_dict({**run.config, **vars(retention)})
    except ConfigError as error:
        name = str(error).split(maxsplit=1)[0]
        raise RunRefused(str(error), field=name if name in vars(retention) else "") from error


def _drop(checkpoints: Sequence[Checkpoint]) -> Freed:
    keys = [key for each in checkpoints for key in each.storage_keys]
    freed = Freed([each.step for each in checkpoints], sum(each.size_bytes for each in checkpoints))
    Checkpoint.objects.filter(pk__in=[each.pk for each in checkpoints]).delete()
    objects_release(keys=keys)
    return freed


def _in_words(retention: Retention) -> str:
    if not retention.keep_checkpoints:
        return "Keeps every checkpoint."
    parts = [f"the newest {retention.keep_checkpoints:,}"]
    if retention.keep_best:
        parts.append(f"the best {retention.keep_best:,}")
    if retention.keep_every:
        parts.append(f"every {retention.keep_every:,}th step")
    return f"Keeps {', '.join(parts)} and what is pinned."


def _named(steps: Sequence[int]) -> str:
    """The checkpoints by their steps; of many only some."""
    shown = ", ".join(f"{step:,}" for step in steps[:NAMED])
    more = f" and {len(steps) - NAMED:,} more" if len(steps) > NAMED else ""
    return (
        f"the checkpoint{'s' if len(steps) > 1 else ''} of step{'s' if len(steps) > 1 else ''} {shown}{more}"
    )
