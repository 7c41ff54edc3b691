"""A run's checkpoints and time-lapses on any page that shows the run."""

from __future__ import annotations

from typing import Any

from django import template

from training_jobs.checkpoint_table import table_context, timelapse_context
from training_jobs.models import TrainingRun

register = template.Library()


@register.inclusion_tag("training/_checkpoints.html", takes_context=True)
def checkpoints_table(context: dict[str, Any], run: TrainingRun) -> dict[str, Any]:
    """The table, sorted and filtered as the page's address says."""
    request = context["request"]
    return {"request": request, **table_context(run, request.GET)}


@register.inclusion_tag("training/_timelapse.html", takes_context=True)
def timelapse(context: dict[str, Any], run: TrainingRun, direction: str) -> dict[str, Any]:
    """The way to a run's moving picture in one direction."""
    return {"request": context["request"], **timelapse_context(run, direction)}
