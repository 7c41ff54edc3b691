"""What is shown of a training while it runs, beside its own figures: the machine's use and the log's end."""

from __future__ import annotations

import contextlib
from time import monotonic
from typing import Any, Final

from django.db import DatabaseError

from jobs.errors import JobStopped
from jobs.runner import Attempt
from training_jobs.ingest import Ingest
from training_jobs.runlog import RunLog
from training_jobs.worker.keeping import RunKeeper
from translator.storage import StorageError

SHOW_SECONDS: Final = 3.0  # between two looks at the machine
KEEP_SECONDS: Final = 60.0  # between two copies of the log in the storage


class Watch:
    """Called a few times a second with the child's process number; looks when it is time."""

    def __init__(self, ingest: Ingest, keeper: RunKeeper, log: RunLog, attempt: Attempt) -> None:
        from training_jobs.worker.gauge import Gauge  # psutil is there where trainings run, nowhere else

        self.log = log
        self._ingest, self._keeper, self._attempt = ingest, keeper, attempt
        self._gauge = Gauge()
        self._shown_at = 0.0
        self._kept_at = monotonic()

    def hear(self, event: dict[str, Any]) -> None:
        """An event of the run: into the log, then on to the rows."""
        self.log.hear(event)
        self._ingest(event)

    def __call__(self, pid: int) -> None:
        """Show what it uses and what it says."""
        now = monotonic()
        if now - self._shown_at >= SHOW_SECONDS:
            self._shown_at = now
            usage = self._gauge.read(pid)
            self._ingest.show(log_tail=self.log.tail(), **({"usage": usage} if usage else {}))
        if now - self._kept_at >= KEEP_SECONDS:
            self._kept_at = now
            with contextlib.suppress(StorageError):  # the next copy takes it along
                self._keeper.keep_log(self._attempt.check)

    def close(self) -> None:
        """Keep the whole log, unless the run is another worker's by now, or nobody wants it: then what was
        kept last is enough. The run does not fail for want of it.
        """
        with contextlib.suppress(JobStopped, StorageError, DatabaseError):
            self._ingest.show(log_tail=self.log.tail())
            self._keeper.keep_log(self._attempt.check_unwanted)
