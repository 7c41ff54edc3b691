"""Publishing a checkpoint: the form, and how far it is."""

from __future__ import annotations

import re
import uuid

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HTMX_STOP_POLLING

from jobs.services import job_retry
from training_jobs.models import Checkpoint, Publication
from training_jobs.publish_form import PublishForm
from training_jobs.selectors import checkpoint_visible, publication_visible
from training_jobs.views.common import staff_of, staff_only
from translator.views.common import go, is_htmx


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest, checkpoint_id: uuid.UUID) -> HttpResponse:
    """Say how a checkpoint is offered."""
    try:
        checkpoint = checkpoint_visible(user=request.user, checkpoint_id=checkpoint_id)
    except Checkpoint.DoesNotExist:
        raise Http404 from None
    sent = request.POST if request.method == "POST" else None
    initial = {"name": _name(checkpoint.run.name), "title": checkpoint.run.name}
    form = PublishForm(sent, checkpoint=checkpoint, user=staff_of(request), initial=initial)
    if sent is not None and form.save():
        return go(request, checkpoint.run.get_absolute_url())
    context = {"form": form, "checkpoint": checkpoint, "run": checkpoint.run}
    return render(request, "training/publish.html", context, status=200 if sent is None else 422)


@staff_only
@require_safe
def status(request: HttpRequest, publication_id: uuid.UUID) -> HttpResponse:
    """How far it is, as a fragment."""
    publication = _publication(request, publication_id)
    response = render(request, "training/_publication.html", {"publication": publication})
    if is_htmx(request) and not publication.is_active:
        response.status_code = HTMX_STOP_POLLING
    return response


@staff_only
@require_POST
def retry(request: HttpRequest, publication_id: uuid.UUID) -> HttpResponse:
    """Try a failed one again."""
    publication = _publication(request, publication_id)
    if not job_retry(job=publication):
        messages.info(request, "Only a publication that failed can be tried again.")
    run = publication.checkpoint.run if publication.checkpoint else None
    return redirect(run.get_absolute_url() if run else "training:runs")


def _publication(request: HttpRequest, publication_id: uuid.UUID) -> Publication:
    try:
        return publication_visible(user=request.user, publication_id=publication_id)
    except Publication.DoesNotExist:
        raise Http404 from None


def _name(title: str) -> str:
    """A generator's short name from a run's: lower case, dashes."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:64] or "generator"
