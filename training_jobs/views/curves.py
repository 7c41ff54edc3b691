"""A run's curves as JSON."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import patch_cache_control
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from training_jobs.run_selectors import curve_points
from training_jobs.views.common import run_of, staff_only

POINTS = 2_000  # rows of one answer, unless more are asked for: about what a wide screen has pixels
MOST_POINTS = 6_000


@staff_only
@gzip_page  # nothing in it is secret, and nothing a stranger sends is repeated in it
@require_safe
def curve_data(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """``{"columns": [...], "steps": [...], "values": [[...], ...], "step", "attempt", "began", "resumes"}``.

    ``from`` and ``to`` narrow the steps, so that a zoom gets its own points; ``after`` leaves out what is
    known already; ``points`` is how many at most. When ``attempt`` or ``began`` (how often it has gone on or
    begun) changes, steps after the newest of ``resumes`` may have been forgotten, and what is known must be
    asked for again: an attempt claims the run some time before it knows from where it goes on.
    """
    run = run_of(request, run_id)
    first, last, after = (_number(request, name) for name in ("from", "to", "after"))
    first = max(first or 0, after + 1 if after is not None else 0)
    points = min(max(_number(request, "points") or POINTS, 50), MOST_POINTS)
    notes = run.notes.filter(kind__in=["started", "resumed"]).order_by("id")
    began = list(notes.values_list("kind", "step", "attempt"))
    data = {
        **curve_points(run, first=first, last=last, points=points),
        "attempt": run.attempt,
        "began": len(began),
        "resumes": [{"step": step, "attempt": attempt} for kind, step, attempt in began if kind == "resumed"],
    }
    response = JsonResponse(data)
    patch_cache_control(response, private=True, no_store=True)
    return response


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
