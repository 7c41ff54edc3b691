"""The page of workers and queues, and the two things one can do there."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import staff_of, staff_only
from jobs import queues
from mapgan_site.operations import selectors
from mapgan_site.operations.forms import PauseForm


@staff_only
@require_safe
def workers(request: HttpRequest) -> HttpResponse:
    """Who works on what, and what waits."""
    return render(request, "operations/workers.html", _context())


@staff_only
@require_safe
def workers_status(request: HttpRequest) -> HttpResponse:
    """The same as a fragment, which asks again."""
    return render(request, "operations/_workers_live.html", _context())


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def pause(request: HttpRequest, queue: str) -> HttpResponse:
    """Ask why, then let workers take nothing more from this queue."""
    facts = _queue(queue)
    form = PauseForm(request.POST if request.method == "POST" else None, label_suffix="")
    if request.method != "POST" or not form.is_valid():
        status = 422 if request.method == "POST" else 200
        return render(request, "operations/pause.html", {"queue": facts, "form": form}, status=status)
    if queues.queue_pause(queue=queue, by=staff_of(request), reason=form.cleaned_data["reason"]):
        messages.success(request, f"{facts.words}: paused. What runs now still finishes.")
    else:
        messages.info(request, f"{facts.words}: paused already.")
    return redirect("operations:workers")


@staff_only
@require_POST
def resume(request: HttpRequest, queue: str) -> HttpResponse:
    """Let workers take from it again."""
    facts = _queue(queue)
    if queues.queue_resume(queue=queue, by=staff_of(request)):
        messages.success(request, f"{facts.words}: resumed.")
    else:
        messages.info(request, f"{facts.words}: not paused.")
    return redirect("operations:workers")


def _queue(name: str) -> selectors.QueueFacts:
    for each in selectors.queue_list(ask_broker=False):
        if each.name == name:
            return each
    raise Http404


def _context() -> dict[str, Any]:
    facts = selectors.worker_list()
    return {
        "queues": selectors.queue_list(),
        "workers": facts,
        "strays": selectors.strays(facts),
        "pauses": selectors.pauses(),
        "upkeep": selectors.messages_for_upkeep(),
    }
