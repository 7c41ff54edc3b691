"""From a stored checkpoint to a generator that the translator offers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from jobs import lifecycle
from jobs.errors import JobFailed, LeaseLost
from jobs.runner import Attempt, Done
from training_jobs.models import Checkpoint, Publication
from training_jobs.worker.evaluating import bring_for_use, in_words
from training_jobs.worker.library import run_library
from training_jobs.worker.scratch import dataset_file, scratch
from translator.models import Direction, Generator, GeneratorState
from translator.services import (
    CardText,
    GeneratorRejected,
    generator_describe,
    generator_import,
    generator_publish,
)
from translator.storage import read

BROUGHT_DATA, BROUGHT, EXPORTED = 0.1, 0.3, 0.95
UNSTATED: Final = "not stated"
TILES: Final = 100
"""Held-out tiles at most that the file itself is measured on, for its card."""


def publish(job: Publication, attempt: Attempt) -> Done:
    """Export the checkpoint's generator, compare it with the network it was made of, and import it.

    Raises:
        JobFailed: the checkpoint is gone or cannot be exported; the message says why.
        StorageUnavailable: worth another attempt.
    """
    fields: dict[str, Any] = {}
    generator = job.generator
    if generator is None:  # else an earlier attempt came this far
        generator, fields = _made(job, attempt)
    # What people wrote meanwhile counts.
    job.refresh_from_db(fields=["title", "description", "limits", "attribution", "everyone"])
    text = CardText(
        title=job.title, description=job.description, limits=job.limits, attribution=job.attribution
    )
    generator_describe(generator=generator, text=text)
    if job.everyone and generator.state == GeneratorState.TRIAL:
        generator_publish(generator=generator)
    return Done({"generator": generator, **fields})


def _made(job: Publication, attempt: Attempt) -> tuple[Generator, dict[str, Any]]:
    """The generator, on trial, and the row's columns that say how it came out."""
    checkpoint = job.checkpoint
    if checkpoint is None:
        raise JobFailed("checkpoint_gone", "This checkpoint was deleted.")
    with scratch(job, attempt) as folder:
        attempt.report(0.0, "Fetching the dataset")
        data = dataset_file(
            checkpoint.run.dataset_version, lambda share: attempt.report(BROUGHT_DATA * share)
        )
        attempt.report(BROUGHT_DATA, "Fetching the checkpoint")
        source = bring_for_use(checkpoint, folder / "run", attempt, first=BROUGHT_DATA, last=BROUGHT)
        out, told = folder / f"{job.name}.onnx", folder / "told.json"
        tiles = _tiles(data, folder)
        if tiles and job.flat_colours and job.direction == Direction.SATELLITE_TO_MAP:
            tiles.append("--flat-colours")
        arguments = [*_arguments(job, checkpoint, source, out), *tiles, "--json", str(told)]
        end, reason = run_library(arguments, folder / "log.txt", attempt, first=BROUGHT, last=EXPORTED)
        if end.code or not out.is_file():
            raise JobFailed("export_failed", in_words(reason, "exported", data, folder), details=end.tail)
        attempt.report(EXPORTED, "Handing it to the translator")
        parity = json.loads(told.read_text(encoding="utf-8"))["parity"]
        try:
            sample = _sample(checkpoint, job.direction)
            generator = generator_import(source=out, sample_input=sample)
        except GeneratorRejected as error:
            raise JobFailed("import_failed", str(error)) from error
    fields = {"generator": generator, "parity": parity}
    # At once, so that another attempt goes on with this version and makes no second one.
    if not lifecycle.write(Publication, job.pk, attempt.number, **fields):
        raise LeaseLost
    return generator, fields


def _arguments(job: Publication, checkpoint: Checkpoint, source: Path, out: Path) -> list[str]:
    """``mapgan export`` with a card that says where the generator comes from."""
    version = checkpoint.run.dataset_version
    about = version.dataset
    return [
        "export", str(source), "--out", str(out), "--direction", job.direction,
        "--name", job.name, "--title", job.title,
        "--training-data", f"{about.name}, version {version.number}: {version.pairs} pairs",
        "--attribution", job.attribution or about.attribution or UNSTATED,
        "--licence", about.licence or UNSTATED, "--events",
    ]  # fmt: skip


def _tiles(data: Path, folder: Path) -> list[str]:
    """Which tiles it is compared and measured on: those that the run held out, else the data's own."""
    chosen = ["--evaluate", str(data), "--limit", str(TILES), "--skip-broken"]
    split = folder / "run" / "split.json"
    if not split.is_file():
        return chosen
    held_out = json.loads(split.read_text(encoding="utf-8"))["val"]
    if not all(held_out.values()):
        return []  # too few tiles to hold any out: compared on noise
    return [*chosen, "--tiles", str(split)]


def _sample(checkpoint: Checkpoint, direction: str) -> bytes | None:
    """The first of the run's fixed inputs, for the generator's sample pair."""
    key = checkpoint.run.files.get(f"first-{direction}")
    return read(key) if key else None
