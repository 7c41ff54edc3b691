"""Datasets in the API."""

from __future__ import annotations

from rest_framework import serializers

from training_jobs.models import Dataset


class DatasetSerializer(serializers.ModelSerializer[Dataset]):
    """A dataset."""

    url = serializers.HyperlinkedIdentityField(
        view_name="training-api:dataset", lookup_field="pk", lookup_url_kwarg="dataset_id"
    )

    class Meta:
        model = Dataset
        fields = [
            "id",
            "name",
            "description",
            "attribution",
            "licence",
            "ground_resolution",
            "url",
            "created_at",
        ]
