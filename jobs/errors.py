"""What the work of a job may raise, and what the runner raises into it."""

from __future__ import annotations

from django.core.exceptions import ObjectDoesNotExist


class JobFailed(Exception):  # noqa: N818 - it names an outcome, as the states do
    """The work cannot succeed, however often it is tried.

    Args:
        code: a stable word for programs (``bad_image``).
        message: one sentence its owner may read; no paths, no traceback.
        details: for staff.
    """

    def __init__(self, code: str, message: str, details: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


class WorthAnotherTry(Exception):  # noqa: N818 - it names an outcome
    """The work broke off, and another attempt may come through.

    Args:
        code, message: as of `JobFailed`, for when the attempts are used up.
        details: for staff.
    """

    def __init__(self, code: str, message: str, details: str = "") -> None:
        super().__init__(details or message)
        self.code = code
        self.message = message


class JobGone(ObjectDoesNotExist):
    """Its row was deleted while somebody acted on it."""


class JobStopped(Exception):  # noqa: N818 - control flow, not an error
    """The work must stop now. Raised by `Attempt.report` and `Attempt.check`; let it pass through."""


class JobCancelled(JobStopped):
    """Its owner cancelled it."""


class LeaseLost(JobStopped):
    """Another worker may own the row by now: write nothing more."""


class JobHeld(JobStopped):
    """Somebody wants it to wait: it goes back to the queue, and nobody takes it until it is released."""


class JobFinishing(JobStopped):
    """Somebody wants it to end early, with what it has: its own work catches this and returns `Done`."""


class WorkerStopping(JobStopped):
    """This worker is shutting down; the job goes back to the queue."""
