"""Checkpoints measured on demand."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from jobs.models import ACTIVE_STATES, Job
from training_jobs.models.runs import Checkpoint


class Evaluation(Job):
    """One checkpoint measured on held-out tiles by the library's own command, beside the training.

    It has a queue of its own, so that neither trainings nor publications wait for a long row of these. One
    checkpoint is one job: what was measured stays, whatever becomes of the others.
    """

    TASK_NAME: ClassVar[str] = "training_jobs.evaluate"
    QUEUE: ClassVar[str] = "evaluate"

    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.CASCADE, related_name="evaluations")
    tiles = models.PositiveIntegerField(default=0, help_text="At most so many held-out tiles; 0 for all.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="evaluations"
    )
    result = models.JSONField(
        default=dict, blank=True, help_text="Tiles, measures and intervals by direction, baselines."
    )

    class Meta(Job.Meta):
        ordering = ["-created_at", "-id"]
        indexes = [*Job.Meta.indexes]
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(
                fields=["checkpoint", "tiles"],
                condition=Q(state__in=ACTIVE_STATES),
                name="training_evaluation_at_work_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.checkpoint} on {self.tiles or 'all'} tiles ({self.state})"

    @property
    def directions(self) -> dict[str, Any]:
        """Measures and intervals by direction; empty until it is done."""
        found: dict[str, Any] = self.result.get("directions", {})
        return found
