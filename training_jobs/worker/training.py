"""One attempt at a training run: bring its data and its newest checkpoint, run the child, hear it out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from jobs import lifecycle
from jobs.child import ChildEnd, Listener, run_child
from jobs.errors import JobCancelled, JobFailed, JobFinishing, JobHeld
from jobs.runner import Attempt, Done
from mapgan.config import ConfigError
from training_jobs.ingest import Ingest
from training_jobs.models import TrainingRun
from training_jobs.runlog import RunLog
from training_jobs.services import recording
from training_jobs.worker.keeping import RunKeeper, bring_back
from training_jobs.worker.library import command, environment
from training_jobs.worker.scratch import dataset_file, scratch, split_file
from training_jobs.worker.watching import Watch


class ChildDied(Exception):  # noqa: N818 - it names what happened
    """The child ended without a word: killed, most often for want of memory. Worth one more attempt."""


TRANSIENT: Final = (ChildDied,)
CANCEL_SECONDS: Final = 1.0  # who cancels wants nothing saved, and sees it end within five seconds
EXIT_DIVERGED, EXIT_DISK_FULL = 3, 4  # of `mapgan train`


def train(job: TrainingRun, attempt: Attempt) -> Done:
    """Train until the run is complete, or until somebody wants it to end.

    Raises:
        JobFailed: it cannot go on; the message says why.
        ChildDied, StorageError: worth another attempt, which goes on from the last checkpoint.
        JobStopped: cancelled, paused, the worker stops, or the lease is lost.
    """
    with scratch(job, attempt) as folder:
        attempt.report(job.progress, "Fetching the dataset")
        data = dataset_file(job.dataset_version, lambda _: attempt.check())
        run_folder = folder / "run"
        run_folder.mkdir()
        attempt.report(job.progress, "Fetching the last checkpoint")
        step = bring_back(job, run_folder, lambda _: attempt.check())
        attempt.report(job.progress, "Starting")
        ending = _Ending(attempt)
        keeper = RunKeeper(job, attempt.number, run_folder, ending.check)
        ingest = Ingest(job, attempt, keeper, expected=step)
        watch = Watch(ingest, keeper, RunLog(run_folder / "log.txt"), attempt)
        arguments = _arguments(job, data, folder, run_folder)
        try:
            end = run_child(
                command(*arguments),
                attempt=attempt,
                listen=watch.hear,
                listen_at_end=ending.listening(ingest, watch),
                log=watch.log.path,
                environment=environment(),
                patience={JobCancelled: CANCEL_SECONDS},
                watch=watch,
            )
        except JobFinishing:
            end = None
        except JobHeld:
            ingest.flush()
            lifecycle.write(TrainingRun, job.pk, attempt.number, wish="")
            ingest.note("paused", "Paused; its last checkpoint is kept.")
            raise
        finally:
            watch.close()
        ingest.flush()
        ingest.tell_seam()
        return _outcome(job, attempt, ingest, end)


class _Ending:
    """While the child runs, large files stop going out when the attempt must stop; at its end they go out
    all the same, because the last checkpoint is what the next attempt begins with."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt, self._ending = attempt, False

    def check(self) -> None:
        """What a file on its way out asks."""
        if self._ending:
            self._attempt.check_lease()
        else:
            self._attempt.check()

    def listening(self, ingest: Ingest, watch: Watch) -> Listener:
        """The listener of a child that was told to end."""

        def begin() -> None:
            self._ending = True

        at_end = ingest.at_end(begin)

        def listen(event: dict[str, Any]) -> None:
            watch.log.hear(event)
            at_end(event)

        return listen


def _arguments(job: TrainingRun, data: Path, folder: Path, run_folder: Path) -> list[str]:
    """``mapgan train`` for this run. Always ``--resume``: without a checkpoint it starts at 0."""
    try:
        config = job.settings
    except ConfigError as error:
        message = f"This version of the library does not know the run's settings: {error}."
        raise JobFailed("config_unknown", message) from error
    path = folder / "config.toml"
    path.write_text(config.to_toml(), encoding="utf-8")
    arguments = [
        "train", "--config", str(path), "--data", str(data), "--out", str(run_folder), "--resume",
        "--events", "--skip-broken",
    ]  # fmt: skip
    if split := split_file(job.dataset_version, folder):
        arguments += ["--split", str(split)]
    return arguments


def _outcome(job: TrainingRun, attempt: Attempt, ingest: Ingest, end: ChildEnd | None) -> Done:
    """What the child's end means for the run."""
    job.refresh_from_db(fields=["step", "failed_step"])
    if end is None:
        ingest.note("finished", f"Ended early, at step {job.step:,}, as was wanted.")
        return Done({"wish": ""})
    if end.code == 0 and ingest.finished == "completed":
        ingest.note("finished", f"Complete: {job.step:,} steps.")
        return Done({"wish": "", "eta_seconds": 0.0})
    if end.code in (EXIT_DIVERGED, EXIT_DISK_FULL) or ingest.failure:
        code = {EXIT_DIVERGED: "diverged", EXIT_DISK_FULL: "no_room"}.get(end.code, "train_failed")
        message = ingest.failure or "The training ended with an error."
        ingest.note("failed", message)
        raise JobFailed(code, message, details=end.tail)
    words = "was killed (out of memory?)" if end.killed else f"ended with code {end.code}"
    if job.failed_step == job.step:
        message = (
            f"The training {words} twice at step {job.step:,}. It was given up; its checkpoints are kept."
        )
        ingest.note("failed", message)
        raise JobFailed("died_twice", message, details=end.tail)
    ingest.note("died", f"The training {words} at step {job.step:,}; it goes on from its last checkpoint.")
    recording.run_record(run=job, attempt=attempt.number, failed_step=job.step)
    raise ChildDied(end.tail)
