"""Uploads in the API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from training_jobs.models import Upload
from training_jobs.services.uploads import chunk_limit

LARGEST = 2**53  # what JSON carries exactly


class NewUploadSerializer(serializers.Serializer[Any]):
    """A file that is going to be sent."""

    filename = serializers.CharField(max_length=500, help_text="Ends in .zip, .tar, .tar.gz, .tgz ...")
    size = serializers.IntegerField(min_value=1, max_value=LARGEST, help_text="Bytes of the whole file.")


class UploadSerializer(serializers.ModelSerializer[Upload]):
    """A file on its way: whole when ``received`` is ``size``."""

    is_complete = serializers.BooleanField()
    chunk_limit = serializers.SerializerMethodField()
    url = serializers.HyperlinkedIdentityField(
        view_name="training-api:upload", lookup_field="pk", lookup_url_kwarg="upload_id"
    )

    class Meta:
        model = Upload
        fields = [
            "id", "filename", "size", "received", "is_complete", "chunk_limit", "url", "created_at",
            "touched_at",
        ]  # fmt: skip

    def get_chunk_limit(self, upload: Upload) -> int:
        """Bytes that one chunk may have."""
        return chunk_limit()
