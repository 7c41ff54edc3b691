"""A checkpoint on its way to the translator."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse

from jobs.models import Job, JobState
from training_jobs.models.runs import Checkpoint
from translator.models import Direction, Generator


class Publication(Job):
    """The export of one direction of a checkpoint as a generator file, checked and imported.

    The generator it makes is a version like any other: put on trial, published, retired, rolled back by the
    translator's own services.
    """

    TASK_NAME: ClassVar[str] = "training_jobs.publish"
    QUEUE: ClassVar[str] = "data"

    checkpoint = models.ForeignKey(
        Checkpoint, on_delete=models.SET_NULL, null=True, related_name="publications"
    )
    direction = models.CharField(max_length=7, choices=Direction.choices)
    name = models.CharField(
        max_length=64,
        validators=[RegexValidator(r"\A[a-z0-9][a-z0-9._-]*\Z", "Use a-z, 0-9, dot, dash and underscore.")],
        help_text="The same name makes a new version of the same generator.",
    )
    title = models.CharField(max_length=120, help_text="What people see.")
    description = models.TextField(blank=True, max_length=4000)
    limits = models.TextField(
        blank=True, max_length=4000, help_text="What it is not good at: other regions, zooms, seasons."
    )
    attribution = models.CharField(
        max_length=200, blank=True, help_text="Whom the pictures it learnt from are owed to."
    )
    everyone = models.BooleanField(default=False, help_text="Offer it to everybody; else to staff, on trial.")
    flat_colours = models.BooleanField(
        default=False,
        help_text="Of maps: what is drawn near to a common colour of the training maps becomes that colour, "
        "so that areas are flat.",
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="publications"
    )
    generator = models.ForeignKey(
        Generator, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    parity = models.JSONField(
        default=dict, blank=True, help_text="How far the file is from its network, in levels of 255."
    )

    class Meta(Job.Meta):
        ordering = ["-created_at", "-id"]
        indexes = [*Job.Meta.indexes]
        constraints = [
            *Job.Meta.constraints,
            models.CheckConstraint(
                condition=Q(direction__in=Direction.values), name="training_publication_direction_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.state})"

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("training:publication", args=[self.pk])

    @property
    def is_published(self) -> bool:
        """It has become a generator."""
        return self.state == JobState.SUCCEEDED and self.generator_id is not None
