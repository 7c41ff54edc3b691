"""Running one attempt of a job: claim, keep the lease, do the work, write the outcome."""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
import traceback
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeVar

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connections
from django.db.models import F

from jobs import lifecycle
from jobs.errors import (
    JobCancelled,
    JobFailed,
    JobHeld,
    JobStopped,
    LeaseLost,
    WorkerStopping,
    WorthAnotherTry,
)
from jobs.models import Job, default_max_attempts
from jobs.publishing import publish
from storage.errors import OUTAGE

logger = logging.getLogger(__name__)

J = TypeVar("J", bound=Job)

BACKOFF_FIRST, BACKOFF_CAP = 2.0, 120.0  # seconds

STOPPING = "The worker is stopping"  # a stage
INTERNAL = "Something went wrong on our side. You can try again; if it keeps failing, tell the operator."
OUTAGES_LIMIT = 400  # in a row; with the longest pause between them, half a day
AWAY = WorthAnotherTry(
    "unavailable", "A part of the service could not be reached, several times over. Please try again later."
)

_stopping = threading.Event()


def stop_running_jobs() -> None:
    """The worker shuts down: its running job goes back to the queue, and it claims no other."""
    _stopping.set()


def worker_name() -> str:
    """Who claims: host and process, for people reading a row."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _nothing() -> None:
    """Nothing was stored, so there is nothing to discard."""


@dataclass(frozen=True)
class Done:
    """What the work achieved.

    Attributes:
        fields: written to the row in the UPDATE that makes it succeeded.
        discard: undoes what was stored elsewhere; called when the row was no longer this attempt's.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    discard: Callable[[], None] = _nothing


class Attempt:
    """The work's view of its own attempt: it reports, and learns when to stop.

    `report` and `check` are cheap (no database), so call them often; the heartbeat thread does the writing.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.progress = 0.0
        self.stage = ""
        self._stop: type[JobStopped] | None = None
        self._valid_until = monotonic() + settings.JOB_LEASE_SECONDS

    def report(self, progress: float, stage: str | None = None) -> None:
        """Say how far it is (0 to 1) and, when it changed, what it is doing."""
        self.progress = min(max(progress, 0.0), 1.0)
        if stage is not None:
            self.stage = stage
        self.check()

    def check(self) -> None:
        """Raise what stops the work: `JobCancelled`, `LeaseLost` or `WorkerStopping`."""
        if self._stop is not None:
            raise self._stop
        # This clock does not depend on the heartbeat thread: if that hangs, the work still notices.
        if monotonic() > self._valid_until:
            raise LeaseLost
        if _stopping.is_set():
            raise WorkerStopping

    @property
    def is_cancelled(self) -> bool:
        """Its owner wants nothing of it any more."""
        return self._stop is JobCancelled

    def check_unwanted(self) -> None:
        """Raise `LeaseLost` or `JobCancelled` alone.

        For work that was asked to end in another way, and has something to bring home first.
        """
        if self._stop is LeaseLost or monotonic() > self._valid_until:
            raise LeaseLost
        if self.is_cancelled:
            raise JobCancelled

    def renewed(self, at: float) -> None:
        """The lease was renewed by a write that began at ``at`` (monotonic seconds)."""
        self._valid_until = at + settings.JOB_LEASE_SECONDS

    def stop(self, reason: type[JobStopped]) -> None:
        """From now on `check` raises ``reason``."""
        self._stop = reason


class Heartbeat(threading.Thread):
    """Renews the lease, writes progress and watches for cancellation, beside the work."""

    def __init__(self, model: type[Job], job_id: uuid.UUID | str, attempt: Attempt) -> None:
        super().__init__(name=f"heartbeat-{job_id}", daemon=True)
        self._model, self._job_id, self._attempt = model, job_id, attempt
        self._finished = threading.Event()
        self._written: tuple[float, str] = (0.0, "")
        self._last_beat = monotonic()

    def __enter__(self) -> Heartbeat:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._finished.set()
        self.join()

    def run(self) -> None:
        """Tick until the work ends."""
        tick = min(settings.JOB_PROGRESS_SECONDS, settings.JOB_HEARTBEAT_SECONDS)
        try:
            while not self._finished.wait(tick):
                try:
                    self._tick()
                except (DatabaseError, InterfaceError) as error:
                    # The work goes on until the lease itself runs out; a fresh connection is made next time.
                    logger.warning("Heartbeat of job %s missed: %s", self._job_id, error)
                    connections.close_all()
        finally:
            connections.close_all()

    def _tick(self) -> None:
        # Said at once: who is killed before it is through did not vanish through any fault of the job.
        stage = STOPPING if _stopping.is_set() else self._attempt.stage
        shown = (self._attempt.progress, stage)
        due = monotonic() - self._last_beat >= settings.JOB_HEARTBEAT_SECONDS
        if due or shown != self._written:
            began = monotonic()
            if not lifecycle.beat(
                self._model, self._job_id, self._attempt.number, progress=shown[0], stage=shown[1]
            ):
                self._attempt.stop(LeaseLost)
                return
            self._attempt.renewed(began)
            self._written, self._last_beat = shown, began
        reason = lifecycle.stop_wanted(self._model, self._job_id, self._attempt.number)
        if reason is not None:
            self._attempt.stop(reason)


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures: doubling, capped, jittered in the upper half."""
    ceiling = min(BACKOFF_FIRST * 2 ** (failures - 1), BACKOFF_CAP)
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - spreads load, guards nothing


