"""What a run will cost, from what runs like it cost on this site."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from mapgan.config import TrainConfig
from mapgan.sizing import size_of
from training_jobs.models import Method, TrainingRun
from training_jobs.search import Value, configured, grid_point, random_point, shown
from training_jobs.services.sweeps import Plan, plan_size

SHOWN_POINTS = 6  # of a sweep, before it begins
LOOKED_AT = 50  # newest runs
ALIKE = (
    "model", "generator", "generator_width", "discriminator_width", "image_size", "batch_size", "precision",
)  # fmt: skip
"""Settings that a step's time, a checkpoint's size and the memory depend on."""


@dataclass(frozen=True)
class Estimate:
    """What is known before a launch.

    Attributes:
        checkpoints: how many will be kept at the end.
        seconds: of the whole run; None where no run like it has been here.
        disk_bytes: of the kept checkpoints.
        memory_bytes: of the training process.
        after: the run these figures come from; without one they follow from the networks' shapes.
        passes: over the dataset; None where it is not known yet.
    """

    steps: int
    checkpoints: int
    seconds: float | None
    disk_bytes: int
    memory_bytes: int
    after: TrainingRun | None
    passes: float | None = None


def kept_checkpoints(config: TrainConfig) -> int:
    """How many checkpoints a complete run leaves."""
    written = math.ceil(config.steps / config.checkpoint_every)
    if not config.keep_checkpoints:
        return written
    kept = config.keep_checkpoints + config.keep_best
    if config.keep_every:
        kept += config.steps // config.keep_every
    return min(written, kept)


def estimate(config: TrainConfig, runs: QuerySet[TrainingRun], *, pairs: int = 0) -> Estimate:
    """The cost of a run with this configuration, after the newest of ``runs`` that is like it.

    Args:
        pairs: in the dataset; they are held in memory.
    """
    checkpoints = kept_checkpoints(config)
    like, size = _like(config, runs), size_of(config)
    last = like.checkpoints.order_by("-step").first() if like else None
    pace = like.images_per_second if like else None
    pictures = 3 * 2 * pairs * config.load_size**2
    return Estimate(
        steps=config.steps,
        checkpoints=checkpoints,
        seconds=config.steps * config.batch_size / pace if pace else None,
        disk_bytes=(last.size_bytes if last else size.variables) * checkpoints,
        memory_bytes=(like.memory_bytes if like else None) or size.memory + pictures,
        after=like,
        passes=config.steps * config.batch_size / pairs if pairs else None,
    )


@dataclass(frozen=True)
class SweepEstimate:
    """What is known before a sweep.

    Attributes:
        runs: how many there will be.
        points: the settings of the first few, where they are known before the first result.
        more: how many are not among them.
        learns: the later ones are chosen after the results of earlier ones.
        one: the cost of one of them, with the settings that all share.
        steps, seconds, disk_bytes: of all together; None where the time is not known.
    """

    runs: int
    points: list[list[tuple[str, str]]]
    more: int
    learns: bool
    one: Estimate
    steps: int
    seconds: float | None
    disk_bytes: int


def estimate_sweep(config: TrainConfig, plan: Plan, runs: QuerySet[TrainingRun]) -> SweepEstimate:
    """The cost of a sweep, after its first few runs."""
    size = plan_size(plan)
    points = list(_first_points(plan, min(size, SHOWN_POINTS)))
    each = [estimate(configured(config, point), runs) for point in points] or [estimate(config, runs)]
    seconds = [one.seconds for one in each]
    return SweepEstimate(
        runs=size,
        points=[[(name, shown(value)) for name, value in point.items()] for point in points],
        more=size - len(points),
        learns=plan.method == Method.TPE,
        one=estimate(config, runs),
        steps=round(_mean([one.steps for one in each]) * size),
        seconds=None if None in seconds else _mean([s for s in seconds if s is not None]) * size,
        disk_bytes=round(_mean([one.disk_bytes for one in each]) * size),
    )


def _first_points(plan: Plan, count: int) -> Iterator[dict[str, Value]]:
    """The settings that the first runs will have; none where they are drawn by the search itself."""
    tried: list[dict[str, Value]] = []
    for number in range(1, count + 1):
        if plan.method == Method.GRID:
            point = grid_point(plan.axes, number)
        elif plan.method == Method.RANDOM:
            point = random_point(plan.axes, number, seed=plan.seed, tried=tried)
        else:
            return
        if point is None:
            return
        tried.append(point)
        yield point


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)


def _like(config: TrainConfig, runs: QuerySet[TrainingRun]) -> TrainingRun | None:
    wanted = {name: getattr(config, name) for name in ALIKE}
    for run in runs.filter(images_per_second__isnull=False).order_by("-created_at")[:LOOKED_AT]:
        if all(run.config.get(name) == value for name, value in wanted.items()):
            return run
    return None
