"""Writes that a train worker makes while a run goes on. Each is fenced: of a lost attempt nothing is kept.

The run's row is written first inside every transaction, by an UPDATE that names the attempt: it locks the
row, so that no other attempt can write beside it, and it says whether this one still owns the run.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import F

from jobs import lifecycle
from jobs.errors import LeaseLost
from jobs.models import ACTIVE_STATES, default_max_attempts
from training_jobs import curves
from training_jobs.models import Checkpoint, CurveChunk, Publication, RunNote, TrainingRun, Trial
from training_jobs.retention import spare
from translator.services import objects_release

NOTE_LIMIT = 2_000  # characters of one line of a run's story


@contextmanager
def _owned(run: TrainingRun, attempt: int, **fields: Any) -> Iterator[None]:
    """A transaction in which the attempt owns the run; ``fields`` are written to its row.

    Raises:
        LeaseLost: it does not.
    """
    with transaction.atomic():
        if not lifecycle.write(TrainingRun, run.pk, attempt, **(fields or {"step": F("step")})):
            raise LeaseLost
        yield


def run_record(*, run: TrainingRun, attempt: int, **fields: Any) -> None:
    """Columns of the run itself."""
    with _owned(run, attempt, **fields):
        pass


def run_note(*, run: TrainingRun, attempt: int, kind: str, message: str, step: int | None = None) -> None:
    """A line of its story."""
    words = lifecycle.storable(message[:NOTE_LIMIT])
    with _owned(run, attempt):
        RunNote.objects.create(run=run, attempt=attempt, kind=kind, step=step, message=words)


def curves_append(
    *,
    run: TrainingRun,
    attempt: int,
    steps: Sequence[int],
    rows: Sequence[Sequence[float]],
    columns: Sequence[str],
    **fields: Any,
) -> None:
    """More logged steps, after the last ones; ``fields`` are written to the run with them.

    The last chunk is filled up before another one begins.
    """
    new_steps = np.array(steps, np.uint32)
    new_values = np.array(rows, np.float32).reshape(len(steps), len(columns))
    with _owned(run, attempt, columns=list(columns), **fields):
        last = run.chunks.order_by("-first_step").first()
        if last is not None and last.rows < curves.ROWS:
            old_steps, old_values = curves.join([(bytes(last.data), last.rows)], len(columns))
            new_steps = np.concatenate([old_steps, new_steps])
            new_values = np.concatenate([old_values, new_values])
            last.delete()
        _write_chunks(run, new_steps, new_values)


def curves_trim(*, run: TrainingRun, attempt: int, step: int) -> tuple[curves.Steps, curves.Values]:
    """Forget what was logged after ``step``: those updates will be made again. Returns what was forgotten."""
    with _owned(run, attempt, step=step):
        columns = TrainingRun.objects.values_list("columns", flat=True).get(pk=run.pk)
        packed = run.chunks.filter(last_step__gt=step).order_by("first_step").values_list("data", "rows")
        steps, values = curves.join([(bytes(data), rows) for data, rows in packed], len(columns))
        kept = steps <= step
        run.chunks.filter(last_step__gt=step).delete()
        _write_chunks(run, steps[kept], values[kept])
    return steps[~kept], values[~kept]


def _write_chunks(run: TrainingRun, steps: curves.Steps, values: curves.Values) -> None:
    for start in range(0, len(steps), curves.ROWS):
        some, block = steps[start : start + curves.ROWS], values[start : start + curves.ROWS]
        CurveChunk.objects.create(
            run=run,
            first_step=int(some[0]),
            last_step=int(some[-1]),
            rows=len(some),
            data=curves.pack(some, block),
        )


def checkpoint_record(
    *,
    run: TrainingRun,
    attempt: int,
    checkpoint_id: uuid.UUID,
    step: int,
    files: Mapping[str, Mapping[str, Any]],
    weights_sha256: str,
) -> Checkpoint:
    """A checkpoint whose files are stored. An earlier attempt's of this step gives way: it is the same.

    A run that comes this far has its full set of attempts again: only those without progress are counted.
    """
    with _owned(run, attempt, max_attempts=attempt + default_max_attempts(), outages=0):
        pinned = False
        for old in run.checkpoints.filter(step=step):
            pinned = pinned or old.pinned
            _drop(old)
        checkpoint = Checkpoint.objects.create(
            pk=checkpoint_id,
            run=run,
            step=step,
            attempt=attempt,
            files=dict(files),
            size_bytes=sum(int(each["bytes"]) for each in files.values()),
            weights_sha256=weights_sha256,
            pinned=pinned,
        )
        _let_go(run)
        return checkpoint


def checkpoint_measured(*, run: TrainingRun, attempt: int, step: int, measures: Mapping[str, Any]) -> None:
    """What a checkpoint scored on the held-out tiles, by direction."""
    with _owned(run, attempt):
        run.checkpoints.filter(step=step).update(measures=dict(measures))
        # A sweep's pruner compares every step, also of checkpoints that retention lets go.
        for trial in Trial.objects.filter(run=run):
            reports = {**trial.reports, str(step): {"directions": measures.get("directions", {})}}
            Trial.objects.filter(pk=trial.pk).update(reports=reports)
        _let_go(run)


def checkpoint_drawn(
    *, run: TrainingRun, attempt: int, step: int, sheets: Mapping[str, str], thumbnails: Mapping[str, str]
) -> bool:
    """Keys of the samples that a checkpoint drew and of their thumbnails, by direction.

    Those that an earlier attempt drew of it give way. False when the checkpoint is not stored (any more).
    """
    with _owned(run, attempt):
        for old in run.checkpoints.filter(step=step):
            replaced = [*old.sheets.values(), *old.thumbnails.values()]
            objects_release(keys=replaced)
        rows = run.checkpoints.filter(step=step)
        return bool(rows.update(sheets=dict(sheets), thumbnails=dict(thumbnails)))


def _let_go(run: TrainingRun) -> None:
    """Drop what the run's retention, as it is now, does not keep. Never what is being published."""
    row = TrainingRun.objects.get(pk=run.pk)  # people change it meanwhile
    busy = Publication.objects.filter(checkpoint__run=run, state__in=ACTIVE_STATES)
    being_published = set(busy.values_list("checkpoint_id", flat=True))
    for old in spare(row):
        if old.pk not in being_published:
            _drop(old)


def _drop(checkpoint: Checkpoint) -> None:
    keys = checkpoint.storage_keys
    checkpoint.delete()
    objects_release(keys=keys)
