"""The front page, and what generators there are."""

from __future__ import annotations

import uuid

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from translator.downloads import file_response
from translator.models import Direction, Generator
from translator.presentation import figures_of
from translator.samples import sample_maps
from translator.selectors import gallery, generator_visible, generators_offered
from translator.views.common import public_page, storage_errors

RECENT = 8


@require_safe
@public_page
def home(request: HttpRequest) -> HttpResponse:
    """What this is, at a glance: a map and what became of it, maps to try, what others made."""
    offered = list(generators_offered(request.user))
    shown = [each for each in offered if each.sample_input and each.sample_output and each.is_published]
    shown.sort(key=lambda each: each.direction != Direction.MAP_TO_SATELLITE)  # and the default first
    first = next((each for each in offered if each.direction == Direction.MAP_TO_SATELLITE), None)
    return render(
        request,
        "translator/home.html",
        {
            "example": shown[0] if shown else None,
            "generator": first,
            "samples": list(sample_maps()) if first else [],
            "recent": gallery()[:RECENT],
            "key": uuid.uuid4().hex,  # a double click on a sample is one submission
        },
    )


@require_safe
@public_page
def generators(request: HttpRequest) -> HttpResponse:
    """Every generator on offer, with the figures of its card."""
    offered = [(each, figures_of(each.card)) for each in generators_offered(request.user)]
    return render(request, "translator/generators.html", {"generators": offered})


@require_safe
@storage_errors
def generator_sample(request: HttpRequest, generator_id: uuid.UUID, kind: str) -> HttpResponseBase:
    """One picture of a generator's sample pair."""
    try:
        generator = generator_visible(user=request.user, generator_id=generator_id)
    except Generator.DoesNotExist:
        raise Http404 from None
    return file_response(generator, kind, request=request)
