"""The fixed samples of a run over time, as one moving picture."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

from jobs.models import Job
from training_jobs.models.runs import TrainingRun
from translator.models import Direction


class TimeLapse(Job):
    """An animated WebP of what the checkpoints drew in one direction, the step in every picture.

    A run has one for each direction; a newer one takes its place.
    """

    TASK_NAME: ClassVar[str] = "training_jobs.draw_timelapse"
    QUEUE: ClassVar[str] = "data"

    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="timelapses", db_index=False)
    direction = models.CharField(max_length=7, choices=Direction.choices)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    file = models.CharField(max_length=200, blank=True, editable=False)
    size_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    frames = models.PositiveIntegerField(default=0)
    last_step = models.PositiveIntegerField(null=True, blank=True, help_text="Of its last picture.")

    class Meta(Job.Meta):
        ordering = ["run", "direction"]
        indexes = [*Job.Meta.indexes]
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(fields=["run", "direction"], name="training_timelapse_once"),
        ]

    def __str__(self) -> str:
        return f"{self.run}, {self.get_direction_display()} over time"
