"""Writes on evaluations."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import IntegrityError, transaction

from accounts.models import User
from jobs.models import ACTIVE_STATES
from jobs.services import job_cancel, job_enqueue, job_retry, jobs_changed
from training_jobs.models import Checkpoint, Evaluation, TrainingRun
from training_jobs.services.audit import note_run
from training_jobs.services.runs import RunRefused

TILES_LIMIT = 10_000


def evaluations_request(*, checkpoints: Sequence[Checkpoint], by: User, tiles: int = 0) -> list[Evaluation]:
    """Have checkpoints measured on held-out tiles, each by a job of its own.

    One that is being measured on as many tiles already is not asked for again.

    Args:
        tiles: at most so many; 0 takes all that are held out.

    Raises:
        RunRefused: no such number of tiles.
    """
    if not 0 <= tiles <= TILES_LIMIT:
        raise RunRefused(f"Choose 1 to {TILES_LIMIT:,} tiles, or 0 for all.", field="tiles")
    made = [evaluation for each in checkpoints if (evaluation := _request(each, by, tiles)) is not None]
    for run in {evaluation.checkpoint.run_id: evaluation.checkpoint.run for evaluation in made}.values():
        count = sum(evaluation.checkpoint.run_id == run.pk for evaluation in made)
        what = f"{count} checkpoint{'s' if count > 1 else ''} on {tiles or 'all'} held-out tiles"
        note_run(run, by, "evaluate", f"Asked to measure {what}.")
    return made


def _request(checkpoint: Checkpoint, by: User, tiles: int) -> Evaluation | None:
    try:
        with transaction.atomic():
            row = Evaluation.objects.create(checkpoint=checkpoint, tiles=tiles, created_by=by)
            job_enqueue(job=row)
    except IntegrityError:  # at work already, or the checkpoint was deleted meanwhile
        return None
    return row


def evaluation_cancel(*, evaluation: Evaluation, by: User) -> bool:
    """Stop it. False when it had finished already."""
    changed = job_cancel(job=evaluation)
    if changed:
        _note(evaluation, by, "Cancelled the evaluation of")
    return changed


def evaluation_retry(*, evaluation: Evaluation, by: User) -> bool:
    """Try a failed or cancelled one again. False in any other state, or when another is at work."""
    try:
        with transaction.atomic():
            changed = job_retry(job=evaluation)
            if changed:
                _note(evaluation, by, "Asked once more to measure")
    except IntegrityError:
        return False
    return changed


def evaluations_cancel(*, run: TrainingRun, by: User) -> int:
    """Stop all of a run's that are not done; returns how many."""
    waiting = Evaluation.objects.filter(checkpoint__run=run, state__in=ACTIVE_STATES)
    count = jobs_changed(jobs=waiting, change=lambda evaluation: job_cancel(job=evaluation))
    if count:
        note_run(run, by, "evaluate", f"Cancelled {count:,} evaluation{'' if count == 1 else 's'}.")
    return count


def _note(evaluation: Evaluation, by: User, what: str) -> None:
    checkpoint = evaluation.checkpoint
    tiles = f"{evaluation.tiles:,}" if evaluation.tiles else "all"
    message = f"{what} step {checkpoint.step:,} on {tiles} held-out tiles."
    note_run(checkpoint.run, by, "evaluate", message)
