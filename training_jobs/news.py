"""What is worth telling of training: what finished, failed, stopped by itself, or raised an alarm.

Keys name the attempt, so that a run that is given more steps finishes again. Runs of a sweep finish quietly:
one mail tells of the sweep.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from django.conf import settings

from jobs.models import JobState
from notifications.models import Topic
from notifications.sources import Kind, News, Source, source_register
from training_jobs.models import (
    DatasetVersion,
    Publication,
    RunNote,
    Sweep,
    SweepNote,
    SweepState,
    TrainingRun,
)

FINISHED: Final = "training_run.finished"
FAILED: Final = "training_run.failed"
ALARM: Final = "training_run.alarm"
SWEEP: Final = "sweep.finished"
SWEEP_STOPPED: Final = "sweep.stopped"
PUBLICATION_FAILED: Final = "publication.failed"
DATASET_FAILED: Final = "dataset.failed"
REASON_LENGTH: Final = 600  # characters: a reason, not a log

ENDS: Final = {JobState.SUCCEEDED.value: FINISHED, JobState.FAILED.value: FAILED}
KINDS: Final = [
    Kind(FINISHED, "A training run finished", Topic.FINISH),
    Kind(FAILED, "A training run failed", Topic.FAILURE),
    Kind(ALARM, "The watchdog of a training run raised an alarm", Topic.ALARM),
    Kind(SWEEP, "A sweep finished", Topic.FINISH),
    Kind(SWEEP_STOPPED, "A sweep stopped by itself and asks what to do", Topic.FAILURE),
    Kind(PUBLICATION_FAILED, "A publication failed", Topic.FAILURE),
    Kind(DATASET_FAILED, "A dataset could not be examined", Topic.FAILURE),
]


def keys(since: datetime) -> list[str]:
    """Of everything that happened since then."""
    ended = TrainingRun.objects.filter(state__in=ENDS, finished_at__gte=since).order_by("finished_at")
    alarms = RunNote.objects.filter(kind="alarm", at__gte=since).order_by("id")
    sweeps = Sweep.objects.filter(state=SweepState.FINISHED, finished_at__gte=since)
    stopped = SweepNote.objects.filter(kind="stopped", at__gte=since).order_by("id")
    return [
        *(
            f"{ENDS[state]}:{pk}:{attempt}"
            for pk, state, attempt in ended.values_list("pk", "state", "attempt")
        ),
        *(f"{ALARM}:{pk}" for pk in alarms.values_list("pk", flat=True)),
        *(f"{SWEEP}:{pk}:{at:%Y%m%d%H%M%S}" for pk, at in sweeps.values_list("pk", "finished_at")),
        *(f"{SWEEP_STOPPED}:{pk}" for pk in stopped.values_list("pk", flat=True)),
        *_failed(PUBLICATION_FAILED, Publication, since),
        *_failed(DATASET_FAILED, DatasetVersion, since),
    ]


def _failed(kind: str, model: type[Publication | DatasetVersion], since: datetime) -> Iterator[str]:
    rows = model.objects.filter(state=JobState.FAILED, finished_at__gte=since).order_by("finished_at")
    yield from (f"{kind}:{pk}:{attempt}" for pk, attempt in rows.values_list("pk", "attempt"))


def tell(found: Sequence[str]) -> Iterator[News]:
    """The news under these keys."""
    by_kind: dict[str, dict[str, str]] = {}
    for key in found:
        kind, _, rest = key.partition(":")
        by_kind.setdefault(kind, {})[rest.partition(":")[0]] = key
    for kind in (FINISHED, FAILED):
        yield from _ends(kind, by_kind.get(kind, {}))
    yield from _alarms(by_kind.get(ALARM, {}))
    yield from _sweeps(by_kind.get(SWEEP, {}))
    yield from _stopped(by_kind.get(SWEEP_STOPPED, {}))
    yield from _publications(by_kind.get(PUBLICATION_FAILED, {}))
    yield from _datasets(by_kind.get(DATASET_FAILED, {}))


def _ends(kind: str, wanted: dict[str, str]) -> Iterator[News]:
    ids = [uuid.UUID(pk) for pk in wanted]
    rows = TrainingRun.objects.filter(pk__in=ids).select_related("created_by", "trial")
    for run in rows:
        note = run.notes.filter(kind="finished").order_by("-id").first() if kind == FINISHED else None
        reason = note.message if note else run.error_message or run.get_state_display()
        yield _news(
            wanted[str(run.pk)],
            kind,
            run,
            reason,
            run.finished_at or run.created_at,
            quiet=kind == FINISHED and hasattr(run, "trial"),
            **({"error_code": run.error_code} if kind == FAILED else {}),
        )


def _alarms(wanted: dict[str, str]) -> Iterator[News]:
    notes = RunNote.objects.filter(pk__in=[int(pk) for pk in wanted]).select_related("run__created_by")
    for note in notes.order_by("id"):
        yield _news(wanted[str(note.pk)], ALARM, note.run, note.message, note.at, alarm_step=note.step)


def _sweeps(wanted: dict[str, str]) -> Iterator[News]:
    for sweep in Sweep.objects.filter(pk__in=[uuid.UUID(pk) for pk in wanted]).select_related("created_by"):
        note = sweep.notes.order_by("-id").first()
        reason = note.message if note else f"All {sweep.size} runs have ended."
        yield _sweep(wanted[str(sweep.pk)], sweep, reason, sweep.finished_at or sweep.created_at)


def _stopped(wanted: dict[str, str]) -> Iterator[News]:
    notes = SweepNote.objects.filter(pk__in=[int(pk) for pk in wanted]).select_related("sweep__created_by")
    for note in notes.order_by("id"):
        yield _sweep(wanted[str(note.pk)], note.sweep, note.message, note.at)


def _sweep(key: str, sweep: Sweep, reason: str, at: datetime) -> News:
    more = {"name": sweep.name, "runs": sweep.trials.count()}
    return _about(key, sweep, reason, at, more)


def _publications(wanted: dict[str, str]) -> Iterator[News]:
    rows = Publication.objects.filter(pk__in=[uuid.UUID(pk) for pk in wanted])
    for row in rows.select_related("created_by", "checkpoint"):
        step = row.checkpoint.step if row.checkpoint else None
        more = {"name": row.name, "direction": row.direction, "step": step}
        yield _failure(wanted[str(row.pk)], row, more)


def _datasets(wanted: dict[str, str]) -> Iterator[News]:
    rows = DatasetVersion.objects.filter(pk__in=[uuid.UUID(pk) for pk in wanted])
    for row in rows.select_related("created_by", "dataset"):
        more = {"name": row.dataset.name, "version": row.number}
        yield _failure(wanted[str(row.pk)], row, more)


def _failure(key: str, row: Publication | DatasetVersion, more: dict[str, Any]) -> News:
    """A job that failed."""
    more = {**more, "error_code": row.error_code, "attempt": row.attempt}
    at = row.finished_at or row.created_at
    return _about(key, row, row.error_message or row.get_state_display(), at, more)


def _about(
    key: str, row: Sweep | Publication | DatasetVersion, reason: str, at: datetime, more: dict[str, Any]
) -> News:
    """News of the kind that the key begins with, and what all of them say."""
    kind = key.partition(":")[0]
    path, reason = row.get_absolute_url(), _short(reason)
    data = {
        "id": str(row.pk),
        **more,
        "reason": reason,
        "started_by": row.created_by.username if row.created_by else None,
        "url": settings.SITE_URL + path,
    }
    title = row.title if isinstance(row, Publication) else str(row)
    return News(key, kind, title, reason, path, str(row.pk), row.created_by_id, at, data)


def _news(
    key: str, kind: str, run: TrainingRun, reason: str, at: datetime, *, quiet: bool = False, **more: Any
) -> News:
    path = run.get_absolute_url()
    data = {
        "id": str(run.pk),
        "name": run.name,
        "state": run.state,
        "reason": _short(reason),
        "step": run.step,
        "steps": run.steps,
        "attempt": run.attempt,
        "started_by": run.created_by.username if run.created_by else None,
        "url": settings.SITE_URL + path,
        **more,
    }
    return News(
        key, kind, run.name, _short(reason), path, str(run.pk), run.created_by_id, at, data, quiet=quiet
    )


def _short(text: str) -> str:
    return text if len(text) <= REASON_LENGTH else text[: REASON_LENGTH - 1].rstrip() + "…"


def register(kinds: Iterable[Kind] = tuple(KINDS)) -> None:
    """Called when the app is ready."""
    source_register(Source(keys, tell), kinds)
