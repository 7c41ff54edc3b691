"""Trainings that take seconds: their settings, a dataset whose files are stored, one attempt of a worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from accounts.models import User
from jobs.models import JobState
from mapgan.config import TrainConfig
from tests.training.conftest import brought
from training_jobs import tasks
from training_jobs.models import DatasetVersion, TrainingRun
from training_jobs.objects import save_file, sha256_of, version_key
from training_jobs.services.runs import run_start

TINY: dict[str, Any] = {
    "generator": "unet_32", "generator_width": 2, "discriminator_width": 2, "image_size": 32, "load_size": 36,
    "steps": 12, "checkpoint_every": 4, "log_every": 1, "samples": 2, "evaluate_tiles": 2, "seed": 3,
    "validation_share": 0.2,
}  # fmt: skip
CYCLE: dict[str, Any] = {
    **TINY, "model": "cyclegan", "generator": "resnet_6", "gan_loss": "lsgan", "generator_norm": "instance",
    "discriminator_norm": "instance",
}  # fmt: skip


def examined(by: User, archive: bytes, folder: Path, *, name: str = "Maps") -> DatasetVersion:
    """A dataset as its examination leaves it."""
    version = brought(by, archive, name=name)
    path = folder / f"{version.pk.hex}.zip"
    path.write_bytes(archive)
    key = version_key(version.pk, "archive", "zip", attempt=1)
    save_file(key, path)
    DatasetVersion.objects.filter(pk=version.pk).update(
        state=JobState.SUCCEEDED, archive=key, report=key, archive_bytes=len(archive),
        archive_sha256=sha256_of(path), summary={"pairs": {"train": 12}},
    )  # fmt: skip
    version.refresh_from_db()
    return version


def tiny_run(by: User, version: DatasetVersion, **changes: Any) -> TrainingRun:
    """Queue one."""
    config = TrainConfig.from_dict({**TINY, **changes})
    return run_start(by=by, name="Tiny", dataset_version=version, config=config)


def worked_on(run: TrainingRun) -> TrainingRun:
    """One attempt, as a worker makes it."""
    TrainingRun.objects.filter(pk=run.pk).exclude(not_before__year=9999).update(not_before=None)
    tasks.train(str(run.pk))
    run.refresh_from_db()
    return run
