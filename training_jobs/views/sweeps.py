"""Sweeps: the list, the launch, one of them live, and what people do to it."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mapgan.config import ConfigError
from training_jobs.estimates import estimate_sweep
from training_jobs.models import Sweep
from training_jobs.run_forms import StartForm
from training_jobs.search import Axis
from training_jobs.selectors import runs_visible
from training_jobs.services.runs import RunRefused
from training_jobs.services.sweeps import (
    sweep_cancel,
    sweep_delete,
    sweep_extend,
    sweep_pause,
    sweep_resume,
    sweep_retry,
)
from training_jobs.sweep_forms import SweepExtendForm, SweepForm
from training_jobs.sweep_selectors import (
    columns_of,
    parallel_data,
    sweep_table,
    sweep_visible,
    sweeps_visible,
)
from training_jobs.views.common import staff_of, staff_only
from training_jobs.views.comparing import SHOWN_BEST
from training_jobs.views.launching import parent_run
from translator.views.common import PAGE_SIZE, go, storage_errors

NOTES = 50


@staff_only
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Every sweep, newest first."""
    page = Paginator(sweeps_visible(request.user), PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "training/sweeps.html", {"page": page})


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Begin a sweep, from a preset, a run (``?clone=ID``) or another sweep (``?like=ID``)."""
    sent = request.POST if request.method == "POST" else None
    form = _form(request)
    if sent is not None:
        sweep = form.save_sweep()
        if sweep is not None:
            return go(request, sweep.get_absolute_url())
    starts = StartForm(initial={"model": form.start.model, "preset": form.start.preset})
    context = {
        "form": form,
        "start": form.start,
        "parent": form.cloned_from,
        "like": _like(request),
        "starts": starts,
    }
    return render(request, "training/sweep_new.html", context, status=422 if sent is not None else 200)


@staff_only
@require_POST
def costs(request: HttpRequest) -> HttpResponse:
    """What the sweep in the form would try and cost, as a fragment."""
    form = _form(request)
    form.is_valid()
    found = None
    if form.config is not None and form.plan is not None:
        found = estimate_sweep(form.config, form.plan, runs_visible(request.user))
    context = {"estimate": found, "problems": form.problems}
    return render(request, "training/_sweep_estimate.html", context)


@staff_only
@require_safe
def detail(request: HttpRequest, sweep_id: uuid.UUID) -> HttpResponse:
    """One sweep."""
    return render(request, "training/sweep.html", _context(request, _sweep(request, sweep_id)))


@staff_only
@require_safe
def status(request: HttpRequest, sweep_id: uuid.UUID) -> HttpResponse:
    """How far it is, as a fragment that asks again while more will come."""
    return render(request, "training/_sweep_live.html", _context(request, _sweep(request, sweep_id)))


@staff_only
@require_POST
def act(request: HttpRequest, sweep_id: uuid.UUID, action: str) -> HttpResponse:
    """Pause, resume, cancel, try failed runs again."""
    sweep, user = _sweep(request, sweep_id), staff_of(request)
    actions = {"pause": sweep_pause, "resume": sweep_resume, "cancel": sweep_cancel, "retry": sweep_retry}
    if action not in actions:
        raise Http404
    if not actions[action](sweep=sweep, by=user):
        messages.info(request, "That is not possible any more: look at where the sweep stands now.")
    return redirect(sweep.get_absolute_url())


@staff_only
@require_POST
def extend(request: HttpRequest, sweep_id: uuid.UUID) -> HttpResponse:
    """Other numbers of runs."""
    sweep = _sweep(request, sweep_id)
    form = SweepExtendForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Give the number of runs in all, and at once.")
    else:
        try:
            sweep_extend(sweep=sweep, by=staff_of(request), **form.cleaned_data)
        except RunRefused as refusal:
            messages.error(request, str(refusal))
    return redirect(sweep.get_absolute_url())


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
@storage_errors
def delete(request: HttpRequest, sweep_id: uuid.UUID) -> HttpResponse:
    """Ask, then delete it, with its runs if that is wanted."""
    sweep = _sweep(request, sweep_id)
    if request.method != "POST":
        return render(request, "training/sweep_delete.html", {"sweep": sweep})
    with_runs = request.POST.get("with_runs") == "on"
    sweep_delete(sweep=sweep, by=staff_of(request), with_runs=with_runs)
    what = "its runs and their files are" if with_runs else "is"
    messages.success(request, f"The sweep {sweep.name} {'and ' if with_runs else ''}{what} deleted.")
    return redirect("training:sweeps")


def _sweep(request: HttpRequest, sweep_id: uuid.UUID) -> Sweep:
    try:
        return sweep_visible(user=request.user, sweep_id=sweep_id)
    except Sweep.DoesNotExist:
        raise Http404 from None


def _like(request: HttpRequest) -> Sweep | None:
    """The sweep whose search is taken over, if one is named."""
    named = request.POST.get("like") or request.GET.get("like")
    if not named:
        return None
    try:
        return _sweep(request, uuid.UUID(named))
    except ValueError:
        raise Http404 from None


def _form(request: HttpRequest) -> SweepForm:
    """The form, begun from a sweep, a run or a preset, with what was sent."""
    sent = request.POST if request.method == "POST" else None
    like, parent = _like(request), parent_run(request)
    try:
        if like is not None:
            start = like.settings
        elif parent is not None:
            start = parent.settings
        else:
            start = StartForm(sent or request.GET).config()
    except ConfigError:  # of another version of the library
        start = StartForm({}).config()
    return SweepForm(sent, user=staff_of(request), start=start, cloned_from=parent, like=like)


def _context(request: HttpRequest, sweep: Sweep) -> dict[str, Any]:
    """What a sweep's page and its fragment show."""
    sort = request.GET.get("sort", "")
    rows = sweep_table(sweep, sort=sort)
    ranked = sorted((row for row in rows if row.place is not None), key=lambda row: row.place or 0)
    counts = {"launched": len(rows)}
    for row in rows:
        state = row.trial.run.state if row.trial.run else "gone"
        counts[state] = counts.get(state, 0) + 1
    parallel = parallel_data(sweep, rows)
    ended = len(rows) - counts.get("queued", 0) - counts.get("running", 0)
    return {
        "sweep": sweep,
        "rows": rows,
        "sort": sort,
        "table": f"{sweep.get_absolute_url()}#trials-title",
        "space": [(axis.name, axis.described()) for axis in map(Axis.from_dict, sweep.space)],
        "columns": columns_of(sweep.direction),
        "best": ranked[0] if ranked else None,
        "counts": counts,
        "ended": ended,
        "share": ended / max(sweep.size, 1),
        "is_live": sweep.is_running or counts.get("running", 0) > 0,
        "parallel": parallel,
        "parallel_json": json.dumps(parallel),
        "notes": sweep.notes.select_related("by").order_by("-id")[:NOTES],
        "comparable": ranked[:SHOWN_BEST],
    }
