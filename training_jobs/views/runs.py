"""A training run, live, and what people do to it; see also `training_jobs.views.launching`."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from jobs.selectors import queue_position
from mapgan.config import ConfigError
from mapgan.presets import preset
from training_jobs.board import event_files
from training_jobs.models import TrainingRun
from training_jobs.run_forms import ExtendForm
from training_jobs.selectors import publications_of
from training_jobs.services.runs import (
    RunRefused,
    run_cancel,
    run_delete,
    run_extend,
    run_finish,
    run_pause,
    run_resume,
)
from training_jobs.usage import Usage
from training_jobs.views.common import run_of, staff_of, staff_only
from translator.downloads import object_response
from translator.views.common import storage_errors

NOTES = 200


@staff_only
@require_safe
def detail(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """One run."""
    return render(request, "training/run.html", _context(run_of(request, run_id)))


@staff_only
@require_safe
def status(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """How far it is, its alarms and its story, as a fragment that asks again while more will come."""
    return render(request, "training/_run_live.html", _context(run_of(request, run_id)))


@staff_only
@require_safe
@storage_errors
def samples(request: HttpRequest, run_id: uuid.UUID, name: str) -> HttpResponseBase:
    """A sheet of samples: ``input-DIRECTION``, ``target-DIRECTION``, or ``STEP-DIRECTION``."""
    run = run_of(request, run_id)
    which, _, direction = name.partition("-")
    if which.isdecimal() and len(which) < 10:
        checkpoint = run.checkpoints.filter(step=int(which)).first()
        key = checkpoint.sheets.get(direction, "") if checkpoint else ""
    else:
        key = run.files.get(name, "") if which in ("input", "target") else ""
    if not key:
        raise Http404
    return object_response(request, key, content_type="image/webp", filename=f"{name}.webp")


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
@storage_errors
def act(request: HttpRequest, run_id: uuid.UUID, action: str) -> HttpResponse:
    """Pause, resume, finish, cancel. Before cancelling it asks, where no script did."""
    run, user = run_of(request, run_id), staff_of(request)
    actions = {"pause": run_pause, "resume": run_resume, "finish": run_finish, "cancel": run_cancel}
    if action not in actions:
        raise Http404
    if request.method != "POST":
        if action != "cancel":
            return redirect(run.get_absolute_url())
        return render(request, "training/run_cancel.html", _context(run))
    if not actions[action](run=run, by=user):
        messages.info(request, "That is not possible any more: look at where the run stands now.")
    return redirect(run.get_absolute_url())


@staff_only
@require_POST
def extend(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """More steps."""
    run = run_of(request, run_id)
    form = ExtendForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Give the number of steps in all.")
    else:
        try:
            run_extend(run=run, by=staff_of(request), steps=form.cleaned_data["steps"])
        except RunRefused as refusal:
            messages.error(request, str(refusal))
    return redirect(run.get_absolute_url())


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
@storage_errors
def delete(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Ask, then delete it with its checkpoints and files."""
    run = run_of(request, run_id)
    if request.method != "POST":
        context = {"run": run, "checkpoints": run.checkpoints.count()}
        return render(request, "training/run_delete.html", context)
    run_delete(run=run, by=staff_of(request))
    messages.success(request, f"The run {run.name} and its files are deleted.")
    return redirect("training:runs")


def _context(run: TrainingRun) -> dict[str, Any]:
    """What a run's page and its fragment show."""
    checkpoints = list(run.checkpoints.order_by("step"))
    drawn = [each.step for each in checkpoints if each.sheets]
    return {
        "run": run,
        "position": queue_position(job=run),
        "checkpoints": checkpoints,
        "directions": _directions(run),
        "steps_drawn": json.dumps(drawn),
        "fixed": [name for name in run.files if name.startswith(("input-", "target-"))],
        "last_drawn": drawn[-1] if drawn else None,
        "usage": Usage(run.usage),
        "has_events": bool(event_files(run)),
        "notes": run.notes.select_related("by").order_by("-id")[:NOTES],
        "seams": run.notes.filter(kind__in=["resumed", "continuity"]).order_by("id"),
        "publications": publications_of(run),
        "disk_bytes": sum(each.size_bytes for each in checkpoints),
        "is_live": run.is_active and not run.is_paused,
        "changed": _changed(run),
    }


def _directions(run: TrainingRun) -> list[str]:
    """What it learns; what it has drawn, where this version of the library does not know its settings."""
    try:
        return list(run.settings.directions)
    except ConfigError:
        drawn = run.checkpoints.values_list("sheets", flat=True)
        return sorted({direction for sheets in drawn for direction in sheets})


def _changed(run: TrainingRun) -> list[tuple[str, Any, Any]]:
    """Settings in which the run differs from its preset."""
    try:
        start = preset(str(run.config["preset"]), model=str(run.config["model"])).to_dict()
    except (ConfigError, KeyError):
        return []
    differs = {name: value for name, value in run.config.items() if start.get(name) != value}
    return [(name, value, start.get(name, "")) for name, value in differs.items()]
