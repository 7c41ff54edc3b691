"""The public gallery."""

from __future__ import annotations

from contextlib import suppress

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from translator import selectors
from translator.forms import FilterForm
from translator.models import Generator
from translator.selectors import TranslationFilters, generator_visible, generators_offered
from translator.views.common import page_of, public_page


@require_safe
@public_page
def gallery(request: HttpRequest) -> HttpResponse:
    """What people share, newest first."""
    filters = TranslationFilters.from_query(request.GET)
    generators = list(generators_offered(request.user))
    if filters.generator and filters.generator not in {each.pk for each in generators}:
        with suppress(Generator.DoesNotExist):  # a retired one, reached by a link from a result
            generators.append(generator_visible(user=request.user, generator_id=filters.generator))
    return render(
        request,
        "translator/gallery.html",
        {
            "page": page_of(selectors.gallery(filters=filters), request),
            "filter_form": FilterForm(request.GET or None, generators=generators, leave_out="state"),
            "filtered": any(request.GET.get(name) for name in ("generator", "direction", "person")),
        },
    )
