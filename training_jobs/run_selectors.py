"""The list of runs, narrowed and ordered."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import F, QuerySet
from django.db.models.expressions import OrderBy

from jobs.models import NEVER, JobState
from training_jobs import curves
from training_jobs.models import Dataset, TrainingRun
from training_jobs.selectors import NOT_IN_LISTS, Person, runs_visible

PAUSED: Final = "paused"
RUN_STATES: Final = {
    JobState.RUNNING.value: "Training",
    JobState.QUEUED.value: "Queued",
    PAUSED: "Paused",
    JobState.SUCCEEDED.value: "Done",
    JobState.FAILED.value: "Failed",
    JobState.CANCELLED.value: "Cancelled",
}
RUN_ORDERS: Final = {"": "Newest first", "oldest": "Oldest first", "name": "By name", "pace": "Fastest first"}


@dataclass(frozen=True, kw_only=True)
class RunFilters:
    """What is wanted; empty values want everything.

    Attributes:
        text: a part of the name.
        state: one of `RUN_STATES`.
        model: ``pix2pix`` or ``cyclegan``.
        sort: one of `RUN_ORDERS`.
    """

    text: str = ""
    state: str = ""
    dataset: Dataset | None = None
    model: str = ""
    sort: str = ""

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.text or self.state or self.dataset or self.model)


def runs_filtered(user: Person, filters: RunFilters) -> QuerySet[TrainingRun]:
    """The runs that are wanted, in their order; none for anybody but staff."""
    runs = runs_visible(user).select_related("dataset_version__dataset", "created_by", "trial__sweep")
    runs = runs.defer(*NOT_IN_LISTS, "dataset_version__summary", "trial__reports", "trial__sweep__config")
    if filters.text:
        runs = runs.filter(name__icontains=filters.text)
    if filters.state == PAUSED:
        runs = runs.filter(state=JobState.QUEUED, not_before=NEVER)
    elif filters.state:
        runs = runs.filter(state=filters.state)
        if filters.state == JobState.QUEUED:
            runs = runs.exclude(not_before=NEVER)
    if filters.dataset is not None:
        runs = runs.filter(dataset_version__dataset=filters.dataset)
    if filters.model:
        runs = runs.filter(config__model=filters.model)
    orders: dict[str, tuple[str | OrderBy, ...]] = {
        "oldest": ("created_at", "id"),
        "name": ("name", "-created_at"),
        "pace": (F("images_per_second").desc(nulls_last=True), "-created_at"),
    }
    return runs.order_by(*orders.get(filters.sort, ("-created_at", "-id")))


def curve_points(run: TrainingRun, *, first: int, last: int | None, points: int) -> dict[str, Any]:
    """What was logged from step ``first`` to ``last``: ``columns``, ``steps``, and ``values`` by column.

    Args:
        points: how many rows at most; peaks stay (see `training_jobs.curves.thin`).
    """
    chunks = run.chunks.filter(last_step__gte=first)
    if last is not None:
        chunks = chunks.filter(first_step__lte=last)
    packed = [(bytes(data), rows) for data, rows in chunks.values_list("data", "rows")]
    steps, values = curves.join(packed, len(run.columns))
    inside = (steps >= first) & (steps <= (last if last is not None else 2**32 - 1))
    steps, values = curves.thin(steps[inside], values[inside], points)
    columns = [list(map(_short, column)) for column in values.T.tolist()]
    return {"columns": run.columns, "steps": steps.tolist(), "values": columns, "step": run.step}


def _short(value: float) -> float | None:
    """Six digits, as many as a float32 has; JSON has no NaN."""
    return None if math.isnan(value) else float(f"{value:.6g}")
