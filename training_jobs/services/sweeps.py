"""Writes on sweeps by people. What a sweep does by itself is in `training_jobs.services.sweeping`."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from celery import current_app
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from accounts.models import User
from jobs.models import JobState
from mapgan.config import ConfigError, TrainConfig
from training_jobs.models import (
    DatasetVersion,
    Method,
    Pruner,
    Sweep,
    SweepNote,
    SweepState,
    TrainingRun,
    Trial,
)
from training_jobs.search import SIZE_LIMIT, Axis, SpaceError, check_space, checked, combinations
from training_jobs.services.audit import log_deleted
from training_jobs.services.runs import RunRefused, check_dataset, run_cancel, run_delete, run_pause

logger = logging.getLogger(__name__)

ADVANCE_TASK = "training_jobs.advance_sweeps"
CONCURRENCY_LIMIT = 32


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a sweep searches.

    Attributes:
        size: how many runs; a grid has as many as it has combinations.
        concurrency: how many of them at once.
        seed: of the search.
    """

    axes: Sequence[Axis]
    method: str = Method.GRID
    pruner: str = Pruner.NONE
    size: int = 12
    concurrency: int = 1
    seed: int = 0


def sweep_start(
    *, by: User, name: str, dataset_version: DatasetVersion, config: TrainConfig, plan: Plan
) -> Sweep:
    """Begin a sweep; its first runs are launched within seconds.

    Raises:
        RunRefused: the dataset cannot be trained on, or the plan makes no sense.
    """
    check_dataset(dataset_version, config)
    axes = plan_check(config=config, plan=plan, dataset_version=dataset_version)
    config = TrainConfig.from_dict({**config.to_dict(), "a_side": str(dataset_version.a_side)})
    with transaction.atomic():
        sweep = Sweep.objects.create(
            name=name,
            dataset_version=dataset_version,
            config=config.to_dict(),
            space=[axis.to_dict() for axis in axes],
            method=plan.method,
            pruner=plan.pruner,
            size=plan_size(plan),
            concurrency=plan.concurrency,
            seed=plan.seed,
            created_by=by,
        )
        note(sweep, by, "started", f"Started: {sweep.size} runs, at most {sweep.concurrency} at once.")
        _look_soon()
    return sweep


def plan_size(plan: Plan) -> int:
    """How many runs a plan asks for."""
    return combinations(plan.axes) if plan.method == Method.GRID else plan.size


def plan_check(*, config: TrainConfig, plan: Plan, dataset_version: DatasetVersion | None) -> list[Axis]:
    """The plan's axes, when all of it makes sense.

    Raises:
        RunRefused: it does not; the field is the plan's, or ``space.NAME`` for a setting that varies.
    """
    if plan.method not in Method.values:
        raise RunRefused("Choose grid, random or tpe.", field="method")
    if plan.pruner not in Pruner.values:
        raise RunRefused("Choose none, median or asha.", field="pruner")
    if not 1 <= plan.concurrency <= CONCURRENCY_LIMIT:
        raise RunRefused(f"Choose 1 to {CONCURRENCY_LIMIT} runs at once.", field="concurrency")
    if not 0 <= plan.seed < 2**63:
        raise RunRefused("Choose a seed from 0 on.", field="search_seed")
    if not config.evaluate_tiles:
        message = "A sweep ranks its runs by their measures: let at least one tile be evaluated."
        raise RunRefused(message, field="evaluate_tiles")
    if plan.pruner != Pruner.NONE and config.checkpoint_every * 2 > config.steps:
        message = "Runs are ended early by what their checkpoints score: let each have at least two."
        raise RunRefused(message, field="checkpoint_every")
    try:
        axes = [checked(axis) for axis in plan.axes]
        check_space(config, axes)
        _check_held_out(axes, dataset_version)
    except SpaceError as error:
        raise RunRefused(str(error), field=f"space.{error.axis}" if error.axis else "space") from error
    size = plan_size(plan)
    if not 1 <= size <= SIZE_LIMIT:
        field = "" if plan.method == Method.GRID else "size"
        raise RunRefused(f"That would be {size:,} runs; a sweep has 1 to {SIZE_LIMIT}.", field=field)
    return axes


def _check_held_out(axes: Sequence[Axis], version: DatasetVersion | None) -> None:
    """Every run must be measured on the same tiles."""
    if version is None or not any(axis.name == "seed" for axis in axes):
        return
    if not version.says_what_is_held_out:
        message = (
            "This dataset has no tiles of its own to measure on (val/, or a split), so another seed would "
            "hold out others, and nobody could compare the runs."
        )
        raise SpaceError(message, axis="seed")


def sweep_pause(*, sweep: Sweep, by: User) -> bool:
    """Launch nothing more and pause its runs, which save first. False when it does not run."""
    with transaction.atomic():
        if not _move(sweep, [SweepState.RUNNING], SweepState.PAUSED):
            return False
        for trial in _active(sweep):
            if trial.run is not None and not trial.run.is_paused and run_pause(run=trial.run, by=by):
                Trial.objects.filter(pk=trial.pk).update(held=True)
        note(sweep, by, "paused", "Paused, with its runs.")
    return True


