"""Datasets and their versions: bring, look, divide anew, delete."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import Http404
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from training_jobs.api.base import JSON, StaffView, problems
from training_jobs.models import Dataset, DatasetVersion, Upload
from training_jobs.selectors import (
    dataset_versions,
    dataset_visible,
    datasets_visible,
    upload_owned,
    version_numbered,
)
from training_jobs.serializers.datasets import (
    SHEETS,
    AboutSerializer,
    DatasetSerializer,
    NewDatasetSerializer,
    NewVersionSerializer,
    VersionDetailSerializer,
    VersionSerializer,
)
from training_jobs.services import (
    dataset_create,
    dataset_delete,
    dataset_update,
    version_cancel,
    version_create,
    version_delete,
    version_retry,
)
from translator.downloads import object_response
from translator.problems import Conflict

LOCATION = OpenApiParameter(
    "Location", OpenApiTypes.URI, location="header", response=[201], description="Where to watch it."
)
LINK = OpenApiResponse(description="To a link that works for a minute (object storage).")
UNCHANGED = OpenApiResponse(description="Unchanged.")
GONE = OpenApiResponse(description="Deleted, with its files.")


class DatasetsView(StaffView):
    """All of them."""

    @extend_schema(
        operation_id="datasets_list",
        responses={(200, JSON): DatasetSerializer(many=True), **problems(401, 404)},
    )
    def get(self, request: Request) -> Response:
        """List the datasets by name (staff)."""
        return self.paginated(datasets_visible(request.user), DatasetSerializer)

    @extend_schema(
        operation_id="datasets_create",
        request=NewDatasetSerializer,
        parameters=[LOCATION],
        responses={201: VersionDetailSerializer, **problems(400, 401, 403, 404, 415)},
    )
    def post(self, request: Request) -> Response:
        """Bring a dataset (staff). The answer is its first version, which a worker examines soon."""
        form = NewDatasetSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        source = form.to_source(upload=_upload(request, form.validated_data))
        version = dataset_create(by=self.staff(), about=form.to_about(), source=source)
        return _made(self, version)


class DatasetView(StaffView):
    """One dataset."""

    @extend_schema(operation_id="dataset", responses={200: DatasetSerializer, **problems(401, 404)})
    def get(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Look at a dataset (staff)."""
        return self.shaped(_dataset(request, dataset_id), DatasetSerializer)

    @extend_schema(
        operation_id="dataset_update",
        request=AboutSerializer(partial=True),
        responses={200: DatasetSerializer, **problems(400, 401, 403, 404, 415)},
    )
    def patch(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Change what is said of a dataset (staff); its pictures stay."""
        dataset = _dataset(request, dataset_id)
        form = AboutSerializer(data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        dataset_update(dataset=dataset, by=self.staff(), about=form.to_about(dataset))
        return self.shaped(_dataset(request, dataset_id), DatasetSerializer)

    @extend_schema(operation_id="dataset_delete", responses={204: GONE, **problems(401, 403, 404, 409)})
    def delete(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Delete a dataset with all versions (staff); 409 names what uses it."""
        dataset_delete(dataset=_dataset(request, dataset_id), by=self.staff())
        return Response(status=204)


class VersionsView(StaffView):
    """The versions of one dataset."""

    @extend_schema(
        operation_id="versions_list",
        responses={(200, JSON): VersionSerializer(many=True), **problems(401, 404)},
    )
    def get(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """List a dataset's versions, newest first (staff)."""
        return self.paginated(dataset_versions(_dataset(request, dataset_id)), VersionSerializer)

    @extend_schema(
        operation_id="versions_create",
        request=NewVersionSerializer,
        parameters=[LOCATION],
        responses={201: VersionDetailSerializer, **problems(400, 401, 403, 404, 415)},
    )
    def post(self, request: Request, dataset_id: uuid.UUID) -> Response:
        """Bring other pictures, or divide those of a version anew (staff)."""
        dataset = _dataset(request, dataset_id)
        form = NewVersionSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values = form.validated_data
        taken = (
            dataset_versions(dataset).filter(number=values["version"]).first()
            if "version" in values
            else None
        )
        if "version" in values and taken is None:
            raise ValidationError({"version": ["There is no such version."]}, "does_not_exist")
        source = form.to_source(upload=_upload(request, values), version=taken)
        return _made(self, version_create(dataset=dataset, by=self.staff(), source=source))


class VersionView(StaffView):
    """One version."""

    @extend_schema(operation_id="version", responses={200: VersionDetailSerializer, **problems(401, 404)})
    def get(self, request: Request, dataset_id: uuid.UUID, number: int) -> Response:
        """Look at a version: how far its examination is, and what came of it (staff)."""
        return self.shaped(_version(request, dataset_id, number), VersionDetailSerializer)

    @extend_schema(operation_id="version_delete", responses={204: GONE, **problems(400, 401, 403, 404, 409)})
    def delete(self, request: Request, dataset_id: uuid.UUID, number: int) -> Response:
        """Delete a version, though not the only one (staff); 409 names what uses it."""
        version_delete(version=_version(request, dataset_id, number), by=self.staff())
        return Response(status=204)


class VersionReportView(StaffView):
    """What the doctor says of it."""

    @extend_schema(
        operation_id="version_report",
        responses={
            (200, JSON): OpenApiTypes.OBJECT,
            302: LINK,
            304: UNCHANGED,
            **problems(401, 404, 503),
        },
    )
    def get(self, request: Request, dataset_id: uuid.UUID, number: int) -> HttpResponseBase:
        """Fetch the doctor's whole report (staff)."""
        version = _version(request, dataset_id, number)
        return _file(request, version.report, JSON, f"report-v{number}.json")


class VersionSheetView(StaffView):
    """Its small pictures."""

    @extend_schema(
        operation_id="version_sheet",
        parameters=[OpenApiParameter("kind", location="path", enum=list(SHEETS.values()))],
        responses={
            (200, "image/webp"): OpenApiTypes.BINARY,
            302: LINK,
            304: UNCHANGED,
            **problems(401, 404, 503),
        },
    )
    def get(self, request: Request, dataset_id: uuid.UUID, number: int, kind: str) -> HttpResponseBase:
        """Fetch a grid of small pictures (staff)."""
        version = _version(request, dataset_id, number)
        column = next((column for column, name in SHEETS.items() if name == kind), "")
        return _file(request, getattr(version, column, ""), "image/webp", f"{kind}.webp")


class VersionCancelView(StaffView):
    """Stop its examination."""

    @extend_schema(
        operation_id="version_cancel",
        request=None,
        responses={200: VersionDetailSerializer, **problems(401, 403, 404, 409)},
    )
    def post(self, request: Request, dataset_id: uuid.UUID, number: int) -> Response:
        """Stop a queued or running examination (staff)."""
        version = _version(request, dataset_id, number)
        if not version_cancel(version=version, by=self.staff()):
            raise Conflict("It has already finished.")
        return self.shaped(_version(request, dataset_id, number), VersionDetailSerializer)


class VersionRetryView(StaffView):
    """Examine it again."""

    @extend_schema(
        operation_id="version_retry",
        request=None,
        responses={200: VersionDetailSerializer, **problems(401, 403, 404, 409)},
    )
    def post(self, request: Request, dataset_id: uuid.UUID, number: int) -> Response:
        """Queue a failed or cancelled examination again (staff)."""
        version = _version(request, dataset_id, number)
        if not version_retry(version=version, by=self.staff()):
            raise Conflict("It cannot be tried again: it has not failed, or its upload is gone.")
        return self.shaped(_version(request, dataset_id, number), VersionDetailSerializer)


def _dataset(request: Request, dataset_id: uuid.UUID) -> Dataset:
    return dataset_visible(user=request.user, dataset_id=dataset_id)


def _version(request: Request, dataset_id: uuid.UUID, number: int) -> DatasetVersion:
    return version_numbered(user=request.user, dataset_id=dataset_id, number=number)


def _upload(request: Request, values: dict[str, Any]) -> Upload | None:
    """The upload that was named, if one was.

    Raises:
        ValidationError: it is not there, or another's.
    """
    if "upload" not in values:
        return None
    try:
        return upload_owned(user=request.user, upload_id=values["upload"])
    except Upload.DoesNotExist:
        raise ValidationError({"upload": ["There is no such upload of yours."]}, "does_not_exist") from None


def _taken(dataset: Dataset, values: dict[str, Any]) -> DatasetVersion | None:
    """The version whose pictures were named, if one was.

    Raises:
        ValidationError: it is not there.
    """
    if "version" not in values:
        return None
    try:
        return dataset_versions(dataset).get(number=values["version"])
    except DatasetVersion.DoesNotExist:
        raise ValidationError({"version": ["There is no such version."]}, "does_not_exist") from None


def _made(view: StaffView, version: DatasetVersion) -> Response:
    answer = view.shaped(version, VersionDetailSerializer, status=201)
    answer["Location"] = answer.data["url"]
    return answer


def _file(request: Request, key: str, content_type: str, filename: str) -> HttpResponseBase:
    if not key:
        raise Http404
    return object_response(request._request, key, content_type=content_type, filename=filename)
