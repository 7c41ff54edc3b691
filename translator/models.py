"""Generators that translate, and the translations people ask for."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from jobs.models import Job, JobState


class Direction(models.TextChoices):
    """What goes in and what comes out; the values are the card's own words."""

    MAP_TO_SATELLITE = "map2sat", "Map to satellite"
    SATELLITE_TO_MAP = "sat2map", "Satellite to map"


class GeneratorState(models.TextChoices):
    """Who is offered a generator. A retired one still runs what was already asked of it."""

    TRIAL = "trial", "On trial (staff only)"
    PUBLISHED = "published", "Published"
    RETIRED = "retired", "Retired"


class Visibility(models.TextChoices):
    """Who sees a translation."""

    PRIVATE = "private", "Private"
    PUBLIC = "public", "Public"


class Generator(models.Model):
    """One version of a trained generator: an ONNX file in the storage, known by its SHA-256.

    Rows are made by `translator.services.generator_import` from the card inside the file. The file of a row
    never changes: other weights are another version.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=64, help_text="The same for all versions.")
    version = models.PositiveIntegerField()
    title = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    limits = models.TextField(blank=True, help_text="What it is not good at.")
    attribution = models.CharField(
        max_length=200, blank=True, help_text="Whom its training data is owed to, if not as the card says."
    )
    direction = models.CharField(max_length=7, choices=Direction.choices)
    state = models.CharField(max_length=9, choices=GeneratorState.choices, default=GeneratorState.TRIAL)
    is_default = models.BooleanField(
        default=False,
        editable=False,
        help_text="The one of its direction that is chosen for who chooses none.",
    )
    card = models.JSONField(default=dict, help_text="What the file says of itself.")
    file = models.CharField(max_length=200, help_text="Storage key of the ONNX file.")
    sha256 = models.CharField(max_length=64, unique=True, help_text="Of the file's bytes.")
    size_bytes = models.PositiveBigIntegerField()
    # Storage keys of PNG pictures. The output is drawn by a translate worker, so it may come a little later.
    sample_input = models.CharField(max_length=200, blank=True)
    sample_output = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["direction", "-is_default", "name", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["name", "version"], name="translator_generator_version_once"),
            models.UniqueConstraint(
                fields=["direction"], condition=Q(is_default=True), name="translator_generator_one_default"
            ),
            models.CheckConstraint(
                condition=Q(is_default=False) | Q(state=GeneratorState.PUBLISHED),
                name="translator_generator_default_published",
            ),
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(state=GeneratorState.PUBLISHED),
                name="translator_generator_published_once",
            ),
            models.CheckConstraint(
                condition=Q(direction__in=Direction.values), name="translator_generator_direction_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=GeneratorState.values), name="translator_generator_state_known"
            ),
            models.CheckConstraint(condition=Q(version__gte=1), name="translator_generator_version_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.title} v{self.version}"

    @property
    def owed_to(self) -> str:
        """Whom its training data is owed to, as staff says it, else as the file does."""
        return self.attribution or str(self.card.get("attribution", ""))

    @property
    def is_published(self) -> bool:
        """Whether everybody is offered it."""
        return self.state == GeneratorState.PUBLISHED


class Translation(Job):
    """One picture on its way through one generator.

    ``original``, ``result`` and their thumbnails are storage keys that nobody can guess and that hold only
    bytes we encoded ourselves. The keys of a result carry the attempt that made it.
    """

    TASK_NAME: ClassVar[str] = "translator.translate"
    QUEUE: ClassVar[str] = "translate"

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="translations",
        db_index=False,  # translator_mine begins with it
    )
    generator = models.ForeignKey(Generator, on_delete=models.PROTECT, related_name="translations")
    visibility = models.CharField(max_length=7, choices=Visibility.choices, default=Visibility.PRIVATE)
    filename = models.CharField(max_length=120, blank=True, help_text="Made safe; for display only.")
    idempotency_key = models.CharField(max_length=64, blank=True, editable=False)
    idempotency_digest = models.CharField(
        max_length=64, blank=True, editable=False, help_text="Of the request that came with the key."
    )

    original = models.CharField(max_length=200, editable=False)
    original_thumbnail = models.CharField(max_length=200, editable=False)
    result = models.CharField(max_length=200, blank=True, editable=False)
    result_thumbnail = models.CharField(max_length=200, blank=True, editable=False)

    width = models.PositiveIntegerField(help_text="Pixels, upright.")
    height = models.PositiveIntegerField(help_text="Pixels, upright.")
    source_format = models.CharField(max_length=10, help_text="What the upload really was.")
    source_bytes = models.PositiveBigIntegerField(help_text="Size of the upload.")
    result_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    seed = models.PositiveIntegerField(help_text="The same seed gives the same result.")
    seconds_decode = models.FloatField(null=True, blank=True)
    seconds_model = models.FloatField(null=True, blank=True)
    seconds_store = models.FloatField(null=True, blank=True)

    class Meta(Job.Meta):
        ordering = ["-created_at", "-id"]
        indexes = [
            *Job.Meta.indexes,
            models.Index(fields=["-created_at", "-id"], name="translator_newest"),
            models.Index(fields=["owner", "-created_at", "-id"], name="translator_mine"),
            models.Index(
                fields=["-created_at", "-id"],
                condition=Q(visibility=Visibility.PUBLIC, state=JobState.SUCCEEDED),
                name="translator_gallery",
            ),
            models.Index(
                fields=["generator", "-created_at", "-id"],
                condition=Q(visibility=Visibility.PUBLIC, state=JobState.SUCCEEDED),
                name="translator_gallery_generator",
            ),
        ]
        constraints = [
            *Job.Meta.constraints,
            models.CheckConstraint(
                condition=Q(visibility__in=Visibility.values), name="translator_visibility_known"
            ),
            models.CheckConstraint(
                condition=~Q(state=JobState.SUCCEEDED) | ~(Q(result="") | Q(result_thumbnail="")),
                name="translator_succeeded_has_result",
            ),
            models.UniqueConstraint(
                fields=["owner", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="translator_submitted_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.filename or 'image'} ({self.state})"

    @property
    def is_public(self) -> bool:
        """Whether everybody sees it: shared by its owner, and there is something to see."""
        return self.visibility == Visibility.PUBLIC and self.state == JobState.SUCCEEDED

    @property
    def storage_keys(self) -> list[str]:
        """Every stored object this row refers to."""
        keys = [self.original, self.original_thumbnail, self.result, self.result_thumbnail]
        return [key for key in keys if key]


class Leftover(models.Model):
    """A stored object whose row is gone, until it is deleted, too: see `translator.services.leftovers`."""

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=255)
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.key
