"""Runs beside each other."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from training_jobs.comparison import LIMIT, differences, plotted, scores, tiles
from training_jobs.models import Sweep, TrainingRun
from training_jobs.selectors import runs_visible
from training_jobs.sweep_selectors import sweep_table, sweep_visible
from training_jobs.views.common import staff_only

SHOWN_BEST = 6  # of a sweep


@staff_only
@require_safe
def compare(request: HttpRequest) -> HttpResponse:
    """The runs that ``?run=ID&run=ID`` or ``?sweep=ID`` (its best ones) name."""
    sweep = _sweep(request)
    runs, left_out = _best(sweep) if sweep is not None else _named(request)
    ranked = scores(runs)
    context: dict[str, Any] = {
        "runs": runs,
        "sweep": sweep,
        "left_out": left_out,
        "limit": LIMIT,
        "differences": differences(runs),
        "scores": ranked,
        "tiles": tiles(runs),
        "plotted": [
            {**each, "curves": reverse("training:run-curves", args=[each["id"]])}
            for each in plotted(runs, ranked)
        ],
    }
    return render(request, "training/compare.html", context)


def _sweep(request: HttpRequest) -> Sweep | None:
    named = request.GET.get("sweep")
    if not named:
        return None
    try:
        return sweep_visible(user=request.user, sweep_id=uuid.UUID(named))
    except (ValueError, Sweep.DoesNotExist):
        raise Http404 from None


def _best(sweep: Sweep) -> tuple[list[TrainingRun], int]:
    """The best runs of a sweep, best first."""
    rows = [row for row in sweep_table(sweep) if row.place is not None]
    ids = [row.trial.run_id for row in rows[:SHOWN_BEST]]
    found = TrainingRun.objects.select_related("dataset_version__dataset").in_bulk(ids)
    return [found[run_id] for run_id in ids if run_id in found], len(rows) - len(ids)


def _named(request: HttpRequest) -> tuple[list[TrainingRun], int]:
    """The runs that were chosen and are still there, in the order of their choice; and how many are not."""
    ids = []
    for text in dict.fromkeys(request.GET.getlist("run")):
        try:
            ids.append(uuid.UUID(text))
        except ValueError:
            raise Http404 from None
    found = runs_visible(request.user).in_bulk(ids[:LIMIT])
    return [found[run_id] for run_id in ids[:LIMIT] if run_id in found], len(ids) - len(found)
