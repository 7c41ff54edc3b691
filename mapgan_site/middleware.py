"""Around every request: machines first, no body that is too large, no private page in a cache."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve
from django.utils.cache import add_never_cache_headers, patch_vary_headers

from mapgan_site import health
from mapgan_site.operations import machines

HARMLESS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class MachinesMiddleware:
    """Answers probes and Prometheus before anything else looks at the request.

    They ask under the machine's address, which is no name of the site, and in plain HTTP. What needs a
    person signed in goes on to the views.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Middleware as Django makes it."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a machine, or pass on."""
        response = self._answer(request)
        if response is None:
            return self.get_response(request)
        for name, value in HARMLESS.items():  # what the middleware that is passed by says of every answer
            response.headers.setdefault(name, value)
        return response

    @staticmethod
    def _answer(request: HttpRequest) -> HttpResponse | None:
        if request.path_info == "/healthz":
            return health.healthz(request)
        if request.path_info == "/readyz":
            return health.readyz(request)
        if request.path_info == "/metrics" and machines.is_known_machine(request):
            return machines.metrics(request)
        return None


class BodySizeMiddleware:
    """413 for a body over REQUEST_MAX_BYTES.

    The CSRF check parses the body of every POST, so without this an upload that will be refused anyway
    would first be written to the disk, for strangers too. gunicorn never reads past a declared length.
    A chunked body declares none; it would reach Django as an empty one, and 411 says so. A view with a
    ``body_limit`` says itself how much it takes, of whom.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Middleware as Django makes it."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on, or refuse."""
        if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
            return _refuse(request, 411, "Send the body with a Content-Length.")
        if _length(request) > settings.REQUEST_MAX_BYTES and not _decides_itself(request):
            megabytes = settings.TRANSLATION_MAX_BYTES // 1_000_000
            return _refuse(request, 413, f"This upload is too large: at most {megabytes} MB.")
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., object], *_: object
    ) -> HttpResponse | None:
        """Ask the view that decides itself: it knows who asks, and the CSRF check has not read the body."""
        limit = getattr(view, "body_limit", None)
        if limit is not None and _length(request) > (most := max(limit(request), settings.REQUEST_MAX_BYTES)):
            return _refuse(request, 413, f"This upload is too large: at most {most // 1_000_000} MB.")
        return None


def _length(request: HttpRequest) -> int:
    """Bytes of the body, as it is declared."""
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0  # Django reads it the same way


def _decides_itself(request: HttpRequest) -> bool:
    """Whether the address's view has a limit of its own."""
    try:
        return hasattr(resolve(request.path_info).func, "body_limit")
    except Resolver404:
        return False


def _refuse(request: HttpRequest, status: int, message: str) -> HttpResponse:
    if request.path.startswith("/api/"):
        code = {411: "length_required", 413: "too_large"}[status]
        title = HTTPStatus(status).phrase
        problem = {"type": "about:blank", "title": title, "status": status, "detail": message, "code": code}
        return JsonResponse(problem, status=status, content_type="application/problem+json")
    return HttpResponse(render_to_string("413.html", {"message": message}), status=status)


class PrivateResponsesMiddleware:
    """Answers to somebody we know are kept by no cache, unless the view says how.

    A page of a signed-in person must not come back from the browser's memory after they signed out.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Middleware as Django makes it."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Mark the answer. The cookie is enough: who it belongs to need not be looked up."""
        response = self.get_response(request)
        known = settings.SESSION_COOKIE_NAME in request.COOKIES or "Authorization" in request.headers
        known = known or settings.SESSION_COOKIE_NAME in response.cookies
        if known and not response.has_header("Cache-Control"):
            add_never_cache_headers(response)
        if request.path.startswith("/api/"):
            patch_vary_headers(response, ["Authorization", "Cookie"])
        return response
