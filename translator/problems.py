"""Errors of the API as problem details (RFC 9457): one shape for all of them, nothing given away.

``{"type": "about:blank", "title": "Not Found", "status": 404, "detail": "…", "code": "not_found"}``, and for
input that cannot be accepted also ``"errors": [{"field": "image", "code": "truncated", "message": "…"}]``.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError
from django.http import Http404, UnreadablePostError
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from jobs.errors import JobGone
from translator.models import Generator, Translation
from translator.services import StorageError, UploadRejected

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
RETRY_SECONDS = 30
NOT_FOUND = "There is nothing here."
INTERNAL = "Something went wrong on our side."


MISSING = (Http404, Generator.DoesNotExist, Translation.DoesNotExist, JobGone, exceptions.NotFound)
REFUSALS = {  # any other refusal of an upload is a 400
    "too_large": status.HTTP_413_REQUEST_ENTITY_TOO_LARGE,
    "idempotency_key_reused": status.HTTP_422_UNPROCESSABLE_ENTITY,
}
UNREADABLE = (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent, UnreadablePostError)


class Conflict(exceptions.APIException):
    """The request fits no longer: the job is in another state."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


def problem(
    status_code: int,
    detail: str,
    code: str,
    *,
    errors: list[dict[str, str]] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """A problem details response."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status_code).phrase,
        "status": status_code,
        "detail": detail,
        "code": code,
    }
    if errors is not None:
        body["errors"] = errors
    return Response(body, status=status_code, headers=headers, content_type=CONTENT_TYPE)


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """Turn whatever a view of the API raised into a problem. Unexpected errors are logged and say nothing."""
    set_rollback()
    known = _known(error)
    if known is not None:
        return known
    # Django logs and reports only what leaves a view, and this does not.
    request = context.get("request")
    logger.error("The API failed unexpectedly.", exc_info=error)
    got_request_exception.send(sender=None, request=getattr(request, "_request", None))
    return problem(500, INTERNAL, "internal")


def _known(error: Exception) -> Response | None:
    """The problem of an error that is expected; None for a fault of ours."""
    if isinstance(error, MISSING):
        return problem(404, NOT_FOUND, "not_found")
    if isinstance(error, PermissionDenied):
        return problem(403, str(error) or "You may not do this.", "permission_denied")
    if isinstance(error, UNREADABLE):
        return problem(400, "The request cannot be read.", "unreadable")
    if isinstance(error, UploadRejected):
        fault = {"field": error.field, "code": error.code, "message": error.message}
        return problem(REFUSALS.get(error.code, 400), error.message, error.code, errors=[fault])
    if isinstance(error, exceptions.APIException):
        return _from_rest(error)
    return _outage(error)


def _outage(error: Exception) -> Response | None:
    """A part of the service is away; whoever asked can come again."""
    if isinstance(error, StorageError):
        detail, code = str(error), "storage_unavailable"
    elif isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        # An upload passes through the temporary folder before any view sees it.
        detail, code = "The server has no space left. Please try again later.", "no_space"
    elif isinstance(error, OperationalError | InterfaceError):
        detail, code = "The service is not available right now. Please try again.", "unavailable"
    else:
        return None
    logger.error("A request had to be refused.", exc_info=error)
    return problem(503, detail, code, headers={"Retry-After": str(RETRY_SECONDS)})


def _from_rest(error: exceptions.APIException) -> Response:
    if isinstance(error, exceptions.ValidationError):
        faults = list(_faults(error.get_full_details()))
        return problem(400, "The input cannot be accepted.", "invalid", errors=faults)
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    codes = error.get_codes()
    code = codes if isinstance(codes, str) else error.default_code
    return problem(error.status_code, str(error.detail), code, headers=headers)


def _faults(details: Any, path: str = "") -> Iterator[dict[str, str]]:
    """Flatten what serializers say, with dotted paths; faults of no single field have the field ``""``."""
    if isinstance(details, list):
        for entry in details:
            yield from _faults(entry, path)
    elif "message" in details and "code" in details and isinstance(details["message"], str):
        yield {"field": path, "code": str(details["code"]), "message": str(details["message"])}
    else:
        for name, entry in details.items():
            own = "" if name == "non_field_errors" else str(name)
            yield from _faults(entry, ".".join(part for part in (path, own) if part))
