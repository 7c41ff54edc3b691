"""Translations: submit, look, fetch, stop, share, delete; and the gallery."""

from __future__ import annotations

import re
import uuid
from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from translator.api.base import JSON, ApiView, problems
from translator.downloads import TRANSLATION_FILES, file_response
from translator.models import Generator
from translator.problems import Conflict
from translator.selectors import (
    gallery,
    translation_managed,
    translation_owned,
    translation_visible,
    translations_of,
)
from translator.serializers import (
    GalleryFilterSerializer,
    OwnFilterSerializer,
    SubmitSerializer,
    TranslationDetailSerializer,
    TranslationSerializer,
    VisibilitySerializer,
)
from translator.services import (
    translation_cancel,
    translation_delete,
    translation_retry,
    translation_set_visibility,
    translation_submit,
)

IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,64}")  # visible ASCII
KIND = OpenApiParameter("kind", location="path", enum=list(TRANSLATION_FILES), description="Which picture.")
DOWNLOAD = OpenApiParameter("download", OpenApiTypes.BOOL, description="For saving rather than showing.")


class TranslationsView(ApiView):
    """One's own translations."""

    permission_classes = [IsAuthenticated]
    parser_classes = [MultiPartParser]

    @extend_schema(
        operation_id="translations_list",
        parameters=[OwnFilterSerializer],
        responses={(200, JSON): TranslationSerializer(many=True), **problems(400, 401, 404)},
    )
    def get(self, request: Request) -> Response:
        """List your own translations, newest first."""
        filters = OwnFilterSerializer(data=request.query_params)
        filters.is_valid(raise_exception=True)
        return self.paginated(
            translations_of(user=request.user, filters=filters.to_filters()), TranslationSerializer
        )

    @extend_schema(
        operation_id="translations_create",
        request={"multipart/form-data": SubmitSerializer},
        parameters=[
            OpenApiParameter(
                "Idempotency-Key",
                location="header",
                description="Up to 64 visible ASCII characters. The same request under the same key is "
                "answered with the same translation; another one under it is refused with 422.",
            ),
            OpenApiParameter(
                "Location",
                OpenApiTypes.URI,
                location="header",
                response=[202],
                description="Where to watch it.",
            ),
        ],
        responses={202: TranslationDetailSerializer, **problems(400, 401, 403, 413, 415, 422, 503)},
    )
    def post(self, request: Request) -> Response:
        """Submit a picture. It is decoded in full before it is accepted, and translated soon after."""
        form = SubmitSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values = form.validated_data
        user = _signed_in(request)
        # On offer or not: a request that is repeated may name one that has retired meanwhile.
        generator = Generator.objects.filter(pk=values["generator"]).first()
        if generator is None:
            raise ValidationError({"generator": ["There is no such generator on offer."]}, "does_not_exist")
        translation = translation_submit(
            owner=user,
            generator=generator,
            data=values["image"],
            filename=values["image"].name or "",
            visibility=values["visibility"],
            seed=values.get("seed"),
            idempotency_key=_idempotency_key(request),
        )
        answer = self.shaped(translation, TranslationDetailSerializer, status=202)
        answer["Location"] = answer.data["url"]
        return answer


def _signed_in(request: Request) -> User:
    user = request.user
    if not isinstance(user, User):  # the permission classes saw to it
        raise TypeError("an anonymous request got past the permissions")
    return user


def _idempotency_key(request: Request) -> str:
    key: str = request.headers.get("Idempotency-Key", "")
    if key and not IDEMPOTENCY_KEY.fullmatch(key):
        raise ValidationError({"Idempotency-Key": ["Use 1 to 64 visible ASCII characters."]}, "invalid")
    return key


