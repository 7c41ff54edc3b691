"""Uploads: a large file sent in chunks, in order; after an interruption the server says where to go on."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from training_jobs.api.base import JSON, StaffView, problems
from training_jobs.selectors import upload_owned, uploads_waiting
from training_jobs.serializers.uploads import NewUploadSerializer, UploadSerializer
from training_jobs.services import UploadRefused, upload_append, upload_begin, upload_discard
from training_jobs.services.uploads import AWAITED, CHUNK_LIMIT
from translator.negotiation import ShallowJsonParser
from translator.problems import Conflict

OCTETS = "application/offset+octet-stream"  # as tus has it
OFFSET = "Upload-Offset"
LOCATION = OpenApiParameter(
    "Location", OpenApiTypes.URI, location="header", response=[201], description="Where to send it."
)


class Octets:
    """A chunk that is still to be read.

    Requests and views of REST framework refer to each other, so what they hold stays until the garbage is
    collected; a chunk's bytes must not.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self) -> bytes:
        """The bytes, and one more than there may be; whoever takes them looks at their number."""
        data: bytes = self._stream.read(CHUNK_LIMIT + 1)
        return data


class OctetsParser(BaseParser):
    """Takes a chunk as it is, later."""

    media_type = OCTETS

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Nothing is read yet."""
        return Octets(stream)


class UploadsView(StaffView):
    """One's own."""

    @extend_schema(
        operation_id="uploads_list",
        responses={(200, JSON): UploadSerializer(many=True), **problems(401, 404)},
    )
    def get(self, request: Request) -> Response:
        """List your uploads that no dataset has taken yet, newest first (staff)."""
        return self.paginated(uploads_waiting(user=request.user), UploadSerializer)

    @extend_schema(
        operation_id="uploads_create",
        request=NewUploadSerializer,
        parameters=[LOCATION],
        responses={201: UploadSerializer, **problems(400, 401, 403, 404, 415)},
    )
    def post(self, request: Request) -> Response:
        """Announce a file (staff). Then send its bytes with PATCH, and name its id for a dataset."""
        form = NewUploadSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        upload = upload_begin(owner=self.staff(), **form.validated_data)
        answer = self.shaped(upload, UploadSerializer, status=201)
        answer["Location"] = answer.data["url"]
        return answer


class UploadView(StaffView):
    """One upload."""

    parser_classes = [OctetsParser, ShallowJsonParser]

    @extend_schema(operation_id="upload", responses={200: UploadSerializer, **problems(401, 404)})
    def get(self, request: Request, upload_id: uuid.UUID) -> Response:
        """See how far an upload of yours is (staff)."""
        return self.shaped(upload_owned(user=request.user, upload_id=upload_id), UploadSerializer)

    @extend_schema(
        operation_id="upload_append",
        request={OCTETS: OpenApiTypes.BINARY},
        parameters=[
            OpenApiParameter(
                OFFSET,
                OpenApiTypes.INT,
                location="header",
                required=True,
                description="Where the chunk begins: what `received` was before it.",
            )
        ],
        responses={200: UploadSerializer, **problems(400, 401, 403, 404, 409, 413, 415, 503)},
    )
    def patch(self, request: Request, upload_id: uuid.UUID) -> Response:
        """Send the next chunk (staff). One that is there already changes nothing; a gap is a conflict."""
        upload = upload_owned(user=request.user, upload_id=upload_id)
        chunk: Any = request.data
        if not isinstance(chunk, Octets):
            raise ValidationError({"": [f"Send the bytes as {OCTETS}."]}, "invalid")
        data = chunk.read()
        _check_whole(request, data)
        upload_append(upload=upload, offset=_offset(request), data=data)
        return self.shaped(upload, UploadSerializer)

    @extend_schema(
        operation_id="upload_discard",
        responses={204: OpenApiResponse(description="Gone, with its bytes."), **problems(401, 403, 404, 409)},
    )
    def delete(self, request: Request, upload_id: uuid.UUID) -> Response:
        """Give an upload up, unless a dataset is being made of it (staff)."""
        if not upload_discard(upload=upload_owned(user=request.user, upload_id=upload_id)):
            raise Conflict(AWAITED)
        return Response(status=204)


def _offset(request: Request) -> int:
    text: str = request.headers.get(OFFSET, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise ValidationError({OFFSET: ["Say at which byte the chunk begins."]}, "invalid")
    return int(text)


def _check_whole(request: Request, data: bytes) -> None:
    """Refuse what the connection did not bring to its end."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdecimal() and len(data) < min(int(length), CHUNK_LIMIT):
        raise UploadRefused("cut_short", "The connection was cut. Send this chunk again.")
