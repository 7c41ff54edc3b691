"""Datasets and their versions, which never change."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from jobs.models import Job, JobState
from training_jobs.models.uploads import Upload


class Side(models.TextChoices):
    """Which half of a side-by-side picture is A, the aerial one; the values are the library's own words."""

    LEFT = "left", "The left half"
    RIGHT = "right", "The right half"


class DatasetSource(models.TextChoices):
    """Where a version's pictures come from."""

    UPLOAD = "upload", "An archive that was uploaded"
    FOLDER = "folder", "A folder of the server"
    S3 = "s3", "A prefix on S3"
    VERSION = "version", "Another version's pictures"


class SplitKind(models.TextChoices):
    """Which pictures a run learns from, and which it is judged on."""

    KEPT = "kept", "As the pictures have it"
    GROUPED = "grouped", "Tiles of the same ground together"


class Dataset(models.Model):
    """Pictures to train on, under one name, with what has to be said of them."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=80, unique=True)
    description = models.TextField(blank=True, max_length=2000)
    attribution = models.CharField(max_length=200, blank=True, help_text="Whom to name, as the source asks.")
    licence = models.CharField(max_length=120, blank=True, help_text="What may be done with the pictures.")
    ground_resolution = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0.001)],
        help_text="Metres on the ground for one pixel.",
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="datasets"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_number = models.PositiveIntegerField(
        default=0, editable=False, help_text="Of a version; never given to another one."
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Its page, at the newest version."""
        return reverse("training:dataset", args=[self.pk])


class DatasetVersion(Job):
    """One state of a dataset's pictures, examined by a worker and then never changed.

    ``archive`` and ``report`` are storage keys: the pictures as one file, and what the doctor says of them.
    The sheets are grids of small pictures: A's, B's in the same order, and the tiles with problems.
    ``split`` is the library's split.json, where one was asked for; every run on this version takes it.
    """

    TASK_NAME: ClassVar[str] = "training_jobs.examine"
    QUEUE: ClassVar[str] = "data"
    KEY_COLUMNS: ClassVar[tuple[str, ...]] = (
        "archive", "report", "split", "sheet_a", "sheet_b", "sheet_problems",
    )  # fmt: skip

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    source = models.CharField(max_length=7, choices=DatasetSource.choices)
    upload = models.ForeignKey(Upload, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    taken_from = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="taken_again"
    )
    location = models.CharField(
        max_length=300, blank=True, help_text="The file's name, the folder or prefix."
    )
    a_side = models.CharField(max_length=5, choices=Side.choices, default=Side.LEFT)
    split_kind = models.CharField(max_length=7, choices=SplitKind.choices, default=SplitKind.KEPT)
    split_share = models.FloatField(default=0.1, help_text="Of the tiles, held out for validation.")
    split_test_share = models.FloatField(default=0.0, help_text="Of the tiles, kept for a last test.")
    split_seed = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="dataset_versions"
    )

    archive = models.CharField(max_length=200, blank=True, editable=False)
    archive_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    archive_sha256 = models.CharField(max_length=64, blank=True)
    report = models.CharField(max_length=200, blank=True, editable=False)
    split = models.CharField(max_length=200, blank=True, editable=False)
    sheet_a = models.CharField(max_length=200, blank=True, editable=False)
    sheet_b = models.CharField(max_length=200, blank=True, editable=False)
    sheet_problems = models.CharField(max_length=200, blank=True, editable=False)
    summary = models.JSONField(default=dict, blank=True, help_text="Pairs by split, findings by severity.")

    class Meta(Job.Meta):
        ordering = ["-number"]
        indexes = [*Job.Meta.indexes]
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(fields=["dataset", "number"], name="training_version_once"),
            models.CheckConstraint(
                condition=Q(source__in=DatasetSource.values), name="training_version_source_known"
            ),
            models.CheckConstraint(condition=Q(a_side__in=Side.values), name="training_version_a_side_known"),
            models.CheckConstraint(
                condition=~Q(state=JobState.SUCCEEDED) | ~(Q(archive="") | Q(report="")),
                name="training_version_succeeded_is_whole",
            ),
            models.CheckConstraint(
                condition=~Q(state=JobState.SUCCEEDED) | Q(split_kind=SplitKind.KEPT) | ~Q(split=""),
                name="training_version_split_is_there",
            ),
            models.CheckConstraint(
                condition=Q(split_kind__in=SplitKind.values), name="training_version_split_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dataset} v{self.number}"

    @property
    def says_what_is_held_out(self) -> bool:
        """Every run on it is measured on the same tiles, whatever its settings."""
        pairs, split = self.summary.get("pairs", {}), self.summary.get("split", {})
        return bool(split) or bool(pairs.get("val") or pairs.get("test"))

    @property
    def is_paired(self) -> bool:
        """Its pictures are pairs, not two domains; as long as nobody has looked, they are taken for pairs."""
        return bool(self.summary.get("paired", True))

    @property
    def has_source(self) -> bool:
        """There still is something to examine: an upload that was refused is gone."""
        return self.source != DatasetSource.UPLOAD or self.upload_id is not None

    @property
    def storage_keys(self) -> list[str]:
        """Every stored object this row refers to."""
        keys = [getattr(self, column) for column in self.KEY_COLUMNS]
        return [key for key in keys if key]

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("training:version", args=[self.dataset_id, self.number])

    @property
    def pairs(self) -> int:
        """Usable pairs in all splits."""
        counts: dict[str, Any] = self.summary.get("pairs", {})
        return sum(int(count) for count in counts.values())
