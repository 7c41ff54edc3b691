"""What several views share."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.cache import add_never_cache_headers, patch_cache_control, patch_vary_headers
from django_htmx.http import HttpResponseClientRedirect

from translator.models import Translation
from translator.services import StorageError

PAGE_SIZE = 24  # fills rows of two, three and four
PUBLIC_SECONDS = 15  # how long a page for everybody may lag behind

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]  # called by URL patterns: positionally
Select = Callable[..., Translation]


def public_page(view: View[P]) -> View[P]:
    """Strangers share one copy for some seconds; a signed-in person's page is kept by nobody.

    Cookies tell them apart, and so does htmx: a fragment must never stand for a page.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        patch_vary_headers(response, ("Cookie", "HX-Request"))
        # Messages are for one person, shown once.
        personal = request.user.is_authenticated or getattr(
            getattr(request, "_messages", None), "used", False
        )
        if response.status_code == 200 and not personal:
            patch_cache_control(response, public=True, max_age=PUBLIC_SECONDS)
        else:
            add_never_cache_headers(response)
        return response

    return wrapped


def fetch(select: Select, request: HttpRequest, translation_id: uuid.UUID) -> Translation:
    """What the selector lets this person have.

    Raises:
        Http404: there is none, or none for this person: nobody can tell which.
    """
    try:
        return select(user=request.user, translation_id=translation_id)
    except Translation.DoesNotExist:
        raise Http404 from None


def page_of(rows: QuerySet[Translation], request: HttpRequest) -> Page[Translation]:
    """The page that the query string asks for; a number out of range means the nearest page."""
    return Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))


def is_htmx(request: HttpRequest) -> bool:
    """Whether htmx asks (and wants a fragment, or to be told where to go)."""
    return bool(getattr(request, "htmx", False))


def go(request: HttpRequest, to: Any) -> HttpResponse:
    """Redirect a browser; htmx would follow a 302 silently and swap the page it finds."""
    if is_htmx(request):
        return HttpResponseClientRedirect(redirect(to).url)
    return redirect(to)


def storage_errors(view: View[P]) -> View[P]:
    """A storage that cannot be used is a 503 in plain words."""

    @wraps(view)
    def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except StorageError as error:
            response = render(request, "503.html", {"message": str(error)}, status=503)
            response["Retry-After"] = "30"
            add_never_cache_headers(response)
            return response

    return wrapped
