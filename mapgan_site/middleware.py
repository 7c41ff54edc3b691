"""Refuses bodies that are too large before anything reads them."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string


class BodySizeMiddleware:
    """413 for a body over REQUEST_MAX_BYTES.

    The CSRF check parses the body of every POST, so without this an upload that will be refused anyway
    would first be written to the disk, for strangers too. gunicorn never reads past a declared length.
    A chunked body declares none; it would reach Django as an empty one, and 411 says so.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Middleware as Django makes it."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on, or refuse."""
        if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
            return _refuse(request, 411, "Send the body with a Content-Length.")
        try:
            length = int(request.META.get("CONTENT_LENGTH") or 0)
        except ValueError:
            length = 0  # Django reads it the same way
        if length > settings.REQUEST_MAX_BYTES:
            megabytes = settings.TRANSLATION_MAX_BYTES // 1_000_000
            return _refuse(request, 413, f"This upload is too large: at most {megabytes} MB.")
        return self.get_response(request)


def _refuse(request: HttpRequest, status: int, message: str) -> HttpResponse:
    if request.path.startswith("/api/"):
        title = {411: "Length Required", 413: "Content Too Large"}[status]
        problem = {"type": "about:blank", "title": title, "status": status, "detail": message}
        return JsonResponse(problem, status=status, content_type="application/problem+json")
    return HttpResponse(render_to_string("413.html", {"message": message}), status=status)
