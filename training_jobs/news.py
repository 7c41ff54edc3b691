"""What is worth telling of training: runs and sweeps that finished, failed, or raised an alarm.

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
from training_jobs.models import RunNote, Sweep, SweepState, TrainingRun

FINISHED: Final = "training_run.finished"
FAILED: Final = "training_run.failed"
ALARM: Final = "training_run.alarm"
SWEEP: Final = "sweep.finished"
REASON_LENGTH: Final = 600  # characters: a reason, not a log

ENDS: Final = {JobState.SUCCEEDED.value: FINISHED, JobState.FAILED.value: FAILED}
KINDS: Final = [
    Kind(FINISHED, "A training run finished", Topic.FINISH),
    Kind(FAILED, "A training run failed", Topic.FAILURE),
    Kind(ALARM, "The watchdog of a training run raised an alarm", Topic.ALARM),
    Kind(SWEEP, "A sweep finished", Topic.FINISH),
]


def keys(since: datetime) -> list[str]:
    """Of everything that happened since then."""
    ended = TrainingRun.objects.filter(state__in=ENDS, finished_at__gte=since).order_by("finished_at")
    alarms = RunNote.objects.filter(kind="alarm", at__gte=since).order_by("id")
    sweeps = Sweep.objects.filter(state=SweepState.FINISHED, finished_at__gte=since)
    return [
        *(
            f"{ENDS[state]}:{pk}:{attempt}"
            for pk, state, attempt in ended.values_list("pk", "state", "attempt")
        ),
        *(f"{ALARM}:{pk}" for pk in alarms.values_list("pk", flat=True)),
        *(f"{SWEEP}:{pk}:{at:%Y%m%d%H%M%S}" for pk, at in sweeps.values_list("pk", "finished_at")),
    ]


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
        path = sweep.get_absolute_url()
        yield News(
            key=wanted[str(sweep.pk)],
            kind=SWEEP,
            title=sweep.name,
            reason=_short(note.message if note else f"All {sweep.size} runs have ended."),
            path=path,
            about=str(sweep.pk),
            owner_id=sweep.created_by_id,
            at=sweep.finished_at or sweep.created_at,
            data={
                "id": str(sweep.pk),
                "name": sweep.name,
                "runs": sweep.trials.count(),
                "started_by": sweep.created_by.username if sweep.created_by else None,
                "url": settings.SITE_URL + path,
            },
        )


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
