"""Publishing a checkpoint: the form, how far it is, its card, who is offered it, and its versions."""

from __future__ import annotations

import re
import uuid

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HTMX_STOP_POLLING

from training_jobs.models import Checkpoint, Publication
from training_jobs.publish_form import CardForm, PublishForm
from training_jobs.selectors import checkpoint_visible, publication_visible, versions_of
from training_jobs.services.publications import generator_offer, publication_cancel, publication_retry
from training_jobs.services.runs import RunRefused
from training_jobs.views.common import staff_of, staff_only
from translator.models import Generator, GeneratorState
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
    run = checkpoint.run
    initial = {
        "name": _name(run.name),
        "title": run.name,
        "attribution": run.dataset_version.dataset.attribution,
    }
    try:
        form = PublishForm(sent, checkpoint=checkpoint, user=staff_of(request), initial=initial)
    except RunRefused as refusal:
        messages.error(request, str(refusal))
        return go(request, run.get_absolute_url())
    if sent is not None and form.save():
        return go(request, run.get_absolute_url())
    context = {"form": form, "checkpoint": checkpoint, "run": run}
    return render(request, "training/publish.html", context, status=200 if sent is None else 422)


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def detail(request: HttpRequest, publication_id: uuid.UUID) -> HttpResponse:
    """One publication: what its card says can be edited here, before it is a generator and after."""
    publication = _publication(request, publication_id)
    form = CardForm(request.POST if request.method == "POST" else None, instance=publication)
    if request.method == "POST" and form.apply(by=staff_of(request)):
        messages.success(request, "The card is changed.")
        return redirect(publication.get_absolute_url())
    if form.errors:
        publication = _publication(request, publication_id)  # as it is, not as the form wanted it
    context = {"publication": publication, "form": form, "states": GeneratorState}
    if publication.generator is not None:
        context["versions"] = versions_of(publication.generator)
    return render(request, "training/publication.html", context, status=422 if form.errors else 200)


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
    if not publication_retry(publication=publication, by=staff_of(request)):
        messages.info(
            request, "Only a publication that failed, and whose checkpoint is there, can be tried again."
        )
    return redirect(publication.get_absolute_url())


@staff_only
@require_POST
def cancel(request: HttpRequest, publication_id: uuid.UUID) -> HttpResponse:
    """Stop it."""
    publication = _publication(request, publication_id)
    if not publication_cancel(publication=publication, by=staff_of(request)):
        messages.info(request, "It is over already.")
    return redirect(publication.get_absolute_url())


@staff_only
@require_POST
def offer(request: HttpRequest, publication_id: uuid.UUID) -> HttpResponse:
    """Who is offered a version of its generator; publishing an earlier one again rolls back to it."""
    publication = _publication(request, publication_id)
    if publication.generator is None:
        raise Http404
    try:
        state = GeneratorState(request.POST.get("state", ""))
        version = int(request.POST.get("version", publication.generator.version))
        generator = Generator.objects.get(name=publication.generator.name, version=version)
    except (ValueError, Generator.DoesNotExist):
        raise Http404 from None
    generator_offer(generator=generator, by=staff_of(request), state=state)
    words = {
        GeneratorState.PUBLISHED: "is offered to everybody",
        GeneratorState.TRIAL: "is offered to staff, on trial",
        GeneratorState.RETIRED: "is retired: nobody is offered it",
    }
    messages.success(request, f"{generator} {words[state]}.")
    return redirect(publication.get_absolute_url())


def _publication(request: HttpRequest, publication_id: uuid.UUID) -> Publication:
    try:
        return publication_visible(user=request.user, publication_id=publication_id)
    except Publication.DoesNotExist:
        raise Http404 from None


def _name(title: str) -> str:
    """A generator's short name from a run's: lower case, dashes."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:64] or "generator"
