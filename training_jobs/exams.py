"""What a run's checkpoints scored, as tables: one examination at a time, ranked by the library's rule.

Figures compare only where they were taken on the same tiles. So those of the training, and those of
evaluations on so many tiles, are examinations of their own, and a table shows one.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mapgan.measures import MEASURES, SHOWN, Measure
from mapgan.ranking import passes_guard, ranking_key, rule_of
from training_jobs.models import Checkpoint, Evaluation
from translator.models import Direction

TRAINING: Final = "training"
RANK: Final = Measure(
    name="rank", title="Rank", better="lower", low=1, high=math.inf, digits=0,
    sees="Its place among those that were measured, by the library's rule.", misses="",
)  # fmt: skip
"""A column like a measure's."""
ONE_DIRECTION, TWO_DIRECTIONS = 5, 3  # columns of measures for each direction

Figures = Mapping[str, Mapping[str, float]]
"""Measures by direction."""
Ranges = Mapping[str, Mapping[str, Sequence[float]]]
"""95 % intervals by direction."""


@dataclass
class Exam:
    """One examination.

    Attributes:
        key: for addresses.
        tiles: how many it was taken on; 0 where nobody knows.
        figures, ranges: by the checkpoint's id.
        baselines: of each direction, by name.
    """

    key: str
    tiles: int
    figures: dict[uuid.UUID, Figures] = field(default_factory=dict)
    ranges: dict[uuid.UUID, Ranges] = field(default_factory=dict)
    baselines: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)

    def __str__(self) -> str:
        count = f"{self.tiles:,} held-out tile{'' if self.tiles == 1 else 's'}"
        return f"{count}, while it trained" if self.key == TRAINING else f"{count}, evaluated"

    def ranked(self, direction: str) -> list[uuid.UUID]:
        """Who was measured in this direction, the best by the rule first; the later of two equal ones."""
        rows = [(each[direction], row_id) for row_id, each in self.figures.items() if each.get(direction)]
        maps = direction == Direction.SATELLITE_TO_MAP
        order = sorted(
            enumerate(rows), key=lambda pair: (ranking_key(pair[1][0], maps=maps), pair[0]), reverse=True
        )
        return [row_id for _, (_, row_id) in order]


@dataclass(frozen=True)
class Column:
    """A measure of a direction."""

    direction: str
    measure: Measure

    @property
    def key(self) -> str:
        """For addresses."""
        return f"{self.direction}.{self.measure.name}"

    @property
    def arrow(self) -> str:
        """Which way is better, in a word."""
        words = {"higher": "higher is better", "lower": "lower is better", "one": "nearest to 1 is better"}
        return words[self.measure.better]


@dataclass(frozen=True)
class Cell:
    """A figure as people read it; ``text`` is a dash where there is none."""

    value: float | None
    text: str
    interval: str


@dataclass(frozen=True)
class Row:
    """A checkpoint in the table.

    Attributes:
        best: directions in which it is the best by the rule.
        unguarded: directions in which its pictures are no nearer to their targets than other targets are.
        evaluation: its newest one that is not over, or failed.
    """

    checkpoint: Checkpoint
    cells: list[Cell]
    best: list[str]
    unguarded: list[str]
    evaluation: Evaluation | None


@dataclass(frozen=True)
class Table:
    """A run's checkpoints."""

    rows: list[Row]
    columns: list[Column]
    exam: Exam | None
    exams: list[Exam]
    sort: str
    descending: bool

    @property
    def bytes(self) -> int:
        """All of them."""
        return sum(row.checkpoint.size_bytes for row in self.rows)

    @property
    def pinned_bytes(self) -> int:
        """Of those that retention leaves alone."""
        return sum(row.checkpoint.size_bytes for row in self.rows if row.checkpoint.pinned)

    @property
    def at_work(self) -> int:
        """How many are being evaluated, or wait for it."""
        return sum(row.evaluation is not None and row.evaluation.is_active for row in self.rows)


def exams_of(
    checkpoints: Iterable[Checkpoint],
    evaluations: Iterable[Evaluation],
    baselines: Mapping[str, Any] | None = None,
) -> list[Exam]:
    """Every examination of these checkpoints, the one that covers most of them first.

    Args:
        evaluations: theirs, the oldest first.
        baselines: of the training.
    """
    found: dict[str, Exam] = {}
    for checkpoint in checkpoints:
        if checkpoint.measures.get("directions"):
            tiles = int(checkpoint.measures.get("tiles", 0))
            exam = found.setdefault(TRAINING, Exam(TRAINING, tiles))
            exam.figures[checkpoint.pk] = checkpoint.measures["directions"]
            exam.baselines = (baselines or {}).get("directions", {})
    for each in evaluations:
        if each.directions:
            tiles = int(each.result.get("tiles", 0))
            exam = found.setdefault(f"{tiles}", Exam(f"{tiles}", tiles))
            exam.figures[each.checkpoint_id] = {
                name: row["measures"] for name, row in each.directions.items()
            }
            exam.ranges[each.checkpoint_id] = {
                name: row["intervals"] for name, row in each.directions.items()
            }
            exam.baselines = each.result.get("baselines", {})
    return sorted(found.values(), key=lambda exam: (len(exam.figures), exam.tiles), reverse=True)


