"""Sweeps: many runs that differ in a few settings, and what came of each."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from mapgan.config import TrainConfig
from training_jobs.models.datasets import DatasetVersion
from training_jobs.models.runs import TrainingRun


class SweepState(models.TextChoices):
    """Where a sweep stands."""

    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    FINISHED = "finished", "Finished"
    CANCELLED = "cancelled", "Cancelled"


class Method(models.TextChoices):
    """How the next settings are chosen."""

    GRID = "grid", "Grid: every combination"
    RANDOM = "random", "Random: drawn by a seed"
    TPE = "tpe", "TPE: learns from the runs that are done"


class Pruner(models.TextChoices):
    """Which runs are ended early."""

    NONE = "none", "Let every run end"
    MEDIAN = "median", "End what is behind the median"
    ASHA = "asha", "Successive halving: the best third goes on"


class Sweep(models.Model):
    """A search over some settings of a training.

    It has no worker of its own: the rows say everything, and `training_jobs.services.sweeping` looks at them
    every few seconds and launches what comes next. Every run is a run like any other.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100)
    state = models.CharField(max_length=9, choices=SweepState.choices, default=SweepState.RUNNING)
    dataset_version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="sweeps")
    config = models.JSONField(help_text="What all runs share: mapgan.config.TrainConfig, every field.")
    space = models.JSONField(help_text="The settings that differ: see training_jobs.search.Axis.")
    method = models.CharField(max_length=6, choices=Method.choices)
    pruner = models.CharField(max_length=6, choices=Pruner.choices, default=Pruner.NONE)
    size = models.PositiveIntegerField(help_text="How many runs there will be.")
    concurrency = models.PositiveSmallIntegerField(default=1, help_text="How many of them at once.")
    seed = models.PositiveBigIntegerField(default=0, help_text="Of the search, not of the runs.")
    forgiven = models.PositiveIntegerField(
        default=0, help_text="Runs there were when a person last let it go on: their failures do not count."
    )
    problem = models.TextField(blank=True, help_text="Why it does not go on, in words.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="sweeps"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    advanced_at = models.DateTimeField(null=True, blank=True, help_text="When it was last looked at.")
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=SweepState.values), name="training_sweep_state_known"
            ),
            models.CheckConstraint(condition=Q(method__in=Method.values), name="training_sweep_method_known"),
            models.CheckConstraint(condition=Q(pruner__in=Pruner.values), name="training_sweep_pruner_known"),
            models.CheckConstraint(
                condition=Q(size__gte=1) & Q(concurrency__gte=1), name="training_sweep_not_empty"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("training:sweep", args=[self.pk])

    @property
    def settings(self) -> TrainConfig:
        """What all runs share, validated.

        Raises:
            mapgan.config.ConfigError: this version of the library does not know it.
        """
        return TrainConfig.from_dict(self.config)

    @property
    def direction(self) -> str:
        """The direction whose rule ranks the runs."""
        return str(self.config["direction"])

    @property
    def swept(self) -> list[str]:
        """Names of the settings that differ."""
        space: list[dict[str, Any]] = self.space
        return [str(axis["name"]) for axis in space]

    @property
    def is_running(self) -> bool:
        """It launches runs."""
        return self.state == SweepState.RUNNING

    @property
    def can_resume(self) -> bool:
        """It was stopped by a person, or stopped itself."""
        return self.state in (SweepState.PAUSED, SweepState.CANCELLED)


class Trial(models.Model):
    """One point of a sweep: the settings that were chosen, and the run that tries them."""

    id = models.BigAutoField(primary_key=True)
    sweep = models.ForeignKey(Sweep, on_delete=models.CASCADE, related_name="trials", db_index=False)
    number = models.PositiveIntegerField(help_text="From 1, in the order of their choice.")
    values = models.JSONField(help_text="The chosen settings by name.")
    run = models.OneToOneField(
        TrainingRun, on_delete=models.SET_NULL, null=True, blank=True, related_name="trial"
    )
    refusal = models.TextField(blank=True, help_text="Why these settings could not be tried.")
    reports = models.JSONField(
        default=dict, blank=True, help_text="What its checkpoints scored, by step; outlives them."
    )
    judged_step = models.PositiveIntegerField(default=0, help_text="Up to which the pruner has looked.")
    pruned_step = models.PositiveIntegerField(null=True, blank=True, help_text="Where it was ended early.")
    again = models.BooleanField(default=False, help_text="Its run failed and is to be tried again.")
    held = models.BooleanField(default=False, help_text="Its run waits because the sweep was paused.")

    class Meta:
        ordering = ["sweep", "number"]
        constraints = [
            models.UniqueConstraint(fields=["sweep", "number"], name="training_trial_once"),
        ]

    def __str__(self) -> str:
        return f"{self.sweep} #{self.number}"


class SweepNote(models.Model):
    """A line of a sweep's story: who started, paused, cancelled it; what it did by itself."""

    id = models.BigAutoField(primary_key=True)
    sweep = models.ForeignKey(Sweep, on_delete=models.CASCADE, related_name="notes", db_index=False)
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=20)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    message = models.TextField()

    class Meta:
        ordering = ["sweep", "id"]
        indexes = [models.Index(fields=["sweep", "id"], name="training_sweep_story")]

    def __str__(self) -> str:
        return self.message
