"""A translation's page, the fragments that keep it up to date, its files, and one's own list."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_htmx.http import HTMX_STOP_POLLING, reswap, retarget

from accounts.access import is_staff
from jobs.selectors import queue_position
from translator.downloads import file_response
from translator.forms import FilterForm
from translator.models import Translation
from translator.selectors import (
    TranslationFilters,
    generators_behind,
    nobody_translates,
    translation_visible,
    translations_of,
)
from translator.views.common import PAGE_SIZE, fetch, is_htmx, page_of, storage_errors

# (younger than so many seconds, ask every so many seconds); most translations take two or three seconds
PACE = ((10, 1), (60, 2), (600, 5))
SLOWEST = 15


def poll_seconds(translation: Translation) -> int:
    """How long the page waits before it asks again: ever longer, so that a forgotten tab costs little."""
    age = (timezone.now() - translation.queued_at).total_seconds()
    return next((seconds for limit, seconds in PACE if age < limit), SLOWEST)


def describe(request: HttpRequest, translation: Translation) -> dict[str, Any]:
    """The context of a translation's page and of its fragments."""
    is_owner = translation.owner_id == request.user.pk
    staff = is_staff(request.user)
    return {
        "translation": translation,
        "is_owner": is_owner,
        "can_manage": is_owner or staff,
        "show_details": staff,
        "position": queue_position(job=translation),
        "nobody_works": nobody_translates(translation),
        "poll_seconds": poll_seconds(translation),
        "share_url": request.build_absolute_uri(reverse("translator:detail", args=[translation.pk])),
    }


@never_cache
@require_safe
def detail(request: HttpRequest, translation_id: uuid.UUID) -> HttpResponse:
    """One translation: how far it is, or what came of it."""
    translation = fetch(translation_visible, request, translation_id)
    return render(request, "translator/detail.html", describe(request, translation))


@never_cache
@require_safe
def status(request: HttpRequest, translation_id: uuid.UUID) -> HttpResponse:
    """How far it is, as a fragment. Once it ended: the rest of the page, and no more questions (286)."""
    translation = fetch(translation_visible, request, translation_id)
    context = describe(request, translation)
    if translation.is_active:
        response = render(request, "translator/_progress.html", context)
    else:
        context["just_ended"] = True
        response = render(request, "translator/_translation.html", context)
        if is_htmx(request):
            response.status_code = HTMX_STOP_POLLING
            response = reswap(retarget(response, "#translation"), "outerHTML")
    patch_vary_headers(response, ["HX-Request"])
    return response


@require_safe
@storage_errors
def file(request: HttpRequest, translation_id: uuid.UUID, kind: str) -> HttpResponseBase:
    """One of its pictures; ``?download=1`` saves instead of showing."""
    translation = fetch(translation_visible, request, translation_id)
    return file_response(translation, kind, download=request.GET.get("download") == "1", request=request)


@never_cache
@require_safe
@login_required
def mine(request: HttpRequest) -> HttpResponse:
    """One's own translations, newest first."""
    rows = translations_of(user=request.user, filters=TranslationFilters.from_query(request.GET))
    generators = list(generators_behind(translations_of(user=request.user)))
    page = page_of(rows, request)
    return render(
        request,
        "translator/mine.html",
        {
            "page": page,
            "active": [each for each in page if each.is_active],
            "filter_form": FilterForm(request.GET or None, generators=generators, leave_out="person"),
            "filtered": any(request.GET.get(name) for name in ("generator", "direction", "state")),
        },
    )


@never_cache
@require_safe
def updates(request: HttpRequest) -> HttpResponse:
    """The tiles of one's own translations that were unfinished a moment ago; one request for them all.

    Where one is gone, or the session is, the list itself has to be asked for anew.

    Raises:
        Http404: one of them is not to be had: nobody can tell whether there is such a thing.
    """
    try:
        ids = {uuid.UUID(text) for text in request.GET.getlist("id")[:PAGE_SIZE]}
    except ValueError:
        raise Http404 from None
    rows = list(translations_of(user=request.user).filter(pk__in=ids))
    if not request.user.is_authenticated or len(rows) < len(ids):
        raise Http404
    active = [each for each in rows if each.is_active]
    response = render(request, "translator/_updates.html", {"translations": rows, "active": active})
    if not active and is_htmx(request):
        response.status_code = HTMX_STOP_POLLING
    return response