def sweep_resume(*, sweep: Sweep, by: User) -> bool:
    """Go on after a pause or a cancellation. What was cancelled stays so. False in any other state."""
    with transaction.atomic():
        changed = _move(sweep, [SweepState.PAUSED, SweepState.CANCELLED], SweepState.RUNNING)
        if changed:
            Sweep.objects.filter(pk=sweep.pk).update(forgiven=sweep.trials.count())
            note(sweep, by, "resumed", "Asked to go on.")
            _look_soon()
    return changed


def sweep_retry(*, sweep: Sweep, by: User) -> int:
    """Have failed runs tried again from their last checkpoints, when there is a place; returns how many."""
    with transaction.atomic():
        failed = Trial.objects.filter(sweep=sweep, run__state=JobState.FAILED, again=False)
        count = failed.update(again=True)
        if count:
            states = [SweepState.FINISHED, SweepState.PAUSED, SweepState.CANCELLED]
            _move(sweep, states, SweepState.RUNNING)
            Sweep.objects.filter(pk=sweep.pk).update(forgiven=sweep.trials.count())
            note(sweep, by, "retried", f"Asked to try {count:,} failed runs again.")
            _look_soon()
    return count


def sweep_cancel(*, sweep: Sweep, by: User) -> bool:
    """Launch nothing more and cancel its runs; their checkpoints stay. False when it is over."""
    with transaction.atomic():
        if not _move(sweep, [SweepState.RUNNING, SweepState.PAUSED], SweepState.CANCELLED):
            return False
        for trial in _active(sweep):
            if trial.run is not None:
                run_cancel(run=trial.run, by=by)
        note(sweep, by, "cancelled", "Cancelled, with its runs.")
    return True


def sweep_extend(*, sweep: Sweep, by: User, size: int, concurrency: int) -> None:
    """Other numbers of runs, in all and at once; a sweep that was finished goes on.

    Raises:
        RunRefused: a grid has no more runs, or fewer runs are asked for than there are.
    """
    if not 1 <= concurrency <= CONCURRENCY_LIMIT:
        raise RunRefused(f"Choose 1 to {CONCURRENCY_LIMIT} runs at once.", field="concurrency")
    if sweep.method == Method.GRID and size != sweep.size:
        raise RunRefused("A grid has as many runs as it has combinations.", field="size")
    with transaction.atomic():
        launched = sweep.trials.count()
        if not max(launched, 1) <= size <= SIZE_LIMIT:
            raise RunRefused(f"It has {launched:,} runs; choose up to {SIZE_LIMIT}.", field="size")
        Sweep.objects.filter(pk=sweep.pk).update(size=size, concurrency=concurrency)
        if size > launched:
            _move(sweep, [SweepState.FINISHED], SweepState.RUNNING)
        sweep.refresh_from_db()
        note(sweep, by, "extended", f"{size:,} runs in all, at most {concurrency} at once.")
        _look_soon()


def sweep_delete(*, sweep: Sweep, by: User, with_runs: bool) -> None:
    """Delete it in any state; with its runs and all their files, or leaving them as runs of their own."""
    with transaction.atomic():
        Sweep.objects.filter(pk=sweep.pk).update(state=SweepState.CANCELLED)  # nothing is launched meanwhile
        runs = list(TrainingRun.objects.filter(trial__sweep=sweep)) if with_runs else []
        for run in runs:
            run_delete(run=run, by=by)
        launched = sweep.trials.count()
        log_deleted(
            sweep, by, f"It had {launched:,} trials; their runs {'go, too' if with_runs else 'stay'}."
        )
        Sweep.objects.filter(pk=sweep.pk).delete()


def sweep_hear(*, run_id: str) -> None:
    """A run has come to an end, or let its worker go: if it is a sweep's, that looks what comes next."""
    if Trial.objects.filter(run_id=uuid.UUID(run_id), sweep__state=SweepState.RUNNING).exists():
        _publish()


def note(sweep: Sweep, by: User | None, kind: str, message: str) -> None:
    """Who did what; None: the sweep itself."""
    SweepNote.objects.create(sweep=sweep, by=by, kind=kind, message=message)


def _active(sweep: Sweep) -> list[Trial]:
    """Trials whose runs are queued or running."""
    trials = sweep.trials.filter(run__isnull=False).select_related("run")
    return [trial for trial in trials if trial.run is not None and trial.run.is_active]


def _move(sweep: Sweep, old: Sequence[SweepState], new: SweepState) -> bool:
    """One conditional UPDATE, which also keeps the sweep from advancing until the transaction ends."""
    over = new in (SweepState.FINISHED, SweepState.CANCELLED)
    moved = Sweep.objects.filter(pk=sweep.pk, state__in=old).update(
        state=new, problem="", finished_at=timezone.now() if over else None
    )
    sweep.refresh_from_db()
    return bool(moved)


def _look_soon() -> None:
    """Have sweeps looked at once this transaction is done."""
    transaction.on_commit(partial(_publish))


def _publish() -> None:
    """A hint: without it, or without a broker, beat has them looked at some seconds later."""
    try:
        current_app.send_task(ADVANCE_TASK, queue="maintenance", ignore_result=True, retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("The broker did not take the hint to look at sweeps (%s).", error)


def settings_text(error: ConfigError) -> str:
    """The library's words as a sentence."""
    return f"{str(error)[:1].upper()}{str(error)[1:]}."
