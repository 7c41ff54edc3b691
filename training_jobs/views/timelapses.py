"""Time-lapses: asked for, followed, taken home."""

from __future__ import annotations

import re
import uuid

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from training_jobs.checkpoint_table import timelapse_context
from training_jobs.models import TrainingRun
from training_jobs.selectors import run_visible, timelapse_of
from training_jobs.services.runs import RunRefused
from training_jobs.services.timelapses import timelapse_cancel, timelapse_request
from training_jobs.views.common import staff_of, staff_only
from translator.downloads import object_response
from translator.models import Direction
from translator.views.common import storage_errors


@staff_only
@require_POST
def ask(request: HttpRequest, run_id: uuid.UUID, direction: str) -> HttpResponse:
    """Have it made, or made anew; or stop that (``stop``)."""
    run = _run(request, run_id, direction)
    lapse = timelapse_of(run, direction)
    if "stop" in request.POST:
        if lapse is not None:
            timelapse_cancel(timelapse=lapse, by=staff_of(request))
    else:
        try:
            timelapse_request(run=run, by=staff_of(request), direction=direction)
        except RunRefused as refusal:
            messages.info(request, str(refusal))
    return redirect(f"{run.get_absolute_url()}#timelapse-{direction}")


@staff_only
@require_safe
def status(request: HttpRequest, run_id: uuid.UUID, direction: str) -> HttpResponse:
    """How far it is, as a fragment."""
    run = _run(request, run_id, direction)
    return render(request, "training/_timelapse.html", timelapse_context(run, direction))


@staff_only
@require_safe
@storage_errors
def download(request: HttpRequest, run_id: uuid.UUID, direction: str) -> HttpResponseBase:
    """The moving picture, to look at or (``?download``) to keep."""
    run = _run(request, run_id, direction)
    lapse = timelapse_of(run, direction)
    if lapse is None or not lapse.file:
        raise Http404
    stem = re.sub(r"[^a-z0-9]+", "-", run.name.lower()).strip("-") or "run"
    return object_response(
        request,
        lapse.file,
        content_type="image/webp",
        filename=f"{stem}-{direction}.webp",
        download="download" in request.GET,
    )


def _run(request: HttpRequest, run_id: uuid.UUID, direction: str) -> TrainingRun:
    if direction not in Direction.values:
        raise Http404
    try:
        return run_visible(user=request.user, run_id=run_id)
    except TrainingRun.DoesNotExist:
        raise Http404 from None
