"""Who did what: a run's story, and for what has none, or is deleted, the log of the administration.

A run's notes go with the run. The log's rows name what they are about by its words and its id, and stay.
"""

from __future__ import annotations

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.db.models import Model
from django.template.defaultfilters import filesizeformat

from accounts.models import User
from training_jobs.models import RunNote, TrainingRun


def note_run(run: TrainingRun, by: User | None, kind: str, message: str) -> None:
    """A line of a run's story; ``by`` is None for what its sweep did."""
    RunNote.objects.create(run=run, by=by, kind=kind, message=message, attempt=run.attempt, step=run.step)


def log_made(row: Model, by: User, message: str) -> None:
    """Somebody brought it."""
    _log(row, by, ADDITION, message)


def log_changed(row: Model, by: User, message: str) -> None:
    """Somebody did something to it."""
    _log(row, by, CHANGE, message)


def log_deleted(row: Model, by: User, message: str) -> None:
    """Somebody deletes it: call this while it is there, in the same transaction."""
    _log(row, by, DELETION, message)


def size_in_words(size: int) -> str:
    """Bytes, as a line of the log has them."""
    return filesizeformat(size).replace("\N{NO-BREAK SPACE}", " ")


def _log(row: Model, by: User, flag: int, message: str) -> None:
    LogEntry.objects.log_actions(by.pk, [row], flag, change_message=message, single_object=True)
