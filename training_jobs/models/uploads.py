"""A large file on its way in, chunk by chunk."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class Upload(models.Model):
    """A file that a browser sends in chunks, whole when ``received`` equals ``size``.

    The chunks are objects in the storage, so any web process takes the next one and any worker reads them
    all. ``received`` moves by conditional UPDATE only: of two senders of one chunk, one wins.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="uploads")
    filename = models.CharField(max_length=120, help_text="Made safe; for display only.")
    size = models.PositiveBigIntegerField(help_text="Bytes, as declared at the start.")
    received = models.PositiveBigIntegerField(default=0, help_text="Bytes stored so far.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    touched_at = models.DateTimeField(default=timezone.now, help_text="When the last chunk came.")

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(condition=Q(received__lte=F("size")), name="training_upload_not_too_long"),
        ]

    def __str__(self) -> str:
        return self.filename

    @property
    def is_complete(self) -> bool:
        """Every byte is there."""
        return self.received == self.size


class UploadChunk(models.Model):
    """One stored piece of an upload."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="chunks")
    offset = models.PositiveBigIntegerField()
    size = models.PositiveBigIntegerField()
    key = models.CharField(max_length=200)

    class Meta:
        ordering = ["upload", "offset"]
        constraints = [
            models.UniqueConstraint(fields=["upload", "offset"], name="training_chunk_once"),
        ]

    def __str__(self) -> str:
        return f"{self.size} bytes at {self.offset}"
