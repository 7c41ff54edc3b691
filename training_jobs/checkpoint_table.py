"""What the table of a run's checkpoints and its time-lapses show, wherever they stand."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from training_jobs.exams import Table, table_of
from training_jobs.models import TrainingRun
from training_jobs.selectors import evaluations_of, timelapse_of
from translator.models import Direction

EXAM, SORT, ORDER, KNOWN = "exam", "sort", "order", "known"
DESCENDING: Final = "desc"
BASELINES: Final = {
    "median_colour": "Their median colour instead",
    "input_copied": "The input as it is instead",
}


@dataclass(frozen=True)
class Heading:
    """A column's head: where pressing it leads, and ``aria-sort``, empty where it does not decide."""

    key: str
    label: str
    above: str
    title: str
    query: str
    aria: str


def table_context(run: TrainingRun, query: Mapping[str, str]) -> dict[str, Any]:
    """For ``training/_checkpoints.html``.

    Args:
        query: of the address: ``exam``, ``sort`` and ``order``; what means nothing is ignored.
    """
    checkpoints = list(run.checkpoints.order_by("step"))
    for checkpoint in checkpoints:
        checkpoint.run = run
    table = table_of(
        checkpoints,
        evaluations_of(checkpoints),
        baselines=run.baselines,
        exam=query.get(EXAM, ""),
        sort=query.get(SORT, ""),
        descending=query.get(ORDER) == DESCENDING,
    )
    return {
        "run": run,
        "table": table,
        "headings": _headings(table),
        "baselines": _baselines(table),
        "known": fingerprint(table, run),
        "query": urlencode(_asked(table)),
        "polls": (run.is_active and not run.is_paused) or table.at_work,
    }


def fingerprint(table: Table, run: TrainingRun) -> str:
    """Changes when the table would show anything else."""
    shown = [
        (
            row.checkpoint.pk.hex,
            row.checkpoint.pinned,
            len(row.checkpoint.thumbnails),
            [cell.text for cell in row.cells],
            row.best,
            row.evaluation
            and (row.evaluation.pk.hex, row.evaluation.state, round(row.evaluation.progress, 2)),
        )
        for row in table.rows
    ]
    text = repr((shown, [exam.key for exam in table.exams], run.is_active, run.is_paused))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def timelapse_context(run: TrainingRun, direction: str) -> dict[str, Any]:
    """For ``training/_timelapse.html``."""
    drawn = [step for step, sheets in run.checkpoints.values_list("step", "sheets") if sheets.get(direction)]
    lapse = timelapse_of(run, direction)
    return {
        "run": run,
        "direction": direction,
        "lapse": lapse,
        "drawn": len(drawn),
        "is_old": bool(lapse and drawn and lapse.file and lapse.last_step != max(drawn)),
    }


def _asked(table: Table) -> dict[str, str]:
    asked = {EXAM: table.exam.key} if table.exam else {}
    return {**asked, SORT: table.sort, **({ORDER: DESCENDING} if table.descending else {})}


def _headings(table: Table) -> dict[str, Any]:
    """What stands above the columns, and where it leads."""
    several = len({column.direction for column in table.columns}) > 1
    return {
        "step": _heading(table, "step", "Step"),
        "size": _heading(table, "size", "Size"),
        "columns": [
            _heading(
                table,
                column.key,
                column.measure.label,
                above=Direction(column.direction).label if several else "",
                title=f"{column.measure.sees} ({column.arrow})",
                descending_first=column.measure.better == "higher",
            )
            for column in table.columns
        ],
    }


def _heading(
    table: Table, key: str, label: str, *, above: str = "", title: str = "", descending_first: bool = False
) -> Heading:
    chosen = key == table.sort
    # The best first at the first press; the other way at the second.
    descending = not table.descending if chosen else descending_first
    asked = {**_asked(table), SORT: key, ORDER: DESCENDING if descending else "asc"}
    aria = ("descending" if table.descending else "ascending") if chosen else ""
    return Heading(key, label, above, title, urlencode(asked), aria)


def _baselines(table: Table) -> list[tuple[str, list[str]]]:
    """What costs nothing scores, in the table's columns."""
    if table.exam is None or not table.exam.baselines:
        return []
    rows = []
    for name, title in BASELINES.items():
        figures = [
            table.exam.baselines.get(column.direction, {}).get(name, {}).get(column.measure.name)
            for column in table.columns
        ]
        if any(figure is not None for figure in figures):
            texts = [
                "" if figure is None else column.measure.text(figure)
                for column, figure in zip(table.columns, figures, strict=True)
            ]
            rows.append((title, texts))
    return rows
