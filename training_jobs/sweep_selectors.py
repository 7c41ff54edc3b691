"""Reads on sweeps, for staff alone, and a sweep's table."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count, Q, QuerySet

from jobs.models import ACTIVE_STATES, JobState
from mapgan.ranking import rule_of
from training_jobs.models import Sweep, Trial
from training_jobs.search import shown
from training_jobs.selectors import NOT_IN_LISTS, Person, may_train
from training_jobs.standings import Standing, standings

TITLES: Final = {
    "palette_miou": "mIoU",
    "acc5": "Within 5",
    "kid_random_cnn": "KID",
    "swd": "SWD",
    "spectrum_distance": "Spectrum",
    "l1": "L1",
    "psnr": "PSNR",
}
"""Of the measures that decide, as the other pages call them."""


@dataclass(frozen=True)
class Column:
    """A measure in a table.

    Attributes:
        better: ``higher`` or ``lower``.
    """

    name: str
    title: str
    better: str


@dataclass(frozen=True)
class TrialRow:
    """A trial in a sweep's table.

    Attributes:
        settings: those that vary and their values, as people write them, in the sweep's order.
        figures: the measures of its best checkpoint, in the order of `columns_of`.
    """

    trial: Trial
    standing: Standing | None
    settings: list[tuple[str, str]]
    figures: list[float | None]

    @property
    def place(self) -> int | None:
        """1 is the best."""
        return self.standing.place if self.standing else None


def sweeps_visible(user: Person) -> QuerySet[Sweep]:
    """Every sweep, newest first, with counts of its trials; none for anybody but staff."""
    if not may_train(user):
        return Sweep.objects.none()
    over = Q(trials__run__state__in=[JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED])
    return (
        Sweep.objects.select_related("dataset_version__dataset", "created_by")
        .annotate(
            launched=Count("trials"),
            ended=Count("trials", filter=over | Q(trials__run=None)),
            failed=Count("trials", filter=Q(trials__run__state=JobState.FAILED)),
            active=Count("trials", filter=Q(trials__run__state__in=ACTIVE_STATES)),
        )
        .order_by("-created_at", "-id")
    )


def sweep_visible(*, user: Person, sweep_id: uuid.UUID) -> Sweep:
    """One sweep.

    Raises:
        Sweep.DoesNotExist: there is none, or none for this person.
    """
    return sweeps_visible(user).get(pk=sweep_id)


def columns_of(direction: str) -> list[Column]:
    """The measures that decide in this direction, in their order."""
    columns = [
        Column(name, TITLES.get(name, name), "higher" if sign > 0 else "lower")
        for name, sign in rule_of(direction)[:2]
    ]
    return columns if direction == "sat2map" else [*columns, Column("psnr", TITLES["psnr"], "higher")]


def sweep_table(sweep: Sweep, *, sort: str = "") -> list[TrialRow]:
    """The trials, best first, or by one of the table's columns (``-name``: the other way round)."""
    heavy = [f"run__{name}" for name in NOT_IN_LISTS]
    trials = list(sweep.trials.select_related("run").defer("reports", *heavy))
    runs = [trial.run for trial in trials if trial.run is not None]
    found = {each.run.pk: each for each in standings(runs, sweep.direction)}
    rows = [_row(sweep, trial, found.get(trial.run_id) if trial.run_id else None) for trial in trials]
    name = sort.removeprefix("-")
    keys = _sorts(sweep)
    key = keys.get(name, keys["place"])
    # Rows without a value come last, whichever way it goes.
    known = sorted((row for row in rows if key(row) is not None), key=key, reverse=sort.startswith("-"))
    return known + [row for row in rows if key(row) is None]


def _sorts(sweep: Sweep) -> dict[str, Callable[[TrialRow], Any]]:
    """By what a table can be sorted."""
    sorts: dict[str, Callable[[TrialRow], Any]] = {
        "place": lambda row: row.place,
        "number": lambda row: row.trial.number,
        "state": lambda row: row.trial.run.state if row.trial.run else None,
        "step": lambda row: row.trial.run.step if row.trial.run else None,
    }
    for name in sweep.swept:
        sorts[f"set-{name}"] = lambda row, name=name: row.trial.values.get(name)  # type: ignore[misc]
    for index, column in enumerate(columns_of(sweep.direction)):
        sorts[column.name] = lambda row, index=index: row.figures[index]  # type: ignore[misc]
    return sorts


def _row(sweep: Sweep, trial: Trial, standing: Standing | None) -> TrialRow:
    best = standing.best if standing else None
    figures = [best.measures.get(column.name) if best else None for column in columns_of(sweep.direction)]
    values = [(name, shown(trial.values.get(name, ""))) for name in sweep.swept]
    return TrialRow(trial, standing, values, figures)


def parallel_data(sweep: Sweep, rows: Sequence[TrialRow]) -> dict[str, Any]:
    """What the parallel coordinates are drawn from: axes, and a line for every run that was measured."""
    columns = columns_of(sweep.direction)[:1]
    axes: list[dict[str, Any]] = []
    for axis in sweep.space:
        log = bool(axis.get("log")) or _wide(axis.get("values", []))
        axes.append({"name": axis["name"], "title": axis["name"].replace("_", " "), "log": log})
    axes += [{"name": each.name, "title": each.title, "better": each.better} for each in columns]
    lines = [
        {
            "name": f"#{row.trial.number}",
            "place": row.place,
            "url": row.trial.run.get_absolute_url() if row.trial.run else "",
            "values": [*(row.trial.values.get(name) for name in sweep.swept), *row.figures[:1]],
        }
        for row in rows
        if row.place is not None
    ]
    return {"axes": axes, "lines": lines}


def _wide(values: Sequence[Any]) -> bool:
    """Whether listed numbers are told apart only by their size."""
    if not values or any(isinstance(value, bool | str) or value <= 0 for value in values):
        return False
    return bool(max(values) / min(values) >= 50)
