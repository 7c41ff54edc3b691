"""What a run will cost, from what runs like it cost on this site."""

from __future__ import annotations

import math
from dataclasses import dataclass

from django.db.models import QuerySet

from mapgan.config import TrainConfig
from training_jobs.models import TrainingRun

LOOKED_AT = 50  # newest runs
ALIKE = (
    "model", "generator", "generator_width", "discriminator_width", "image_size", "batch_size", "precision",
)  # fmt: skip
"""Settings that a step's time, a checkpoint's size and the memory depend on."""


@dataclass(frozen=True)
class Estimate:
    """What is known before a launch; None where no run like it has been here.

    Attributes:
        checkpoints: how many will be kept at the end.
        seconds: of the whole run.
        disk_bytes: of the kept checkpoints.
        memory_bytes: of the training process.
        after: the run these figures come from.
    """

    steps: int
    checkpoints: int
    seconds: float | None
    disk_bytes: int | None
    memory_bytes: int | None
    after: TrainingRun | None


def kept_checkpoints(config: TrainConfig) -> int:
    """How many checkpoints a complete run leaves."""
    written = math.ceil(config.steps / config.checkpoint_every)
    if not config.keep_checkpoints:
        return written
    kept = config.keep_checkpoints + config.keep_best
    if config.keep_every:
        kept += config.steps // config.keep_every
    return min(written, kept)


def estimate(config: TrainConfig, runs: QuerySet[TrainingRun]) -> Estimate:
    """The cost of a run with this configuration, after the newest of ``runs`` that is like it."""
    checkpoints = kept_checkpoints(config)
    like = _like(config, runs)
    if like is None:
        return Estimate(config.steps, checkpoints, None, None, None, None)
    seconds = config.steps * config.batch_size / like.images_per_second if like.images_per_second else None
    last = like.checkpoints.order_by("-step").first()
    return Estimate(
        steps=config.steps,
        checkpoints=checkpoints,
        seconds=seconds,
        disk_bytes=last.size_bytes * checkpoints if last else None,
        memory_bytes=like.memory_bytes,
        after=like,
    )


def _like(config: TrainConfig, runs: QuerySet[TrainingRun]) -> TrainingRun | None:
    wanted = {name: getattr(config, name) for name in ALIKE}
    for run in runs.filter(images_per_second__isnull=False).order_by("-created_at")[:LOOKED_AT]:
        if all(run.config.get(name) == value for name, value in wanted.items()):
            return run
    return None
