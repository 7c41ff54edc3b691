"""The library's command, run as a child."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from jobs.child import ChildEnd, run_child
from jobs.errors import JobFailed
from jobs.runner import Attempt
from training_jobs.worker.scratch import no_room

DISK: Final = "disk"  # of mapgan.archives.ArchiveError


def command(*arguments: str) -> list[str]:
    """``mapgan`` with these arguments, in this Python."""
    return [sys.executable, "-m", "mapgan.cli", *arguments]


def environment(temporary: Path | None = None) -> dict[str, str]:
    """The child imports the library from the checkout we run from, installed or not.

    Args:
        temporary: for its temporary files: a folder that goes with the attempt, however the child ends.
    """
    own = {"PYTHONPATH": str(settings.BASE_DIR), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return own if temporary is None else own | {"TMPDIR": str(temporary)}


def run_library(
    arguments: list[str], log: Path, attempt: Attempt, *, first: float, last: float
) -> tuple[ChildEnd, str]:
    """Run a command that reports ``progress``, between two shares of the bar.

    Its temporary files are beside the log.

    Returns:
        Its end, and the reason when it gave one.

    Raises:
        JobFailed: it was killed from outside, most often for want of memory; or the disk is full.
    """
    reason = code = ""

    def listen(event: dict[str, Any]) -> None:
        nonlocal reason, code
        if event.get("event") == "progress":
            share = float(event.get("share", 0.0))
            attempt.report(first + (last - first) * share, event.get("stage"))
        elif event.get("event") == "failed":
            reason, code = str(event.get("reason", "")), str(event.get("code", ""))

    own = environment(log.parent)
    end = run_child(command(*arguments), attempt=attempt, listen=listen, log=log, environment=own)
    if end.killed:
        message = "The worker ran out of memory, or its work was killed."
        raise JobFailed("out_of_memory", message, details=end.tail)
    if code == DISK:
        raise no_room(reason)
    return end, reason
