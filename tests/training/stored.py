"""Runs with stored checkpoints that nobody had to train."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image

from accounts.models import User
from jobs.models import JobState
from mapgan.presets import preset
from training_jobs.models import Checkpoint, DatasetVersion, TrainingRun
from training_jobs.objects import checkpoint_key, run_key
from training_jobs.services.runs import run_start

GOOD = {"kid_random_cnn": 0.010, "swd": 20.0, "psnr": 15.0, "psnr_other": 9.0, "sharpness_ratio": 0.9}
"""Measures of a map2sat generator."""


def a_run(
    by: User, version: DatasetVersion, *, state: str = JobState.SUCCEEDED, **changes: Any
) -> TrainingRun:
    """A run that is over, on a version whose files do not matter."""
    ready = {"archive": "a", "report": "r", "summary": {"pairs": {"train": 12}}}
    DatasetVersion.objects.filter(pk=version.pk).update(state=JobState.SUCCEEDED, **ready)
    version.refresh_from_db()
    run = run_start(by=by, name="Streets", dataset_version=version, config=preset("draft"))
    TrainingRun.objects.filter(pk=run.pk).update(state=state, config={**run.config, **changes})
    run.refresh_from_db()
    return run


def sheet(shade: int = 0, size: tuple[int, int] = (128, 64)) -> bytes:
    """A picture as runs store them."""
    out = io.BytesIO()
    Image.new("RGB", size, (shade % 256, 90, 160)).save(out, "WEBP")
    return out.getvalue()


def a_checkpoint(
    run: TrainingRun,
    step: int,
    measures: Mapping[str, Mapping[str, float]] | None = None,
    *,
    size: int = 1_000,
    drawn: tuple[str, ...] = ("map2sat",),
) -> Checkpoint:
    """A stored one, with real (small) objects under every key it names."""
    checkpoint = Checkpoint(run=run, step=step, attempt=1, size_bytes=size, weights_sha256="0" * 64)
    for name in ("arrays.npz", "manifest.json"):
        kind, _, extension = name.partition(".")
        key = checkpoint_key(checkpoint.pk, kind, extension, attempt=1)
        checkpoint.files[name] = {"key": key, "bytes": size // 2, "sha256": "0" * 64}
        default_storage.save(key, ContentFile(b"weights"))
    for direction in drawn:
        for kind, column in (("samples", checkpoint.sheets), ("thumbnail", checkpoint.thumbnails)):
            key = run_key(run.pk, f"{kind}-{step}-{direction}", "webp", attempt=1)
            column[direction] = key
            default_storage.save(key, ContentFile(sheet(step)))
    if measures is not None:
        checkpoint.measures = {"tiles": 20, "directions": {name: dict(row) for name, row in measures.items()}}
    checkpoint.save(force_insert=True)
    return checkpoint
