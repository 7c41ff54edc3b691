"""Training runs, what they logged, and their checkpoints."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Case, F, Q, When
from django.urls import reverse
from django.utils import timezone

from jobs.errors import JobCancelled, JobFinishing, JobHeld, JobStopped
from jobs.models import Job
from mapgan.config import TrainConfig
from training_jobs.models.datasets import DatasetVersion

STARTING, TRAINING = AT_WORK = ("Starting", "Training")
"""Stages in which its child runs; before them data and checkpoint are fetched."""


class Wish(models.TextChoices):
    """What a person may want of a running training, beside cancelling it."""

    PAUSE = "pause", "Pause"
    FINISH = "finish", "Finish early"


class TrainingRun(Job):
    """One training of one model on one version of a dataset, by a child process of a train worker.

    The row holds what a list shows; curves are in `CurveChunk`, weights in the storage. Everything a worker
    writes here is fenced by the attempt (`jobs.lifecycle.write`).
    """

    TASK_NAME: ClassVar[str] = "training_jobs.train"
    QUEUE: ClassVar[str] = "train"

    name = models.CharField(max_length=120)
    dataset_version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="runs")
    config = models.JSONField(help_text="Of mapgan.config.TrainConfig, every field.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="training_runs"
    )
    cloned_from = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="clones"
    )

    wish = models.CharField(
        max_length=6, choices=Wish.choices, blank=True, help_text="What a person wants of it while it runs."
    )
    step = models.PositiveIntegerField(default=0, help_text="Updates made and reported.")
    resumed_step = models.PositiveIntegerField(
        null=True, blank=True, help_text="Of the checkpoint that the last attempt went on from."
    )
    failed_step = models.PositiveIntegerField(null=True, blank=True, help_text="Where its child last died.")
    epoch = models.FloatField(default=0.0)
    images_per_second = models.FloatField(null=True, blank=True)
    eta_seconds = models.FloatField(null=True, blank=True)
    memory_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    usage = models.JSONField(default=dict, blank=True, help_text="Of the machine; see its gauge.")
    log_tail = models.TextField(blank=True, help_text="The end of its log while it runs, and after.")
    facts = models.JSONField(default=dict, blank=True, help_text="What the run said of itself at its start.")
    baselines = models.JSONField(default=dict, blank=True)
    alarms = models.JSONField(default=list, blank=True, help_text="Those that are not over, in words.")
    columns = models.JSONField(default=list, blank=True, help_text="Names of the curves, in their order.")
    files = models.JSONField(default=dict, blank=True, help_text="Storage keys of its own files, by name.")

    class Meta(Job.Meta):
        ordering = ["-created_at", "-id"]
        indexes = [*Job.Meta.indexes, models.Index(fields=["-created_at", "-id"], name="training_run_newest")]
        constraints = [*Job.Meta.constraints]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("training:run", args=[self.pk])

    @classmethod
    def stop_columns(cls) -> tuple[str, ...]:
        """See `Job`."""
        return ("cancel_requested", "wish")

    @classmethod
    def stop_reason(cls, values: tuple[Any, ...]) -> type[JobStopped] | None:
        """See `Job`."""
        cancelled, wish = values
        wishes: dict[str, type[JobStopped]] = {Wish.PAUSE: JobHeld, Wish.FINISH: JobFinishing}
        return JobCancelled if cancelled else wishes.get(wish)

    @classmethod
    def vanish_columns(cls) -> dict[str, Any]:
        """See `Job`."""
        return {"failed_step": Case(When(stage__in=AT_WORK, then=F("step")), default=F("failed_step"))}

    @classmethod
    def vanished_again(cls) -> Q:
        """See `Job`."""
        return Q(stage__in=AT_WORK, failed_step=F("step"))

    @property
    def settings(self) -> TrainConfig:
        """The configuration, validated.

        Raises:
            mapgan.config.ConfigError: this version of the library does not know it.
        """
        return TrainConfig.from_dict(self.config)

    @property
    def steps(self) -> int:
        """Length of the run."""
        return int(self.config["steps"])

    @property
    def is_paused(self) -> bool:
        """It waits for a person to let it go on."""
        return self.is_held

    @property
    def storage_keys(self) -> list[str]:
        """Every stored object this row refers to; its checkpoints have their own."""
        return [key for key in self.files.values() if key]


class CurveChunk(models.Model):
    """Some hundred logged steps of a run, packed: see `training_jobs.curves`."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="chunks", db_index=False)
    first_step = models.PositiveIntegerField()
    last_step = models.PositiveIntegerField()
    rows = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        ordering = ["run", "first_step"]
        constraints = [
            models.UniqueConstraint(fields=["run", "first_step"], name="training_chunk_of_steps_once"),
        ]

    def __str__(self) -> str:
        return f"steps {self.first_step} to {self.last_step}"


class RunNote(models.Model):
    """A line of a run's story: started, resumed, an alarm, paused by whom, why it failed."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="notes", db_index=False)
    at = models.DateTimeField(default=timezone.now)
    attempt = models.PositiveIntegerField(default=0)
    step = models.PositiveIntegerField(null=True, blank=True)
    kind = models.CharField(max_length=20, help_text="The library's event, or what a person did.")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    message = models.TextField()

    class Meta:
        ordering = ["run", "id"]
        indexes = [models.Index(fields=["run", "id"], name="training_story")]

    def __str__(self) -> str:
        return self.message


class Checkpoint(models.Model):
    """One checkpoint of a run in the storage: to go on from it, to export it, to look at it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="checkpoints", db_index=False)
    step = models.PositiveIntegerField()
    attempt = models.PositiveIntegerField(help_text="Of the run, that wrote it.")
    files = models.JSONField(default=dict, help_text="Name -> {key, bytes, sha256}.")
    sheets = models.JSONField(default=dict, blank=True, help_text="Direction -> key of the drawn samples.")
    thumbnails = models.JSONField(default=dict, blank=True, help_text="Direction -> key of a small strip.")
    size_bytes = models.PositiveBigIntegerField()
    weights_sha256 = models.CharField(max_length=64)
    measures = models.JSONField(default=dict, blank=True, help_text="By direction; empty until measured.")
    pinned = models.BooleanField(default=False, help_text="Retention leaves it alone.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["run", "step"]
        constraints = [
            models.UniqueConstraint(fields=["run", "step"], name="training_checkpoint_once"),
            models.CheckConstraint(condition=Q(size_bytes__gt=0), name="training_checkpoint_not_empty"),
        ]

    def __str__(self) -> str:
        return f"{self.run} at step {self.step}"

    @property
    def storage_keys(self) -> list[str]:
        """Every stored object this row refers to."""
        files: dict[str, Any] = self.files
        keys = [each["key"] for each in files.values()]
        return [*keys, *self.sheets.values(), *self.thumbnails.values()]