def run_job(
    *,
    model: type[J],
    job_id: uuid.UUID | str,
    work: Callable[[J, Attempt], Done],
) -> None:
    """Run one attempt of the job, if it is to be had.

    Args:
        work: does it and returns `Done`; may raise `JobFailed` or `WorthAnotherTry`, and must let
            `JobStopped` pass. A database that is away is worth another try, too; a storage that is away or
            set up wrongly is nobody's fault, and the job waits for it, uncounted. All else fails the job with
            a message that gives nothing away.
    """
    if _stopping.is_set():
        return  # the row stays queued; reconcile hands it to a worker that lives
    job = lifecycle.claim(model, job_id, worker_name())
    if job is None:
        logger.info("Job %s is not to be had: taken, finished, cancelled or not due.", job_id)
        return
    attempt = Attempt(job.attempt)
    logger.info("Job %s, attempt %d of %d: started.", job_id, job.attempt, job.max_attempts)
    with Heartbeat(model, job_id, attempt):
        outcome = _outcome(job, attempt, work)
    logger.info("Job %s, attempt %d: %s.", job_id, job.attempt, outcome)


def _outcome(job: J, attempt: Attempt, work: Callable[[J, Attempt], Done]) -> str:
    """Do the work and write how it ended; returns words for the log."""
    row = (type(job), job.pk, attempt.number)
    outcome = "lease lost"
    try:
        done = work(job, attempt)
    except JobStopped as stop:
        outcome = _stopped(stop, job, attempt)
    except JobFailed as error:
        if lifecycle.fail(*row, code=error.code, message=error.message, details=error.details):
            outcome = f"failed ({error.code})"
    except OUTAGE:
        outcome = _retry_later(job, attempt, AWAY, counted=False)
    except WorthAnotherTry as error:
        outcome = _retry_later(job, attempt, error)
    except (OperationalError, InterfaceError):  # a database that is away comes back
        outcome = _retry_later(job, attempt, AWAY)
    except Exception:  # the boundary of the job: whatever its work raises becomes a state
        logger.exception("Job %s failed unexpectedly.", job.pk)
        if lifecycle.fail(*row, code="internal", message=INTERNAL, details=traceback.format_exc()):
            outcome = "failed (internal)"
    except BaseException:  # SystemExit, KeyboardInterrupt: the process ends, the job does not
        _release(job, attempt)
        raise
    else:
        if lifecycle.succeed(*row, done.fields):
            outcome = "succeeded"
        else:
            done.discard()
    return outcome


def _stopped(reason: JobStopped, job: Job, attempt: Attempt) -> str:
    """The work was told to stop. After a lost lease nothing is written: another worker may own the row."""
    if isinstance(reason, WorkerStopping):
        return _release(job, attempt)
    if isinstance(reason, JobHeld) and lifecycle.hold(type(job), job.pk, attempt.number):
        return "held"
    if isinstance(reason, JobCancelled) and lifecycle.cancel(type(job), job.pk, attempt.number):
        return "cancelled"
    return "lease lost"


def _release(job: Job, attempt: Attempt) -> str:
    """Give it back, uncounted, because this worker stops; another may take it at once."""
    if not lifecycle.requeue(type(job), job.pk, attempt.number, counted=False):
        return "cancelled, or lease lost"
    publish(type(job), job.pk)
    return "requeued, the worker is stopping"


def _tries(job: Job, *, counted: bool) -> tuple[int, bool]:
    """How many failures of this kind there are, this one included, and whether the job is given up with it.

    As the row has it now: the work itself may have come further, and who tries again begins anew.
    """
    rows = type(job)._default_manager.filter(pk=job.pk)
    allowed, outages = rows.values_list("max_attempts", "outages").first() or (0, 0)
    if not counted:
        return outages + 1, outages + 1 >= OUTAGES_LIMIT
    left = allowed - job.attempt
    return max(default_max_attempts() - left, 1), left <= 0


def _retry_later(job: Job, attempt: Attempt, reason: WorthAnotherTry, *, counted: bool = True) -> str:
    """After a transient error, that is handled now: queue again with back-off, or fail for this reason when
    the attempts are used up.
    """
    details = traceback.format_exc()
    logger.warning("Job %s met a transient error:\n%s", job.pk, details)
    row = (type(job), job.pk, attempt.number)
    tries, given_up = _tries(job, counted=counted)
    if given_up:
        lifecycle.fail(*row, code=reason.code, message=reason.message, details=details)
        return f"failed ({reason.code})"
    delay = backoff(tries)
    more: dict[str, Any] = {} if counted else {"outages": F("outages") + 1}
    if not lifecycle.requeue(*row, delay=delay, counted=counted, details=details, **more):
        return "cancelled, or lease lost"
    publish(type(job), job.pk, delay=delay)
    return f"requeued for {delay:.0f} s from now"
