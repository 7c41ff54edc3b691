"""Several checkpoints beside each other on the same tiles: each measure, and how far it is from the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from mapgan.measures import MEASURES
from training_jobs.exams import Cell, Column, Exam, cell_of, exams_of
from training_jobs.models import Checkpoint, Evaluation, TrainingRun
from translator.models import Direction

MOST: Final = 6
SAME: Final = ("seed", "validation_share", "image_size", "samples", "a_side")
"""Settings on which the held-out and the drawn tiles depend."""


@dataclass(frozen=True)
class Difference:
    """How far a figure is from that of the first checkpoint.

    Attributes:
        text: with its sign; empty for the first, and where one is unknown.
        verdict: ``better``, ``worse`` or ``equal``; empty as above.
        certain: whether the intervals of both do not overlap.
    """

    text: str = ""
    verdict: str = ""
    certain: bool = False


@dataclass(frozen=True)
class Line:
    """A measure of all checkpoints."""

    column: Column
    cells: list[tuple[Cell, Difference]]


@dataclass(frozen=True)
class Side:
    """One direction.

    Attributes:
        best: the checkpoint that is best by the rule among those shown; None where fewer than two are known.
    """

    direction: str
    title: str
    lines: list[Line]
    best: Checkpoint | None


def comparable(runs: Sequence[TrainingRun]) -> bool:
    """Whether these runs, of one version of a dataset, hold out and draw the same tiles."""
    return len({tuple(run.config.get(name) for name in SAME) for run in runs}) < 2


def shared_exams(checkpoints: Sequence[Checkpoint], evaluations: Sequence[Evaluation]) -> list[Exam]:
    """The examinations that all of them took, the one on most tiles first."""
    exams = [each for each in exams_of(checkpoints, evaluations) if len(each.figures) == len(checkpoints)]
    return sorted(exams, key=lambda exam: exam.tiles, reverse=True)


def sides_of(checkpoints: Sequence[Checkpoint], exam: Exam | None) -> list[Side]:
    """What they drew and scored, by direction."""
    drawn = {name for each in checkpoints for name in each.sheets}
    found = []
    for direction in Direction:
        figures = [exam.figures[each.pk].get(direction, {}) for each in checkpoints] if exam else []
        known = {name for row in figures for name in row}
        if direction in drawn or known:
            lines = [
                _line(Column(direction, measure), checkpoints, exam)
                for name, measure in MEASURES.items()
                if exam is not None and name in known
            ]
            found.append(Side(direction, direction.label, lines, _best(checkpoints, exam, direction)))
    return found


def _best(checkpoints: Sequence[Checkpoint], exam: Exam | None, direction: str) -> Checkpoint | None:
    order = exam.ranked(direction) if exam else []
    return next(each for each in checkpoints if each.pk == order[0]) if len(order) > 1 else None


def _line(column: Column, checkpoints: Sequence[Checkpoint], exam: Exam) -> Line:
    cells: list[Any] = [
        cell_of(column, exam.figures[each.pk], exam.ranges.get(each.pk, {})) for each in checkpoints
    ]
    ranges = [
        exam.ranges.get(each.pk, {}).get(column.direction, {}).get(column.measure.name)
        for each in checkpoints
    ]
    first = cells[0]
    return Line(
        column,
        [
            (cell, Difference() if place == 0 else _difference(column, first, cell, ranges[0], ranges[place]))
            for place, cell in enumerate(cells)
        ],
    )


def _difference(
    column: Column, first: Cell, other: Cell, range_a: Sequence[float] | None, range_b: Sequence[float] | None
) -> Difference:
    """Of two figures and their intervals."""
    if first.value is None or other.value is None:
        return Difference()
    measure = column.measure
    apart = other.value - first.value
    text = measure.text(abs(apart))
    if not float(text):
        return Difference(f"±{text}", "equal")
    if measure.better == "one":
        gain = abs(first.value - 1) - abs(other.value - 1)
    else:
        gain = apart if measure.better == "higher" else -apart
    certain = bool(range_a and range_b and (range_a[1] < range_b[0] or range_b[1] < range_a[0]))
    sign = "+" if apart > 0 else "\N{MINUS SIGN}"
    return Difference(f"{sign}{text}", "better" if gain > 0 else "worse", certain)
