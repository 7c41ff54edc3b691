"""Chunked uploads, as FilePond sends them (its protocol follows tus).

``POST`` announces a file (``Upload-Name``, ``Upload-Length``) and answers its id as plain text. ``PATCH``
brings the bytes from ``Upload-Offset`` on. ``HEAD`` tells in ``Upload-Offset`` where to go on after an
interruption, and in ``Upload-Taken`` that a dataset has it already. ``DELETE`` gives it up,
unless a dataset is being made of it (409).
"""

from __future__ import annotations

import uuid
from urllib.parse import unquote

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from training_jobs.models import Upload
from training_jobs.selectors import upload_is_taken, upload_owned
from training_jobs.services import UploadConflict, UploadRefused, upload_append, upload_begin, upload_discard
from training_jobs.services.uploads import AWAITED, CHUNK_LIMIT
from training_jobs.views.common import staff_of, staff_only
from translator.services import StorageError

PLAIN = "text/plain; charset=utf-8"


@staff_only
@require_POST
def begin(request: HttpRequest) -> HttpResponse:
    """Announce a file; the answer is its id."""
    try:
        upload = upload_begin(
            owner=staff_of(request),
            filename=unquote(request.headers.get("Upload-Name", "")),
            size=_number(request, "Upload-Length"),
        )
    except UploadRefused as refusal:
        return _refused(refusal)
    response = HttpResponse(str(upload.pk), status=201, content_type=PLAIN)
    response["Location"] = reverse("training:upload", args=[upload.pk])
    return response


@staff_only
def upload(request: HttpRequest, upload_id: uuid.UUID) -> HttpResponse:
    """One upload: its next chunk, how far it is, or its end."""
    try:
        row = upload_owned(user=request.user, upload_id=upload_id)
    except Upload.DoesNotExist:
        raise Http404 from None
    if request.method == "PATCH":
        return _append(request, row)
    if request.method == "HEAD":
        response = _told(row, 200)
        if upload_is_taken(row):
            response["Upload-Taken"] = "true"
        return response
    if request.method == "DELETE":
        if upload_discard(upload=row):
            return HttpResponse(status=204)
        return HttpResponse(AWAITED, status=409, content_type=PLAIN)
    return HttpResponseNotAllowed(["DELETE", "HEAD", "PATCH"])


@staff_only
@require_POST
def discard(request: HttpRequest, upload_id: uuid.UUID) -> HttpResponse:
    """Give one up from a page, and come back to it."""
    try:
        row = upload_owned(user=request.user, upload_id=upload_id)
    except Upload.DoesNotExist:
        raise Http404 from None
    if upload_discard(upload=row):
        messages.success(request, f"{row.filename} was removed.")
    else:
        messages.error(request, AWAITED)
    back = request.POST.get("next", "")
    return redirect(back if url_has_allowed_host_and_scheme(back, None) else "training:dataset-new")


def _append(request: HttpRequest, row: Upload) -> HttpResponse:
    try:
        upload_append(upload=row, offset=_number(request, "Upload-Offset"), data=_body(request))
    except UploadRefused as refusal:
        response = _refused(refusal)
        response["Upload-Offset"] = str(row.received)
        return response
    except StorageError as error:
        return HttpResponse(str(error), status=503, content_type=PLAIN, headers={"Retry-After": "30"})
    return _told(row, 204)


def _body(request: HttpRequest) -> bytes:
    """The whole chunk, read from the connection: `request.body` has the limit of ordinary forms."""
    data = request.read(CHUNK_LIMIT + 1)
    if len(data) < min(_number(request, "Content-Length"), CHUNK_LIMIT):
        raise UploadRefused("cut_short", "The connection was cut. Send this chunk again.")
    return data


def _told(row: Upload, status: int) -> HttpResponse:
    headers = {"Upload-Offset": str(row.received), "Upload-Length": str(row.size)}
    return HttpResponse(status=status, content_type=PLAIN, headers=headers)


def _refused(refusal: UploadRefused) -> HttpResponse:
    status = 409 if isinstance(refusal, UploadConflict) else 422
    return HttpResponse(str(refusal), status=status, content_type=PLAIN)


def _number(request: HttpRequest, header: str) -> int:
    """A header's whole number; -1, which every service refuses, for anything else."""
    text = request.headers.get(header, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else -1
