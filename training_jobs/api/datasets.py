"""Datasets: which there are."""

from __future__ import annotations

import uuid

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from training_jobs.api.base import JSON, StaffView, problems
from training_jobs.selectors import dataset_visible, datasets_visible
from training_jobs.serializers.datasets import DatasetSerializer


class DatasetsView(StaffView):
    """All of them."""

    @extend_schema(
        operation_id="datasets_list",
        responses={(200, JSON): DatasetSerializer(many=True), **problems(401, 404)},
    )
    def get(self, request: Request) -> Response:
        """List the datasets by name (staff)."""
        return self.paginated(datasets_visible(request.user), DatasetSerializer)


class DatasetView(StaffView):
    """One dataset."""

    @extend_schema(operation_id="dataset", responses={200: DatasetSerializer, **problems(401, 404)})
    def get(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Look at a dataset (staff)."""
        return self.shaped(dataset_visible(user=request.user, dataset_id=dataset_id), DatasetSerializer)
