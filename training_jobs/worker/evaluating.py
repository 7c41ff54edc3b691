"""One checkpoint measured on held-out tiles by the library's command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from jobs.errors import JobFailed
from jobs.runner import Attempt, Done
from training_jobs.models import Checkpoint, Evaluation, TrainingRun
from training_jobs.objects import join_objects
from training_jobs.worker.keeping import bring_checkpoint
from training_jobs.worker.library import run_library
from training_jobs.worker.scratch import dataset_file, scratch
from translator.storage import ObjectMissing

BROUGHT_DATA, BROUGHT = 0.1, 0.3
SPLIT: Final = "split.json"


def evaluate(job: Evaluation, attempt: Attempt) -> Done:
    """Bring the data and the checkpoint, and measure.

    Raises:
        JobFailed: the checkpoint is gone or cannot be measured; the message says why.
        StorageUnavailable: worth another attempt.
    """
    checkpoint = job.checkpoint
    with scratch(job, attempt) as folder:
        attempt.report(0.0, "Fetching the dataset")
        data = dataset_file(
            checkpoint.run.dataset_version, lambda share: attempt.report(BROUGHT_DATA * share)
        )
        attempt.report(BROUGHT_DATA, "Fetching the checkpoint")
        source = bring_for_use(checkpoint, folder / "run", attempt, first=BROUGHT_DATA, last=BROUGHT)
        out = folder / "found.json"
        arguments = ["evaluate", str(source), "--data", str(data), "--json", str(out)]
        arguments += ["--events", "--skip-broken", *(["--limit", str(job.tiles)] if job.tiles else [])]
        attempt.report(BROUGHT, "Measuring")
        end, reason = run_library(arguments, folder / "log.txt", attempt, first=BROUGHT, last=1.0)
        if end.code or not out.is_file():
            raise JobFailed("evaluation_failed", in_words(reason, "measured", data, folder), details=end.tail)
        return Done({"result": _result(json.loads(out.read_text(encoding="utf-8")))})


def bring_for_use(
    checkpoint: Checkpoint, run_folder: Path, attempt: Attempt, *, first: float, last: float
) -> Path:
    """A checkpoint in a run's folder as the library expects it, with the run's split beside; its folder.

    Raises:
        JobFailed: a stored file is gone or not what it was.
        StorageError: the storage cannot be reached.
    """
    run_folder.mkdir(parents=True)
    bring_split(checkpoint.run, run_folder / SPLIT)
    target = run_folder / "checkpoints" / f"step-{checkpoint.step:08d}"
    return bring_checkpoint(checkpoint, target, lambda share: attempt.report(first + (last - first) * share))


def bring_split(run: TrainingRun, path: Path) -> bool:
    """What the run held out by itself, if it did; False when its data say it.

    Raises:
        StorageError: the storage cannot be reached.
    """
    key = run.files.get(SPLIT)
    if not key:
        return False
    try:
        join_objects([key], path)
    except ObjectMissing as error:
        message = "The list of the tiles that this run held out is no longer stored."
        raise JobFailed("run_file_missing", message, details=key) from error
    return True


def in_words(reason: str, what: str, *paths: Path) -> str:
    """Why the library could not do it, without a worker's paths."""
    for path in paths:
        reason = reason.replace(f"{path}/", "").replace(str(path), path.name)
    words = f"The checkpoint could not be {what}"
    return f"{words}: {reason}." if reason else f"{words}. The details say why."


def _result(found: dict[str, Any]) -> dict[str, Any]:
    """What pages show of the command's JSON."""
    directions: dict[str, Any] = {}
    baselines: dict[str, Any] = {}
    for direction, table in found["directions"].items():
        for row in table["rows"]:
            if row["kind"] == "baseline":
                baselines.setdefault(direction, {})[row["series"]] = _known(row["measures"])
            else:
                directions[direction] = {
                    "measures": _known(row["measures"]),
                    "intervals": {name: pair for name, pair in row["intervals"].items() if None not in pair},
                }
    return {**found["held_out"], "directions": directions, "baselines": baselines}


def _known(measures: dict[str, Any]) -> dict[str, float]:
    """Plain numbers alone."""
    return {name: value for name, value in measures.items() if isinstance(value, int | float)}
