"""Which of some runs is the best, by the library's rule for the best checkpoint (`mapgan.ranking`)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mapgan.ranking import passes_guard, ranking_key
from training_jobs.models import Checkpoint, TrainingRun

Measures = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A step of a run and what it scored in one direction.

    Attributes:
        key: the larger one is the better one.
    """

    step: int
    measures: Measures
    key: tuple[float, ...]
    guarded: bool


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A run among others.

    Attributes:
        place: 1 is the best; None where nothing was measured.
        best: its best stored checkpoint.
        history: everything that is measured and stored, by step.
    """

    run: TrainingRun
    place: int | None
    best: Scored | None
    history: Sequence[Scored]


def scored(step: int, measures: Mapping[str, Any], direction: str) -> Scored | None:
    """What a checkpoint's ``measures`` say of one direction; None when they say nothing of it."""
    found = measures.get("directions", {}).get(direction)
    if not isinstance(found, dict) or not found:
        return None
    maps = direction == "sat2map"
    guarded = maps or passes_guard(found)
    return Scored(step=step, measures=found, key=ranking_key(found, maps=maps), guarded=guarded)


def best_of(history: Iterable[Scored]) -> Scored | None:
    """The best by the rule; the earlier of two that are equal, as in the library."""
    return max(history, key=lambda each: (each.key, -each.step), default=None)


def standings(runs: Iterable[TrainingRun], direction: str) -> list[Standing]:
    """The runs, best first; those without a measured checkpoint last, in their own order.

    Runs that are equal by the rule share a place.
    """
    listed = list(runs)
    histories = _histories(listed, direction)
    bests = {run.pk: best_of(histories[run.pk]) for run in listed}
    keys = sorted((best.key for best in bests.values() if best is not None), reverse=True)
    found = []
    for run in listed:
        best = bests[run.pk]
        place = None if best is None else keys.index(best.key) + 1
        found.append(Standing(run=run, place=place, best=best, history=histories[run.pk]))
    return sorted(found, key=lambda each: each.place or len(listed) + 1)


def _histories(runs: Iterable[TrainingRun], direction: str) -> dict[uuid.UUID, list[Scored]]:
    histories: dict[uuid.UUID, list[Scored]] = {run.pk: [] for run in runs}
    rows = Checkpoint.objects.filter(run__in=histories).order_by("step")
    for run_id, step, measures in rows.values_list("run_id", "step", "measures"):
        found = scored(step, measures, direction)
        if found is not None:
            histories[run_id].append(found)
    return histories
