"""The public gallery."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from translator import selectors
from translator.forms import FilterForm
from translator.selectors import TranslationFilters, generators_behind
from translator.views.common import page_of, public_page


@require_safe
@public_page
def gallery(request: HttpRequest) -> HttpResponse:
    """What people share, newest first."""
    filters = TranslationFilters.from_query(request.GET)
    generators = list(generators_behind(selectors.gallery()))
    return render(
        request,
        "translator/gallery.html",
        {
            "page": page_of(selectors.gallery(filters=filters), request),
            "filter_form": FilterForm(request.GET or None, generators=generators, leave_out="state"),
            "filtered": any(request.GET.get(name) for name in ("generator", "direction", "person")),
        },
    )
