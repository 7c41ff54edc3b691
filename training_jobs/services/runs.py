"""Writes on training runs by people."""

from __future__ import annotations

from django.db import transaction

from accounts.models import User
from jobs.models import JobState
from jobs.services import job_cancel, job_enqueue, job_hold, job_release, job_retry
from mapgan.config import ConfigError, TrainConfig
from training_jobs.models import DatasetVersion, TrainingRun, Trial, Wish
from training_jobs.services.audit import log_deleted, note_run, size_in_words
from translator.services import objects_release


class RunRefused(Exception):  # noqa: N818 - it names an outcome
    """It cannot be started or changed like this.

    Attributes:
        field: the setting at fault; empty when it is not one of them.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


def run_start(
    *,
    by: User | None,
    name: str,
    dataset_version: DatasetVersion,
    config: TrainConfig,
    cloned_from: TrainingRun | None = None,
) -> TrainingRun:
    """Queue a training; ``by`` is None when whoever began its sweep has no account any more.

    Raises:
        RunRefused: the dataset has not been examined well, or has no pictures that this model learns from.
    """
    check_dataset(dataset_version, config)
    # Which half is A was said when the pictures were brought.
    config = TrainConfig.from_dict({**config.to_dict(), "a_side": str(dataset_version.a_side)})
    with transaction.atomic():
        run = TrainingRun.objects.create(
            name=name,
            dataset_version=dataset_version,
            config=config.to_dict(),
            created_by=by,
            cloned_from=cloned_from,
        )
        note_run(run, by, "queued", "Queued.")
        job_enqueue(job=run)
    return run


def check_dataset(version: DatasetVersion, config: TrainConfig) -> None:
    """Whether a run with this configuration can be trained on it.

    Raises:
        RunRefused: it has not been examined well, has no pictures, or no pairs for a model that needs them.
    """
    if version.state != JobState.SUCCEEDED:
        raise RunRefused("This dataset is not ready to be trained on.", field="dataset_version")
    if not version.pairs:
        raise RunRefused("This dataset has no usable pictures.", field="dataset_version")
    if config.model == "pix2pix" and not version.is_paired:
        message = (
            "The pictures of this dataset are no pairs, and Pix2Pix learns from pairs. "
            "Choose another dataset, or train a CycleGAN on it."
        )
        raise RunRefused(message, field="dataset_version")


def run_pause(*, run: TrainingRun, by: User) -> bool:
    """Keep it from going on until `run_resume`; a running one saves first. False when it has finished."""
    changed = job_hold(job=run)
    if changed:
        note_run(run, by, "paused", "Paused before it began.")
    else:
        changed = bool(TrainingRun.objects.filter(pk=run.pk, state=JobState.RUNNING).update(wish=Wish.PAUSE))
        if changed:
            note_run(run, by, "pause", "Asked to pause.")
    run.refresh_from_db()
    return changed


def run_resume(*, run: TrainingRun, by: User) -> bool:
    """Let a paused run go on, or try a failed or cancelled one again from its last checkpoint."""
    changed = job_release(job=run) or job_retry(job=run)
    if changed:
        TrainingRun.objects.filter(pk=run.pk).update(wish="", failed_step=None)
        Trial.objects.filter(run=run).update(held=False)  # from now on its pauses are a person's own
        note_run(run, by, "resume", "Asked to go on.")
    run.refresh_from_db()
    return changed


def run_release(*, run: TrainingRun) -> None:
    """Let a run go on that was paused with its sweep; any other stays as it is."""
    if job_release(job=run):
        TrainingRun.objects.filter(pk=run.pk).update(wish="")
        note_run(run, None, "resume", "Goes on with its sweep.")
    elif TrainingRun.objects.filter(pk=run.pk, state=JobState.QUEUED, wish=Wish.PAUSE).update(wish=""):
        run.refresh_from_db()


def run_again(*, run: TrainingRun) -> bool:
    """Try a failed run of a sweep again, from its last checkpoint. False when it has not failed."""
    changed = job_retry(job=run)
    if changed:
        TrainingRun.objects.filter(pk=run.pk).update(wish="", failed_step=None)
        note_run(run, None, "resume", "Tried again by its sweep.")
    return changed


def run_finish(*, run: TrainingRun, by: User) -> bool:
    """End a running one early and well, with a checkpoint of where it is. False when it does not run."""
    changed = bool(TrainingRun.objects.filter(pk=run.pk, state=JobState.RUNNING).update(wish=Wish.FINISH))
    if changed:
        note_run(run, by, "finish", "Asked to end early and to keep what it has.")
    run.refresh_from_db()
    return changed


def run_cancel(*, run: TrainingRun, by: User) -> bool:
    """Stop it at once; its checkpoints stay. False when it has finished."""
    changed = job_cancel(job=run)
    if changed:
        note_run(run, by, "cancel", "Cancelled.")
    return changed


def run_extend(*, run: TrainingRun, by: User, steps: int) -> None:
    """More steps for a run that is complete or ended early; it goes on from its last checkpoint.

    Raises:
        RunRefused: it is at work, has no checkpoint, or the number is not larger.
    """
    if steps <= run.step:
        raise RunRefused(f"It has made {run.step:,} steps; choose a larger number.", field="steps")
    if not run.checkpoints.exists():
        raise RunRefused("It has no checkpoint to go on from.")
    try:
        config = TrainConfig.from_dict({**run.config, "steps": steps})
    except ConfigError as error:
        raise RunRefused(str(error), field="steps") from error
    with transaction.atomic():
        finished = TrainingRun.objects.filter(pk=run.pk, state=JobState.SUCCEEDED)
        if not finished.update(state=JobState.CANCELLED, config=config.to_dict()):
            raise RunRefused("Only a run that has ended can get more steps.")
        job_retry(job=run)
        note_run(run, by, "extend", f"{steps:,} steps in all.")


def run_delete(*, run: TrainingRun, by: User) -> None:
    """Delete it in any state, with its checkpoints and all files. Its worker notices at its heartbeat."""
    with transaction.atomic():
        row = TrainingRun.objects.select_for_update().filter(pk=run.pk).first()
        if row is None:
            return
        checkpoints = list(row.checkpoints.all())
        size = size_in_words(sum(each.size_bytes for each in checkpoints))
        state = f"{row.get_state_display()} at step {row.step:,}"
        log_deleted(row, by, f"{state}, with {len(checkpoints):,} checkpoints of {size}.")
        keys = row.storage_keys + [key for each in checkpoints for key in each.storage_keys]
        keys += [key for key in row.timelapses.values_list("file", flat=True) if key]
        row.delete()
        objects_release(keys=keys)
