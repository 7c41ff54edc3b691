"""One attempt at a training run: bring its data and its newest checkpoint, run the child, hear it out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from jobs.child import ChildEnd, Listener, run_child
from jobs.errors import JobCancelled, JobFailed, JobFinishing, JobHeld, WorkerStopping, WorthAnotherTry
from jobs.runner import Attempt, Done
from mapgan.config import ConfigError
from training_jobs.ingest import Ingest
from training_jobs.models.runs import STARTING, TrainingRun
from training_jobs.runlog import RunLog
from training_jobs.services import recording
from training_jobs.worker.keeping import RunKeeper, bring_back
from training_jobs.worker.library import command, environment
from training_jobs.worker.scratch import dataset_file, no_room, scratch, split_file
from training_jobs.worker.watching import Watch

GIVEN_UP: Final = (
    "The training was killed or broke down too often without a new checkpoint in between. It was given up; "
    "its checkpoints are kept."
)
CANCEL_SECONDS: Final = 1.0  # who cancels wants nothing saved, and sees it end within five seconds
EXIT_DIVERGED, EXIT_DISK_FULL = 3, 4  # of `mapgan train`


def train(job: TrainingRun, attempt: Attempt) -> Done:
    """Train until the run is complete, or until somebody wants it to end.

    Raises:
        JobFailed: it cannot go on; the message says why.
        WorthAnotherTry, StorageError: worth another attempt, which goes on from the last checkpoint.
        JobStopped: cancelled, paused, the worker stops, or the lease is lost.
    """
    try:
        return _trained(job, attempt)
    except JobFinishing:
        return _ended_early(job, attempt)
    except JobHeld:
        recording.run_record(run=job, attempt=attempt.number, wish="")
        kept = "its last checkpoint is kept" if job.checkpoints.exists() else "it has no checkpoint yet"
        _note(job, attempt, "paused", f"Paused; {kept}.")
        raise


def _trained(job: TrainingRun, attempt: Attempt) -> Done:
    """Bring what is needed, run the child, keep what it makes."""
    with scratch(job, attempt) as folder:
        attempt.report(job.progress, "Fetching the dataset")
        data = dataset_file(job.dataset_version, lambda _: attempt.check())
        run_folder = folder / "run"
        run_folder.mkdir()
        attempt.report(job.progress, "Fetching the last checkpoint")
        step = bring_back(job, run_folder, lambda _: attempt.check())
        attempt.report(job.progress, STARTING)
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
        except (JobHeld, JobFinishing, WorkerStopping):
            ending.begin()
            ingest.bring_home()
            raise
        finally:
            watch.close()
        ingest.flush()
        ingest.tell_seam()
        return _outcome(job, attempt, ingest, end)


def _ended_early(job: TrainingRun, attempt: Attempt) -> Done:
    """Somebody wants it to end with what it has; it may have been in any phase.

    Raises:
        JobCancelled: it has nothing yet; a person can let it go on.
    """
    attempt.check_unwanted()
    newest = job.checkpoints.order_by("-step").first()
    if newest is None:
        message = "Ended before its first checkpoint: there is nothing to keep. It can be begun again."
        _note(job, attempt, "finished", message)
        recording.run_record(run=job, attempt=attempt.number, wish="", cancel_requested=True)
        raise JobCancelled
    recording.curves_trim(run=job, attempt=attempt.number, step=newest.step)
    _note(job, attempt, "finished", f"Ended early, at step {newest.step:,}, as was wanted.")
    return Done({"wish": ""})


def _note(job: TrainingRun, attempt: Attempt, kind: str, message: str) -> None:
    recording.run_note(run=job, attempt=attempt.number, kind=kind, message=message)


class _Ending:
    """While the child runs, large files stop going out when the attempt must stop; at its end they go out
    all the same, because the last checkpoint is what the next attempt begins with."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt, self._ending = attempt, False

    def check(self) -> None:
        """What a file on its way out asks."""
        if self._ending:
            self._attempt.check_unwanted()
        else:
            self._attempt.check()

    def begin(self) -> None:
        """The child was told to end."""
        self._ending = True

    def listening(self, ingest: Ingest, watch: Watch) -> Listener:
        """The listener of a child that was told to end."""
        at_end = ingest.at_end(self.begin)

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


def _outcome(job: TrainingRun, attempt: Attempt, ingest: Ingest, end: ChildEnd) -> Done:
    """What the child's end means for the run."""
    job.refresh_from_db(fields=["step", "failed_step"])
    if end.code == 0 and ingest.finished == "completed":
        ingest.note("finished", f"Complete: {job.step:,} steps.")
        return Done({"wish": "", "eta_seconds": 0.0})
    if end.code == EXIT_DISK_FULL:
        failed = no_room(f"{end.tail}\n{ingest.failure}")
        ingest.note("failed", failed.message)
        raise failed
    if end.code == EXIT_DIVERGED or ingest.failure:
        code = "diverged" if end.code == EXIT_DIVERGED else "train_failed"
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
    raise WorthAnotherTry("died_often", GIVEN_UP, details=end.tail)
