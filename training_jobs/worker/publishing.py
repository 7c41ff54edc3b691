"""From a stored checkpoint to a generator that the translator offers."""

from __future__ import annotations

from pathlib import Path

from jobs.child import run_child
from jobs.errors import JobFailed
from jobs.runner import Attempt, Done
from training_jobs.models import Checkpoint, Publication
from training_jobs.worker.keeping import bring_checkpoint
from training_jobs.worker.library import command, environment
from training_jobs.worker.scratch import scratch
from translator.services import GeneratorRejected, generator_import
from translator.storage import read

BROUGHT, EXPORTED = 0.3, 0.9
UNSTATED = "not stated"


def publish(job: Publication, attempt: Attempt) -> Done:
    """Export the checkpoint's generator, compare it with the network it was made of, and import it.

    Raises:
        JobFailed: the checkpoint is gone or cannot be exported; the message says why.
        StorageUnavailable: worth another attempt.
    """
    checkpoint = job.checkpoint
    if checkpoint is None:
        raise JobFailed("checkpoint_gone", "This checkpoint was deleted.")
    with scratch(job, attempt) as folder:
        attempt.report(0.0, "Fetching the checkpoint")
        source = bring_checkpoint(checkpoint, folder / "run", lambda share: attempt.report(BROUGHT * share))
        attempt.report(BROUGHT, "Exporting and checking")
        out = folder / f"{job.name}.onnx"
        end = run_child(
            command(*_arguments(job, checkpoint, source, out)),
            attempt=attempt,
            listen=lambda _: None,
            log=folder / "log.txt",
            environment=environment(),
        )
        if end.code or not out.is_file():
            message = "The checkpoint could not be exported. The details say why."
            raise JobFailed("export_failed", message, details=end.tail)
        attempt.report(EXPORTED, "Handing it to the translator")
        try:
            generator = generator_import(
                source=out,
                publish=job.everyone,
                description=job.description,
                sample_input=_sample(checkpoint, job.direction),
            )
        except GeneratorRejected as error:
            raise JobFailed("import_failed", str(error)) from error
    return Done({"generator": generator})


def _arguments(job: Publication, checkpoint: Checkpoint, source: Path, out: Path) -> list[str]:
    """``mapgan export`` with a card that says where the generator comes from."""
    version = checkpoint.run.dataset_version
    about = version.dataset
    return [
        "export", str(source), "--out", str(out), "--direction", job.direction,
        "--name", job.name, "--title", job.title,
        "--training-data", f"{about.name}, version {version.number}: {version.pairs} pairs",
        "--attribution", about.attribution or UNSTATED, "--licence", about.licence or UNSTATED,
    ]  # fmt: skip


def _sample(checkpoint: Checkpoint, direction: str) -> bytes | None:
    """The first of the run's fixed inputs, for the generator's sample pair."""
    key = checkpoint.run.files.get(f"first-{direction}")
    return read(key) if key else None
