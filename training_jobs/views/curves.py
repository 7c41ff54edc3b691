"""A run's curves as JSON."""

from __future__ import annotations

import math
import uuid

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import patch_cache_control
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from training_jobs import curves
from training_jobs.views.common import run_of, staff_only

POINTS = 2_000  # rows of one answer, unless more are asked for: about what a wide screen has pixels
MOST_POINTS = 6_000


@staff_only
@gzip_page  # nothing in it is secret, and nothing a stranger sends is repeated in it
@require_safe
def curve_data(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """``{"columns": [...], "steps": [...], "values": [[...], ...], "step", "attempt", "resumes"}``.

    ``from`` and ``to`` narrow the steps, so that a zoom gets its own points; ``after`` leaves out what is
    known already; ``points`` is how many at most. ``attempt`` changes when a run was interrupted: steps after
    the newest of ``resumes`` may then have been forgotten, and what is known must be asked for again.
    """
    run = run_of(request, run_id)
    first, last, after = (_number(request, name) for name in ("from", "to", "after"))
    first = max(first or 0, after + 1 if after is not None else 0)
    chunks = run.chunks.filter(last_step__gte=first)
    if last is not None:
        chunks = chunks.filter(first_step__lte=last)
    packed = [(bytes(data), rows) for data, rows in chunks.values_list("data", "rows")]
    steps, values = curves.join(packed, len(run.columns))
    inside = (steps >= first) & (steps <= (last if last is not None else 2**32 - 1))
    points = min(max(_number(request, "points") or POINTS, 50), MOST_POINTS)
    steps, values = curves.thin(steps[inside], values[inside], points)
    resumed = run.notes.filter(kind="resumed").order_by("id").values_list("step", "attempt")
    data = {
        "columns": run.columns,
        "steps": steps.tolist(),
        "values": [list(map(_short, column)) for column in values.T.tolist()],
        "step": run.step,
        "attempt": run.attempt,
        "resumes": [{"step": step, "attempt": attempt} for step, attempt in resumed],
    }
    response = JsonResponse(data)
    patch_cache_control(response, private=True, no_store=True)
    return response


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _short(value: float) -> float | None:
    """Six digits, as many as a float32 has; JSON has no NaN."""
    return None if math.isnan(value) else float(f"{value:.6g}")
