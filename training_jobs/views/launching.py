"""Training runs as a list, and the launch of a new one."""

from __future__ import annotations

import uuid

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mapgan.config import ConfigError, TrainConfig
from training_jobs.estimates import estimate
from training_jobs.models import TrainingRun
from training_jobs.run_forms import RunFilterForm, RunForm, StartForm
from training_jobs.run_selectors import runs_filtered
from training_jobs.selectors import run_visible, runs_visible
from training_jobs.views.common import staff_of, staff_only
from translator.views.common import go

RUNS_ON_A_PAGE = 50


@staff_only
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Every run, newest first, narrowed and ordered as the query asks."""
    form = RunFilterForm(request.GET or None, label_suffix="")
    filters = form.filters()
    page = Paginator(runs_filtered(request.user, filters), RUNS_ON_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "filter_form": form,
        "filtered": filters.narrows,
        "any": filters.narrows or bool(page.object_list),
        "by_time": filters.sort in ("", "oldest"),
    }
    return render(request, "training/runs.html", context)


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Launch a run, from a preset or from another run (``?clone=ID``)."""
    parent = parent_run(request)
    sent = request.POST if request.method == "POST" else None
    config, unknown = _start(request, parent)
    form = RunForm(sent, user=staff_of(request), start=config, cloned_from=parent)
    form.initial.setdefault("dataset_version", request.GET.get("dataset_version"))
    if request.method == "POST":
        run = form.save()
        if run is not None:
            return go(request, run.get_absolute_url())
    context = {
        "form": form,
        "start": config,
        "parent": parent,
        "unknown": unknown,
        "starts": StartForm(initial={"model": config.model, "preset": config.preset}),
    }
    return render(request, "training/run_new.html", context, status=422 if sent is not None else 200)


@staff_only
@require_POST
def costs(request: HttpRequest) -> HttpResponse:
    """What the run in the form would cost, as a fragment."""
    config, _ = _start(request, parent_run(request))
    form = RunForm(request.POST, user=staff_of(request), start=config)
    form.is_valid()
    version = getattr(form, "cleaned_data", {}).get("dataset_version")
    pairs = version.pairs if version is not None else 0
    found = estimate(form.config, runs_visible(request.user), pairs=pairs) if form.config else None
    return render(request, "training/_estimate.html", {"estimate": found, "problems": form.setting_errors})


def parent_run(request: HttpRequest) -> TrainingRun | None:
    """The run to clone, if one is named."""
    named = request.POST.get("clone") or request.GET.get("clone")
    if not named:
        return None
    try:
        return run_visible(user=request.user, run_id=uuid.UUID(named))
    except (ValueError, TrainingRun.DoesNotExist):
        raise Http404 from None


def _start(request: HttpRequest, parent: TrainingRun | None) -> tuple[TrainConfig, str]:
    """Where the form begins, and why it cannot begin with the parent's settings, if so."""
    if parent is not None:
        try:
            return parent.settings, ""
        except ConfigError as error:
            return StartForm({}).config(), str(error)
    return StartForm(request.POST if request.method == "POST" else request.GET).config(), ""
