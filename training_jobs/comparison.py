"""Runs beside each other: in what they differ, and whose pictures show the same tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from mapgan.config import DIRECTIONS, settings
from training_jobs.models import Checkpoint, TrainingRun
from training_jobs.search import shown
from training_jobs.standings import Standing, standings
from training_jobs.sweep_selectors import Column, columns_of

LIMIT: Final = 12
"""Runs that are compared at once: more lines than that nobody tells apart."""


@dataclass(frozen=True)
class Difference:
    """A setting that is not the same in all runs.

    Attributes:
        values: of each run, as people write them.
    """

    name: str
    help: str
    values: list[str]


@dataclass(frozen=True)
class Scores:
    """What the runs scored in one direction, best first."""

    direction: str
    columns: list[Column]
    rows: list[tuple[Standing, list[float | None]]]


@dataclass(frozen=True)
class Tiles:
    """Runs whose samples show the same tiles in one direction.

    Attributes:
        runs: and their drawn steps.
        inputs: the run whose sheets of inputs and targets stand for all.
    """

    direction: str
    runs: list[tuple[TrainingRun, list[int]]]
    inputs: TrainingRun


def differences(runs: Sequence[TrainingRun]) -> list[Difference]:
    """The dataset and the settings in which the runs differ, in the library's order."""
    found = []
    datasets = [str(run.dataset_version) for run in runs]
    if len({run.dataset_version_id for run in runs}) > 1:
        found.append(Difference("dataset", "What they learnt from.", datasets))
    declared = settings()
    names = [*declared, *(name for run in runs for name in run.config if name not in declared)]
    for name in dict.fromkeys(names):
        values = [run.config.get(name) for run in runs]
        if name != "preset" and any(value != values[0] for value in values):
            words = declared[name].help if name in declared else ""
            told = ["" if value is None else shown(value) for value in values]
            found.append(Difference(name, words, told))
    return found


def scores(runs: Sequence[TrainingRun]) -> list[Scores]:
    """A ranking for each direction in which at least one run was measured."""
    found = []
    for direction in DIRECTIONS:
        columns = columns_of(direction)
        rows = [
            (each, [each.best.measures.get(column.name) for column in columns])
            for each in standings(runs, direction)
            if each.best is not None
        ]
        if rows:
            found.append(Scores(direction, columns, rows))
    return found


def tiles(runs: Sequence[TrainingRun]) -> list[Tiles]:
    """Samples by direction and by the tiles they show; groups of one come last."""
    drawn: dict[Any, dict[str, list[int]]] = {run.pk: {} for run in runs}
    rows = Checkpoint.objects.filter(run__in=runs).order_by("step")
    for run_id, step, sheets in rows.values_list("run_id", "step", "sheets"):
        for direction in sheets:
            drawn[run_id].setdefault(direction, []).append(step)
    groups: dict[tuple[Any, ...], list[tuple[TrainingRun, list[int]]]] = {}
    for run in runs:
        for direction, steps in drawn[run.pk].items():
            groups.setdefault((direction, *_shown_tiles(run)), []).append((run, steps))
    found = [Tiles(key[0], members, members[0][0]) for key, members in groups.items()]
    return sorted(found, key=lambda group: (group.direction, -len(group.runs)))


def _shown_tiles(run: TrainingRun) -> tuple[Any, ...]:
    """What says which tiles a run draws: equal for two runs that draw the same."""
    config, version = run.config, run.dataset_version
    common = (version.pk, config.get("samples"), config.get("image_size"), config.get("model"))
    if version.says_what_is_held_out:
        return common  # they are in the dataset, whatever the run
    return (*common, config.get("seed"), config.get("validation_share"))


def plotted(runs: Sequence[TrainingRun], ranked: Sequence[Scores]) -> list[dict[str, Any]]:
    """For the script: each run with its measures over its steps."""
    found = []
    for run in runs:
        measures: dict[str, list[tuple[int, float]]] = {}
        for each in ranked:
            history = next((standing.history for standing, _ in each.rows if standing.run.pk == run.pk), ())
            for column in each.columns:
                points = [
                    (one.step, one.measures[column.name]) for one in history if column.name in one.measures
                ]
                if points:
                    measures[_title(column, each.direction, several=len(ranked) > 1)] = points
        found.append({"id": str(run.pk), "name": run.name, "measures": measures})
    return found


def _title(column: Column, direction: str, *, several: bool) -> str:
    words = f"{column.title} ({column.better} is better)"
    return f"{words}, {direction}" if several else words