def table_of(
    checkpoints: Sequence[Checkpoint],
    evaluations: Sequence[Evaluation],
    *,
    baselines: Mapping[str, Any] | None = None,
    exam: str = "",
    sort: str = "step",
    descending: bool = False,
) -> Table:
    """The table of a run.

    Args:
        exam: the key of the examination to show; another word means the one that covers most.
        sort: ``step``, ``size`` or a column's key; another word means ``step``.
    """
    exams = exams_of(checkpoints, evaluations, baselines)
    chosen = next((each for each in exams if each.key == exam), exams[0] if exams else None)
    columns = _columns(chosen)
    places = {name: chosen.ranked(name) for name in _directions(chosen)} if chosen else {}
    latest = {each.checkpoint_id: each for each in evaluations}
    rows = [_row(each, chosen, columns, places, latest.get(each.pk)) for each in checkpoints]
    sort = sort if sort in {"step", "size", *(column.key for column in columns)} else "step"
    rows = _sorted(rows, columns, sort, descending=descending)
    return Table(rows, columns, chosen, exams, sort, descending)


def _directions(exam: Exam | None) -> list[str]:
    """Those that anything was measured in, in the usual order."""
    known = (
        {name for figures in exam.figures.values() for name, row in figures.items() if row} if exam else set()
    )
    return [name for name in Direction.values if name in known]


def _columns(exam: Exam | None) -> list[Column]:
    """What decides by the rule first, then what is usually shown, as far as it was measured."""
    directions = _directions(exam)
    most = ONE_DIRECTION if len(directions) < 2 else TWO_DIRECTIONS
    found: list[Column] = []
    for direction in directions:
        known = (
            {name for each in exam.figures.values() for name in each.get(direction, {})} if exam else set()
        )
        rule = [name for name, _ in rule_of(direction) if name in known][:2]
        names = [name for name in dict.fromkeys((*rule, "psnr", *SHOWN[direction])) if name in known]
        found += [Column(direction, RANK), *(Column(direction, MEASURES[name]) for name in names[:most])]
    return found


def _row(
    checkpoint: Checkpoint,
    exam: Exam | None,
    columns: Sequence[Column],
    places: Mapping[str, list[uuid.UUID]],
    evaluation: Evaluation | None,
) -> Row:
    figures = exam.figures.get(checkpoint.pk, {}) if exam else {}
    ranges = exam.ranges.get(checkpoint.pk, {}) if exam else {}
    texture = Direction.MAP_TO_SATELLITE.value
    return Row(
        checkpoint,
        [
            _place(places[column.direction], checkpoint)
            if column.measure is RANK
            else cell_of(column, figures, ranges)
            for column in columns
        ],
        best=[name for name, order in places.items() if len(order) > 1 and order[0] == checkpoint.pk],
        unguarded=[texture] if figures.get(texture) and not passes_guard(figures[texture]) else [],
        evaluation=evaluation
        if evaluation is not None and (evaluation.is_active or evaluation.can_retry)
        else None,
    )


def _place(order: list[uuid.UUID], checkpoint: Checkpoint) -> Cell:
    place = order.index(checkpoint.pk) + 1 if checkpoint.pk in order else None
    return Cell(place, "\N{EN DASH}" if place is None else str(place), "")


def cell_of(column: Column, figures: Figures, ranges: Ranges) -> Cell:
    """A figure of a checkpoint, with its interval where it is known."""
    measure = column.measure
    value = figures.get(column.direction, {}).get(measure.name)
    pair = ranges.get(column.direction, {}).get(measure.name)
    interval = f"{measure.text(pair[0])} to {measure.text(pair[1])}" if pair else ""
    return Cell(value, "\N{EN DASH}" if value is None else measure.text(value), interval)


def _sorted(rows: list[Row], columns: Sequence[Column], sort: str, *, descending: bool) -> list[Row]:
    """By step within equals; what has no figure last, whichever way."""
    rows = sorted(rows, key=lambda row: row.checkpoint.step)
    keys = [column.key for column in columns]

    def value(row: Row) -> float | None:
        if sort in keys:
            return row.cells[keys.index(sort)].value
        return row.checkpoint.size_bytes if sort == "size" else row.checkpoint.step

    known = [(found, row) for row in rows if (found := value(row)) is not None]
    ordered = sorted(known, key=lambda pair: pair[0], reverse=descending)
    return [row for _, row in ordered] + [row for row in rows if value(row) is None]
