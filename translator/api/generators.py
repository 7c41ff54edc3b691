"""Generators: which there are, what each made of its sample, and, for staff, which is the default."""

from __future__ import annotations

import uuid

from django.http import Http404
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import is_staff
from accounts.models import User
from translator.api.base import JSON, ApiView, problems
from translator.downloads import GENERATOR_FILES, file_response
from translator.problems import Conflict
from translator.selectors import generator_visible, generators_offered
from translator.serializers import GeneratorSerializer
from translator.services import GeneratorRejected, generator_make_default


class GeneratorsView(ApiView):
    """All on offer."""

    @extend_schema(
        operation_id="generators_list",
        responses={(200, JSON): GeneratorSerializer(many=True), **problems(401, 404)},
    )
    def get(self, request: Request) -> Response:
        """List the generators on offer."""
        return self.paginated(generators_offered(request.user), GeneratorSerializer)


class GeneratorView(ApiView):
    """One generator."""

    @extend_schema(operation_id="generator", responses={200: GeneratorSerializer, **problems(401, 404)})
    def get(self, request: Request, generator_id: uuid.UUID) -> Response:
        """Look at a generator, also at one that is no longer on offer."""
        return self.shaped(
            generator_visible(user=request.user, generator_id=generator_id), GeneratorSerializer
        )


class GeneratorDefaultView(ApiView):
    """Which generator is chosen for who chooses none."""

    @extend_schema(
        operation_id="generator_default",
        request=None,
        responses={200: GeneratorSerializer, **problems(401, 403, 404, 409)},
    )
    def post(self, request: Request, generator_id: uuid.UUID) -> Response:
        """Make a published generator the default of its direction. For staff; 404 for anybody else."""
        user = request.user
        if not (isinstance(user, User) and is_staff(user)):
            raise Http404
        generator = generator_visible(user=user, generator_id=generator_id)
        try:
            generator_make_default(generator=generator, by=user)
        except GeneratorRejected as refusal:
            raise Conflict(str(refusal)) from refusal
        return self.shaped(generator, GeneratorSerializer)


class GeneratorSampleView(ApiView):
    """Its sample pair."""

    @extend_schema(
        operation_id="generator_sample",
        parameters=[OpenApiParameter("kind", location="path", enum=list(GENERATOR_FILES))],
        responses={
            (200, "image/png"): OpenApiTypes.BINARY,
            302: OpenApiResponse(description="To a link that works for a minute (object storage)."),
            304: OpenApiResponse(description="Unchanged."),
            **problems(401, 404, 503),
        },
    )
    def get(self, request: Request, generator_id: uuid.UUID, kind: str) -> HttpResponseBase:
        """Fetch a picture of the sample pair."""
        generator = generator_visible(user=request.user, generator_id=generator_id)
        return file_response(generator, kind, request=request._request)