class TranslationView(ApiView):
    """One translation."""

    @extend_schema(
        operation_id="translation", responses={200: TranslationDetailSerializer, **problems(401, 404)}
    )
    def get(self, request: Request, translation_id: uuid.UUID) -> Response:
        """Look at a translation: your own, or a public one."""
        translation = translation_visible(user=request.user, translation_id=translation_id)
        return self.shaped(translation, TranslationDetailSerializer)

    @extend_schema(
        operation_id="translation_update",
        request=VisibilitySerializer,
        responses={200: TranslationDetailSerializer, **problems(400, 401, 403, 404, 415)},
    )
    def patch(self, request: Request, translation_id: uuid.UUID) -> Response:
        """Publish or hide a translation."""
        translation = translation_managed(user=request.user, translation_id=translation_id)
        form = VisibilitySerializer(data=request.data)
        form.is_valid(raise_exception=True)
        translation_set_visibility(
            translation=translation, visibility=form.validated_data["visibility"], by=_signed_in(request)
        )
        return self.shaped(translation, TranslationDetailSerializer)

    @extend_schema(
        operation_id="translation_delete",
        responses={204: OpenApiResponse(description="Deleted, with its files."), **problems(401, 403, 404)},
    )
    def delete(self, request: Request, translation_id: uuid.UUID) -> Response:
        """Delete a translation in any state, with its files."""
        translation_delete(translation=translation_managed(user=request.user, translation_id=translation_id))
        return Response(status=204)


class CancelView(ApiView):
    """Stop one."""

    @extend_schema(
        operation_id="translation_cancel",
        request=None,
        responses={200: TranslationDetailSerializer, **problems(401, 403, 404, 409)},
    )
    def post(self, request: Request, translation_id: uuid.UUID) -> Response:
        """Cancel a queued or running translation. A running one stops within seconds."""
        translation = translation_managed(user=request.user, translation_id=translation_id)
        if not translation_cancel(translation=translation):
            raise Conflict("It has already finished.")
        return self.shaped(translation, TranslationDetailSerializer)


class RetryView(ApiView):
    """Try one again."""

    @extend_schema(
        operation_id="translation_retry",
        request=None,
        responses={202: TranslationDetailSerializer, **problems(401, 403, 404, 409)},
    )
    def post(self, request: Request, translation_id: uuid.UUID) -> Response:
        """Queue a failed or cancelled translation again, with the same seed."""
        translation = translation_owned(user=request.user, translation_id=translation_id)
        if not translation_retry(translation=translation):
            raise Conflict("Only failed or cancelled translations can be retried.")
        return self.shaped(translation, TranslationDetailSerializer, status=202)


class TranslationFileView(ApiView):
    """Its pictures."""

    @extend_schema(
        operation_id="translation_file",
        parameters=[KIND, DOWNLOAD],
        responses={
            (200, "image/png"): OpenApiTypes.BINARY,
            (200, "image/webp"): OpenApiTypes.BINARY,
            302: OpenApiResponse(description="To a link that works for a minute (object storage)."),
            304: OpenApiResponse(description="Unchanged."),
            **problems(401, 404, 503),
        },
    )
    def get(self, request: Request, translation_id: uuid.UUID, kind: str) -> HttpResponseBase:
        """Fetch a picture of a translation: your own, or a public one."""
        translation = translation_visible(user=request.user, translation_id=translation_id)
        return file_response(
            translation, kind, download=wants_download(request.query_params), request=request._request
        )


def wants_download(query: Any) -> bool:
    """``?download=1`` or ``true``."""
    return query.get("download", "").lower() in ("1", "true")


class GalleryView(ApiView):
    """What people share."""

    @extend_schema(
        operation_id="gallery_list",
        parameters=[GalleryFilterSerializer],
        responses={(200, JSON): TranslationSerializer(many=True), **problems(400, 401, 404)},
    )
    def get(self, request: Request) -> Response:
        """List the public translations, newest first. No sign-in needed."""
        filters = GalleryFilterSerializer(data=request.query_params)
        filters.is_valid(raise_exception=True)
        return self.paginated(gallery(filters=filters.to_filters()), TranslationSerializer)
